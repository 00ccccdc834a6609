from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from consumer.dev.bench.engine import contestants
from consumer.dev.bench.engine.contestants import Assignment, Contestants
from consumer.dev.bench.engine.corpus import BenchRequest, mixed_requests, requests_of
from consumer.dev.bench.engine.plan import EngineSide, PictureShape
from consumer.dev.bench.engine.timing import Measurement
from consumer.engine.runtime.model import Model

SMALL, LARGE = PictureShape(64, 64, 12, 2.0), PictureShape(128, 128, 12, 2.0)
ALONE = Assignment(str(SMALL), 1, requests_of(SMALL, 1))
BATCH = Assignment(str(SMALL), 8, requests_of(SMALL, 8))
GREAT = Assignment(str(LARGE), 1, requests_of(LARGE, 1))
OURS, STOCK, TOGETHER = EngineSide.DENOISER, EngineSide.ONE_BY_ONE, EngineSide.AS_BATCH
PEAK = 1e12


class Painting:
    """Sides that paint nothing, and how many steps they were asked for."""

    def __init__(self) -> None:
        self.steps: list[int] = []

    def __call__(self, requests: Sequence[BenchRequest]) -> Sequence[Any]:
        self.steps += [recipe.steps for request in requests for recipe in request.variants]
        return []


@pytest.fixture
def painting() -> Painting:
    return Painting()


@pytest.fixture
def sides(tiny: Model, painting: Painting, monkeypatch: pytest.MonkeyPatch) -> Contestants:
    """Three sides, of which each turn takes two seconds."""
    monkeypatch.setattr(contestants, "measured", lambda _device, work: Measurement(2.0, 0, work()))
    return Contestants(tiny, dict.fromkeys((STOCK, TOGETHER, OURS), painting), PEAK)


def test_before_its_first_turn_a_side_is_thought_slow(sides: Contestants, tiny: Model) -> None:
    """A tenth of the device's peak for the picture and its warm-up, with a margin: 16 tokens, guided, 14 steps."""
    parameters = sum(weights.numel() for weights in tiny.transformer.parameters())
    assert sides.seconds((OURS,), ALONE) == pytest.approx(1.25 * 16 * 2 * 14 * 2 * parameters / (0.1 * PEAK))


def test_the_turn_most_like_it_says_how_long_one_will_take(sides: Contestants) -> None:
    """Small pictures cost more a token than large ones, so each is judged by its like; a warm side needs no warm-up."""
    sides.take_turn(OURS, ALONE)
    sides.take_turn(OURS, GREAT)
    for assignment in (ALONE, GREAT):
        sides.warm_up(OURS, assignment)
        assert sides.seconds((OURS,), assignment) == pytest.approx(1.25 * 2)


def test_every_side_of_a_round_counts(sides: Contestants) -> None:
    """A round takes as long as its turns together."""
    for side in (OURS, STOCK):
        sides.warm_up(side, ALONE)
        sides.take_turn(side, ALONE)
    assert sides.seconds((OURS, STOCK), ALONE) == pytest.approx(1.25 * 4)


def test_a_side_is_warmed_up_once_with_few_steps(sides: Contestants, painting: Painting) -> None:
    """Two steps do; the second time it is warm."""
    sides.warm_up(OURS, ALONE)
    sides.warm_up(OURS, ALONE)
    assert painting.steps == [2]


def test_only_alike_pictures_make_a_stock_batch(sides: Contestants) -> None:
    """One picture is no batch, and mixed ones cannot be one; who takes no part is not among the sides."""
    mixed = Assignment("4 mixed requests", 4, mixed_requests(4, full_size=False), mixed=True)
    assert sides.among(tuple(EngineSide), BATCH) == (STOCK, TOGETHER, OURS)
    assert sides.among(tuple(EngineSide), ALONE) == sides.among(tuple(EngineSide), mixed) == (STOCK, OURS)


def test_a_side_that_joins_is_thought_as_fast_as_its_like(sides: Contestants, painting: Painting) -> None:
    """A compiled side begins with what is known of the uncompiled one, and can leave again."""
    sides.take_turn(OURS, ALONE)
    sides.add(EngineSide.COMPILED, painting, OURS)
    assert sides.seconds((EngineSide.COMPILED,), ALONE) == sides.seconds((OURS,), ALONE)
    sides.remove(EngineSide.COMPILED)
    assert sides.among((EngineSide.COMPILED,), ALONE) == ()
