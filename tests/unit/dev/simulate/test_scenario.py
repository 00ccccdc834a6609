"""Saves through the day."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.dev.simulate.scenario import HOUR, TrafficLoad
from consumer.jobs import Lane

DAY = 24 * HOUR


@given(st.floats(1, 20), st.integers(0, 23))
def test_the_busiest_hour_is_as_busy_as_given(peak: float, busiest: int) -> None:
    """The mean over the day is the saves a day, and the greatest hour is `peak` times the mean, at its time."""
    hourly = TrafficLoad(24 * HOUR, peak=peak, busiest=busiest).hourly

    assert sum(hourly) / 24 == pytest.approx(1.0)
    assert max(hourly) == pytest.approx(peak, rel=1e-6)
    assert hourly[busiest] == max(hourly)


def test_saves_come_as_the_hours_say() -> None:
    """Within a few sigma each hour has its saves, and the interactive share is what was asked, wherever it begins."""
    load = TrafficLoad(48_000, interactive=0.25, peak=3, busiest=10)
    saves = list(load.saves(Random(1), 6.5 * HOUR, 6.5 * HOUR + DAY))
    counts = [0] * 24
    for moment, _ in saves:
        counts[int((moment / HOUR + 6.5) % 24)] += 1

    assert [moment for moment, _ in saves] == sorted(moment for moment, _ in saves)
    for count, rate in zip(counts, load.hourly, strict=True):
        assert count == pytest.approx(rate * HOUR, abs=5 * (rate * HOUR) ** 0.5 + 1)
    assert sum(lane is Lane.INTERACTIVE for _, lane in saves) / len(saves) == pytest.approx(0.25, abs=0.01)


@given(st.integers(0, 10**6), st.integers(1, 200))
def test_parts_are_the_whole(backfill: int, of: int) -> None:
    """The parts of a load add up to it, and none has two articles more than another."""
    parts = [TrafficLoad(86_400, backfill=backfill).part(number, of) for number in range(of)]

    assert sum(part.backfill for part in parts) == backfill
    assert max(part.backfill for part in parts) - min(part.backfill for part in parts) <= 1
    assert sum(part.saves_a_day for part in parts) == pytest.approx(86_400)


def test_without_saves_none_come() -> None:
    """A backfill alone is a load too."""
    assert list(TrafficLoad(0, backfill=5).saves(Random(1), 0, DAY)) == []
