"""One worker in virtual time, beside queueing theory, and what holds of any load."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from consumer.dev.simulate.scenario import HOUR, Fleet, TrafficLoad
from consumer.dev.simulate.tally import SimulationTally
from consumer.dev.simulate.worker import simulate_worker
from consumer.jobs import Lane
from consumer.testing.device import DevicePace
from tests.unit.dev.simulate.queues import mean_wait_md1, mean_wait_md1_shared, mean_wait_mdc

pytestmark = pytest.mark.slow

DAY = 24 * HOUR
SECONDS = 0.8
"""For a picture."""
TOLERANCE = 0.06
"""Chance in 20 000 pictures, at a high utilisation, for a seed that was not chosen."""


def at(utilisation: float, gpus: int) -> TrafficLoad:
    """Return saves without peak or backfill that keep so many GPUs busy for this share of the time."""
    return TrafficLoad(utilisation * gpus / SECONDS * DAY, interactive=0.0)


def one_by_one(gpus: int) -> Fleet:
    """Return GPUs that paint one picture at a time, in the order of arrival: M/D/c."""
    return Fleet(gpus, DevicePace(SECONDS), gpus_a_worker=64, window=1)


def served(fleet: Fleet, load: TrafficLoad, pictures: int = 20_000, seed: str = "1") -> SimulationTally:
    return simulate_worker(fleet, load, seed, 0.0, pictures / load.saves_a_day * DAY)


@pytest.mark.parametrize(("gpus", "utilisation"), [(1, 0.5), (1, 0.8), (2, 0.8), (4, 0.7), (8, 0.85)])
def test_waits_are_those_of_the_formula(gpus: int, utilisation: float) -> None:
    """One picture at a time on c GPUs is M/D/c: mean wait and utilisation are the exact ones, but for chance."""
    tally = served(one_by_one(gpus), at(utilisation, gpus))

    assert tally.utilisation == pytest.approx(utilisation, rel=0.02)
    assert tally.lanes[Lane.LIVE].mean == pytest.approx(mean_wait_mdc(gpus, utilisation, SECONDS), rel=TOLERANCE)


@pytest.mark.parametrize("utilisation", [0.3, 0.6, 0.9])
def test_the_formula_itself_is_right(utilisation: float) -> None:
    """With one server the chain gives what Pollaczek and Khinchine give."""
    assert mean_wait_mdc(1, utilisation, SECONDS) == pytest.approx(mean_wait_md1(utilisation, SECONDS), rel=1e-6)


def test_a_gpu_that_shares_its_steps_shares_its_time() -> None:
    """Pictures that step together without speed-up are M/D/1 with processor sharing: S / (1 - rho) in all."""
    fleet = Fleet(1, DevicePace(SECONDS, steps=50, batch=64), window=64)
    tally = served(fleet, at(0.6, 1), pictures=10_000)

    assert tally.lanes[Lane.LIVE].mean == pytest.approx(mean_wait_md1_shared(0.6, SECONDS), rel=TOLERANCE)


LOADS = st.builds(
    TrafficLoad,
    saves_a_day=st.floats(0, 40_000),
    interactive=st.floats(0, 1),
    backfill=st.integers(0, 60),
    pictures=st.integers(1, 3),
    peak=st.floats(1, 20),
    busiest=st.integers(0, 23),
)
PACES = st.builds(
    DevicePace,
    seconds=st.floats(0.1, 20),
    steps=st.integers(1, 12),
    batch=st.integers(4, 8),
    speedup=st.floats(1, 3.5),
)


@given(LOADS, PACES, st.integers(1, 4), st.integers(1, 8))
@settings(max_examples=30)
def test_no_request_is_lost_and_no_gpu_works_for_nothing(
    load: TrafficLoad, pace: DevicePace, gpus: int, window: int
) -> None:
    """Each request is done or waits at the end; GPUs are busy for no more than their time, and for all they painted."""
    seconds = 600.0
    tally = simulate_worker(Fleet(gpus, pace, window=window, in_flight=16), load, "1", 10 * HOUR, seconds)
    begun = sum(lane.asked for lane in tally.lanes.values()) * load.pictures
    most, least = pace.seconds, pace.seconds / pace.speedup

    assert tally.lanes[Lane.BACKFILL].asked == load.backfill
    assert all(
        lane.done <= lane.asked and (lane.oldest > 0) >= (lane.done < lane.asked) for lane in tally.lanes.values()
    )
    assert sum(lane.done for lane in tally.lanes.values()) * load.pictures <= tally.pictures <= begun
    assert tally.busy_seconds <= gpus * seconds * (1 + 1e-9)
    assert least * tally.pictures * (1 - 1e-6) <= tally.busy_seconds
    assert tally.busy_seconds <= most * min(begun, tally.pictures + len(Lane) * window * gpus) * (1 + 1e-6)


@given(PACES, st.integers(1, 4), st.integers(20, 80))
@settings(max_examples=30)
def test_work_is_never_left_lying(pace: DevicePace, gpus: int, articles: int) -> None:
    """Without saves a backfill is drained in no more time than GPUs need one by one, the last picture alone."""
    tally = simulate_worker(Fleet(gpus, pace), TrafficLoad(0, backfill=articles), "1", 0.0, DAY)

    assert tally.drained is not None
    assert articles * pace.seconds / pace.speedup / gpus <= tally.drained * (1 + 1e-6)
    assert tally.drained <= (articles / gpus + 8) * pace.seconds
    assert tally.lanes[Lane.BACKFILL].done == articles


@given(LOADS, PACES, st.integers(1, 4))
@settings(max_examples=30)
def test_more_gpus_never_drain_later(load: TrafficLoad, pace: DevicePace, gpus: int) -> None:
    """One GPU more never makes the backfill's end later by more than a tenth and the pictures of its last steps.

    Unless saves overload the fleet: then the backfill lives on what they leave over, and that may come later.
    """
    painting_at_peak = load.saves_a_day / DAY * load.peak * load.pictures * pace.seconds / pace.speedup
    assume(painting_at_peak < gpus)
    fewer, more = (
        simulate_worker(Fleet(count, pace, unstored=256), load, "1", 0.0, HOUR).drained for count in (gpus, gpus + 1)
    )

    latest = None if fewer is None else 1.1 * fewer + pace.batch * pace.seconds
    if load.backfill and latest is not None and latest < HOUR:
        assert more is not None
        assert more <= latest


@given(LOADS, PACES, st.integers(1, 3), st.integers(1, 8))
@settings(max_examples=30)
def test_nobody_starves_beyond_the_bound(load: TrafficLoad, pace: DevicePace, gpus: int, window: int) -> None:
    """However the lanes are loaded, no picture at a GPU is passed over for more steps than the fleet's bound says."""
    fleet = Fleet(gpus, pace, window=window)
    tally = simulate_worker(fleet, load, "1", 10 * HOUR, 600.0)

    assert all(lane.passed_over_steps <= fleet.starvation_steps for lane in tally.lanes.values())


def test_the_backfill_starves_only_so_far() -> None:
    """Under saves that alone fill a GPU the backfill waits for the engine's patience, and goes on."""
    fleet = Fleet(1, DevicePace(SECONDS, batch=1))
    tally = simulate_worker(fleet, TrafficLoad(1.2 / SECONDS * DAY, backfill=1000), "1", 0.0, HOUR / 4)
    lane = tally.lanes[Lane.BACKFILL]

    assert lane.done > 0
    assert 64 <= lane.passed_over_steps <= fleet.starvation_steps


def test_a_seed_is_an_answer() -> None:
    """The same seed gives the same waits to the last bit, another one gives others."""
    load = TrafficLoad(40_000, backfill=50, peak=3)
    first, again, other = (
        served(Fleet(1, DevicePace(SECONDS, batch=8, speedup=1.5)), load, 500, seed).lanes for seed in "112"
    )

    assert first == again
    assert first != other


def test_an_interactive_save_goes_before_the_backfill() -> None:
    """Under a full backfill a save waits for no picture of it to end: it joins the next step, and shares its steps."""
    pace = DevicePace(SECONDS, batch=8, speedup=1.5)
    tally = simulate_worker(Fleet(1, pace), TrafficLoad(2000, interactive=1.0, backfill=100_000), "1", 0.0, HOUR / 2)
    shared = pace.steps * pace.step_seconds(8) - SECONDS

    wait = tally.lanes[Lane.INTERACTIVE].quantile(0.99)
    assert wait is not None
    assert wait <= shared + 2 * pace.step_seconds(8)
    assert tally.utilisation == pytest.approx(1.0)
