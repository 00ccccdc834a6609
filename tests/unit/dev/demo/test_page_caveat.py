from __future__ import annotations

from pathlib import Path

import pytest

from consumer.dev.demo.page import caveat
from consumer.engine.weights import CARD
from consumer.settings import EngineKind, EngineSettings


def _zimage(folder: Path) -> EngineSettings:
    return EngineSettings(kind=EngineKind.ZIMAGE, model=folder)


def test_a_models_remark_is_shown(tmp_path: Path) -> None:
    """What a model's card says of its pictures reaches the reader as it stands."""
    (tmp_path / CARD).write_text('{"name": "tiny", "remark": "It paints noise."}')

    assert caveat(_zimage(tmp_path)) == "It paints noise."


@pytest.mark.parametrize("card", ['{"name": "z-image-turbo"}', None])
def test_a_model_without_a_remark_needs_no_caveat(tmp_path: Path, card: str | None) -> None:
    """A card that says nothing, and none at all: there is no note."""
    if card:
        (tmp_path / CARD).write_text(card)

    assert caveat(_zimage(tmp_path)) is None


def test_the_swatch_engine_is_no_model() -> None:
    """Colour cards are not passed off as pictures."""
    assert "swatch engine" in (caveat(EngineSettings(kind=EngineKind.SWATCH)) or "")
