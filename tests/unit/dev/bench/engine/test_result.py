"""What is concluded from a run's figures."""

from __future__ import annotations

import json

import pytest

from consumer.dev.bench.engine.plan import EngineSide
from consumer.dev.bench.engine.result import EngineTurn, JoinResult, Workload
from tests.support.engine_results import contest_of, result_of


def test_medians_decide() -> None:
    """One slow turn on either side changes no ratio, and speed is of the operations needed at least."""
    measured = contest_of({EngineSide.ONE_BY_ONE: [3.0, 2.0, 9.0], EngineSide.DENOISER: [1.0, 7.0, 1.0]})
    assert measured.ratio(EngineSide.DENOISER) == pytest.approx(3.0)
    assert measured.speed(EngineSide.DENOISER) == pytest.approx(1e12)
    assert result_of(measured).share(measured, EngineSide.DENOISER) == pytest.approx(0.1)


def test_a_run_grows_by_turns() -> None:
    """Turns at the same work belong together, in the order in which the work came up."""
    one, other = Workload("64x64x2x0.0", 1, 1, 10), Workload("64x64x2x0.0", 4, 4, 40)
    result = result_of()
    for number, work in enumerate((one, other, one)):
        result = result.with_turn(work, EngineTurn(EngineSide.DENOISER, number, 1.0, 1))
    assert [(contest.work, len(contest.turns)) for contest in result.contests] == [(one, 2), (other, 1)]


def test_without_the_stock_pipeline_there_is_no_ratio() -> None:
    """A run that was ended after the denoiser's first turn is valid JSON all the same."""
    measured = contest_of({EngineSide.DENOISER: [1.0]}, mixed=True)
    assert measured.ratio(EngineSide.DENOISER) is None
    assert measured.ratio(EngineSide.ONE_BY_ONE) is None
    told = json.loads(json.dumps(result_of(measured).as_json(), allow_nan=False))
    assert told["mixed"]["contestants"]["denoiser"]["times_stock"] is None
    assert told["contests"] == []


def test_the_least_alike_picture_counts() -> None:
    """Of several turns the lowest figure is told; a side that was compared with nothing has none."""
    work = Workload("64x64x2x0.0", 1, 1, 10)
    result = result_of()
    for number, alike in enumerate((60.0, 48.0, None)):
        result = result.with_turn(work, EngineTurn(EngineSide.DENOISER, number, 1.0, 1, alike))
    assert result.contests[0].decibels(EngineSide.DENOISER) == pytest.approx(48)
    assert contest_of({EngineSide.DENOISER: [1.0]}).decibels(EngineSide.DENOISER) is None


def test_every_side_that_took_part_anywhere_is_named() -> None:
    """Also one that only let an editor's picture in."""
    result = result_of(contest_of({EngineSide.DENOISER: [1.0]}), joins=(JoinResult(EngineSide.AS_BATCH, 5, 1, 2),))
    assert result.sides == (EngineSide.AS_BATCH, EngineSide.DENOISER)
