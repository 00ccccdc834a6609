from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from consumer.demo.model import build_model, caveat
from consumer.engine.weights import CARD
from consumer.errors import Fatal
from consumer.settings import EngineKind, EngineSettings

if TYPE_CHECKING:
    from pathlib import Path


def _zimage(folder: Path) -> EngineSettings:
    return EngineSettings(kind=EngineKind.ZIMAGE, model=folder)


def test_an_untrained_model_is_owned_up_to(tmp_path: Path) -> None:
    """A model whose card says that it is not trained has random weights, and the reader is told."""
    (tmp_path / CARD).write_text('{"name": "tiny-random", "trained": false}')

    assert "random weights" in (caveat(_zimage(tmp_path)) or "")


@pytest.mark.parametrize("card", ['{"name": "demo", "trained": true}', '{"name": "z-image-turbo"}', None])
def test_a_trained_model_needs_no_caveat(tmp_path: Path, card: str | None) -> None:
    """A card that says trained, one that says nothing, and none at all: there is no note."""
    if card:
        (tmp_path / CARD).write_text(card)

    assert caveat(_zimage(tmp_path)) is None


def test_the_swatch_engine_is_no_model() -> None:
    """Colour cards are not passed off as pictures."""
    assert "swatch engine" in (caveat(EngineSettings(kind=EngineKind.SWATCH)) or "")


async def test_a_model_that_cannot_be_built_is_a_clear_error(tmp_path: Path) -> None:
    """The error names the extra to install and shows the end of what the builder said."""
    in_the_way = tmp_path / "file"
    in_the_way.touch()

    with pytest.raises(Fatal, match=r"leadart\[engine\]") as error:
        await build_model(in_the_way / "model")
    assert "Error" in error.value.message
