"""What would paint is told without an engine, or why it cannot be told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from consumer.engine.description import describe
from consumer.engine.swatch import MODEL
from consumer.errors import Fatal
from consumer.jobs import Paintable
from consumer.settings import EngineKind, EngineSettings

if TYPE_CHECKING:
    from pathlib import Path


def test_the_swatch_engine_is_itself() -> None:
    """It needs no weights to say who paints, and no style's adapters take part."""
    assert describe(EngineSettings(kind=EngineKind.SWATCH)) == Paintable(MODEL)


def test_without_weights_it_is_said_what_is_missing(tmp_path: Path) -> None:
    """No folder, or one that holds no pipeline, is a sentence and not another model."""
    with pytest.raises(Fatal, match="LEADART_ENGINE__MODEL is not set"):
        describe(EngineSettings())
    with pytest.raises(Fatal, match=r"has no model_index\.json"):
        describe(EngineSettings(model=tmp_path))
