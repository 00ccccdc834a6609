"""What is counted and concluded."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.dev.bench.delivery_report import delivery_report
from consumer.dev.bench.delivery_result import (
    DeliveryPlan,
    DeliveryResult,
    DeliverySide,
    LatencyTurn,
    OutcomeCount,
    ThroughputTurn,
)
from consumer.dev.bench.engine.plan import order

FINE = OutcomeCount(10, 0, 0)


def result(ours: list[float], theirs: list[float], count: OutcomeCount = FINE) -> DeliveryResult:
    floods = [ThroughputTurn(DeliverySide.LEADART, turn, 1.0, speed, 1450, count) for turn, speed in enumerate(ours)]
    floods += [
        ThroughputTurn(DeliverySide.FASTSTREAM, turn, 1.0, speed, 1450, FINE) for turn, speed in enumerate(theirs)
    ]
    paced = tuple(LatencyTurn(side, 0, tuple(float(n) for n in range(1, 102)), FINE) for side in DeliverySide)
    return DeliveryResult(DeliveryPlan(), {}, tuple(floods), paced)


@given(asked=st.sets(st.integers(0, 20)), announced=st.lists(st.integers(0, 25)))
def test_every_outcome_is_accounted_for(asked: set[int], announced: list[int]) -> None:
    """Requests minus missing outcomes plus duplicates equals outcomes."""
    count = OutcomeCount.of({str(number) for number in asked}, [str(number) for number in announced])

    assert count.requests - count.missing + count.doubled == len(announced)
    assert (count.missing == count.doubled == 0) == (sorted(asked) == sorted(announced))


def test_the_ratio_is_of_medians() -> None:
    """One turn that went wrong on either side does not decide."""
    assert result([300.0, 900.0, 30.0], [100.0, 1.0, 110.0]).ratio == pytest.approx(3.0)


def test_percentiles_are_over_all_turns() -> None:
    """The median of 1 to 101 is 51, the 99th percentile 100."""
    measured = result([300.0], [100.0])

    assert measured.percentile(DeliverySide.LEADART, 50) == pytest.approx(51.0)
    assert measured.percentile(DeliverySide.LEADART, 99) == pytest.approx(100.0)


@pytest.mark.parametrize("count", [OutcomeCount(10, 1, 0), OutcomeCount(10, 0, 1)])
def test_a_broken_promise_is_reported(count: OutcomeCount) -> None:
    """One outcome missing or doubled in any turn of leadart's breaks the promise, however fast it was."""
    measured = result([300.0], [100.0], count)

    assert not measured.promise_kept
    assert "BROKEN" in delivery_report(measured).verdict


def test_a_result_is_json() -> None:
    """All that was measured goes through JSON."""
    figures = json.loads(json.dumps(result([300.0], [100.0]).as_json()))

    assert figures["sides"]["leadart"]["events_per_second"] == {"median": 300.0, "turns": [300.0]}
    assert figures["plan"]["events"] == DeliveryPlan().events


def test_sides_take_turns() -> None:
    """Who goes first in one round goes second in the next."""
    sides = tuple(DeliverySide)
    assert order(sides, 0) == tuple(reversed(order(sides, 1))) == sides
