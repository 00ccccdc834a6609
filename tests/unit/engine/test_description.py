"""The model and adapters are described without an engine, or the error says why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from consumer.engine.description import describe
from consumer.engine.swatch import MODEL
from consumer.errors import Fatal
from consumer.jobs import Paintable
from consumer.settings import EngineKind, EngineSettings


def test_the_swatch_engine_is_itself() -> None:
    """It needs no weights to be identified, and no adapters take part."""
    assert describe(EngineSettings(kind=EngineKind.SWATCH)) == Paintable(MODEL)


def test_without_weights_the_error_says_what_is_missing(tmp_path: Path) -> None:
    """No folder, or one without a pipeline, is an error and not another model."""
    with pytest.raises(Fatal, match="LEADART_ENGINE__MODEL is not set"):
        describe(EngineSettings())
    with pytest.raises(Fatal, match=r"has no model_index\.json"):
        describe(EngineSettings(model=tmp_path))
