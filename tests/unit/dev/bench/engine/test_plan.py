from __future__ import annotations

import pytest

from consumer.dev.bench.engine.plan import (
    LARGE,
    PORTRAIT,
    TINY_SHAPES,
    EnginePlan,
    EngineSide,
    PictureShape,
    RandomModel,
    order,
)
from consumer.settings import EngineSettings


def test_what_has_a_bar_comes_first() -> None:
    """At full size that is one picture with guidance, eight, and a large one; the other batches follow."""
    work = EnginePlan(EngineSettings(), RandomModel.FULL).work
    assert work[:3] == ((PORTRAIT, 1), (PORTRAIT, 8), (LARGE, 1))
    assert set(work[3:]) == {(PORTRAIT, 4), (LARGE, 4), (LARGE, 8)}


def test_a_small_model_has_small_shapes() -> None:
    """Which it is, is known once the model is loaded."""
    assert EnginePlan(EngineSettings(), small=True).kinds == TINY_SHAPES


def test_only_what_was_asked_for_is_measured() -> None:
    """Other shapes and batches replace all of the usual ones."""
    small = PictureShape(64, 64, 2, 2.0)
    assert EnginePlan(EngineSettings(), shapes=(small,), batches=(2,)).work == ((small, 2),)


def test_everyone_begins_in_turn() -> None:
    """With three sides each begins one of three rounds."""
    three = (EngineSide.ONE_BY_ONE, EngineSide.AS_BATCH, EngineSide.DENOISER)
    assert [order(three, turn)[0] for turn in range(4)] == [*three, three[0]]


@pytest.mark.parametrize("text", ["512x512x12x2.0", "1024x512x8x0.0"])
def test_a_shape_is_read_as_it_is_written(text: str) -> None:
    """What a shape is called is what parses to it."""
    assert str(PictureShape.parse(text)) == text


@pytest.mark.parametrize("text", ["", "512x512", "512x512x0x2", "axbxcxd", "512x512x12x2x"])
def test_an_invalid_shape_is_refused(text: str) -> None:
    """The sentence shows how a shape is written."""
    with pytest.raises(ValueError, match=r"as in 512x512x12x2\.0"):
        PictureShape.parse(text)
