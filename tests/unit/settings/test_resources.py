from __future__ import annotations

from pathlib import Path

import pytest

from consumer.errors import Fatal
from consumer.settings import resources
from consumer.settings.resources import bundled, demo_model, is_demo_model


def test_a_shipped_file_is_found() -> None:
    """The styles are there, in a checkout as in an installed wheel."""
    assert "[default]" in bundled("styles.toml").read_text(encoding="utf-8")


def test_a_file_that_does_not_ship_is_named() -> None:
    """What is missing is fatal, by its name."""
    with pytest.raises(Fatal, match=r"nothing\.toml"):
        bundled("nothing.toml")


def test_the_demo_model_of_a_wheel_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed model is taken, else the checkout's; without either the option is named that helps."""
    own, installed = tmp_path / "ops" / "demo-model" / "model", tmp_path / "bundled" / "demo-model"
    monkeypatch.setattr(resources, "_DEMO_MODELS", (installed, own))
    with pytest.raises(Fatal, match="--model FOLDER"):
        demo_model()

    own.mkdir(parents=True)
    assert demo_model() == own
    installed.mkdir(parents=True)
    assert demo_model() == installed
    assert is_demo_model(own / ".." / "model")
    assert not is_demo_model(tmp_path)
