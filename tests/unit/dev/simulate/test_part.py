"""What of a large system is simulated, the formula beside it, and the search for the fewest GPUs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.dev.simulate import fluid
from consumer.dev.simulate.fluid import NoSolution, forecast
from consumer.dev.simulate.part import choose_part
from consumer.dev.simulate.result import run_scenario
from consumer.dev.simulate.scenario import HOUR, Fleet, Scenario, TrafficLoad
from consumer.dev.simulate.search import ServiceGoals, search_fleet
from consumer.jobs import Lane
from consumer.testing.device import DevicePace

pytestmark = pytest.mark.slow

PACE = DevicePace(1.0, steps=4, batch=4, speedup=1.5)
DAY = 24 * HOUR


def quiet(_gpus: int) -> None:
    """Nobody hears of tries."""


@given(st.integers(1, 1000), st.integers(1, 64))
def test_workers_are_all_the_gpus(gpus: int, most: int) -> None:
    """However GPUs are spread over workers, all are there, and the first worker has the fewest."""
    fleet = Fleet(gpus, PACE, gpus_a_worker=most)
    each = [fleet.worker(number).gpus for number in range(fleet.workers)]

    assert sum(each) == gpus
    assert each == sorted(each)
    assert max(each) <= most
    assert max(each) - min(each) <= 1


@given(
    st.floats(0, 1e8),
    st.integers(0, 10**9),
    st.integers(1, 5000),
    st.floats(1, 10),
    st.floats(0.05, 20),
    st.integers(1, 9),
)
def test_what_is_simulated_is_bounded(  # noqa: PLR0917 - drawn
    saves: float, backfill: int, gpus: int, peak: float, seconds: float, pictures: int
) -> None:
    """However large the system, about as many pictures are simulated as allowed, or it is refused with a sentence."""
    load, fleet = (
        TrafficLoad(saves, backfill=backfill, peak=peak, pictures=pictures),
        Fleet(gpus, replace(PACE, seconds=seconds)),
    )
    try:
        fluid.check_stable(load, fleet)
        chosen = choose_part(load, fleet, 0.0, 72 * HOUR, 10_000)
    except NoSolution:
        return
    painted = sum(
        min(worker.capacity * chosen.seconds, part.rate(fluid_peak(part)) * chosen.seconds + part.backfill * pictures)
        if chosen.seconds < 72 * HOUR
        else min(worker.capacity * chosen.seconds, part.mean * chosen.seconds + part.backfill * pictures)
        for worker, part in chosen.workers
    )

    assert painted <= 10_000 * 1.3 + 2 * pictures * len(chosen.workers)
    assert chosen.notes


def fluid_peak(load: TrafficLoad) -> float:
    return load.busiest * HOUR


def test_the_formula_drains_as_the_simulation_does() -> None:
    """The liquid's drain is the simulated one within two percent, peak, saves and all."""
    load, fleet = TrafficLoad(20_000, backfill=8000, peak=3), Fleet(2, PACE)
    result = run_scenario(Scenario(load, 7 * HOUR, 6 * HOUR), fleet)

    assert result.drain_seen
    assert result.drained == pytest.approx(forecast(load, fleet, 7 * HOUR, 0).drained, rel=0.02)


def test_a_backlog_is_as_long_as_the_formula_says() -> None:
    """Where the busiest hours bring too much, the longest wait is the liquid's within a tenth, and it ends."""
    load = TrafficLoad(6000, interactive=0.0, peak=3)
    result = run_scenario(Scenario(load, 0.0, DAY), Fleet(1, replace(PACE, seconds=10.0)))

    assert result.busiest > 1 > result.needed
    assert result.tally.lanes[Lane.LIVE].quantile(1.0) == pytest.approx(result.forecast.longest_wait, rel=0.1)
    assert result.tally.lanes[Lane.LIVE].oldest < 600


def test_a_worker_stands_for_all() -> None:
    """Of many workers some are simulated, with their GPUs and their share; waits and utilisation are the whole's."""
    load, fleet = TrafficLoad(200_000), Fleet(8, PACE, gpus_a_worker=2)
    whole = run_scenario(Scenario(load, 0.0, HOUR, most_pictures=20_000), fleet)
    part = run_scenario(Scenario(load, 0.0, HOUR, most_pictures=5000), fleet)

    assert (whole.tally.gpus, part.tally.gpus) == (8, 4)
    assert part.tally.utilisation == pytest.approx(whole.tally.utilisation, rel=0.05)
    assert part.tally.lanes[Lane.LIVE].mean == pytest.approx(whole.tally.lanes[Lane.LIVE].mean, rel=0.15)
    assert "2 of 4 workers" in part.notes[0]


def test_the_internet_ends_in_time() -> None:
    """Fifty million saves a day on a thousand GPUs: a worker's busiest stretch, and it says so."""
    load, fleet = TrafficLoad(50e6, backfill=20_000_000, peak=2), Fleet(1000, DevicePace(0.8, batch=8, speedup=1.5))
    result = run_scenario(Scenario(load, 0.0, 72 * HOUR, most_pictures=3000), fleet)

    assert result.tally.pictures <= 4000
    assert result.tally.utilisation == pytest.approx(1.0, abs=0.01)
    assert "1 of 125 worker(s)" in result.notes[0]
    assert not result.drain_seen
    assert result.drained == pytest.approx(3.5 * HOUR, rel=0.02)


def test_an_unstable_load_is_refused() -> None:
    """Saves that ask for more than can be painted have no answer; the message says how many GPUs they need."""
    with pytest.raises(NoSolution, match=r"173% .* at least 2 GPU"):
        run_scenario(
            Scenario(TrafficLoad(2.6 * 1.5 * DAY / 1.5), 0.0, HOUR), Fleet(1, DevicePace(1.0, batch=4, speedup=1.5))
        )


def test_the_fewest_gpus_are_found() -> None:
    """The count that is found reaches the goals, and the one below it was tried and did not, or is ruled out."""
    scenario = Scenario(TrafficLoad(10_000, backfill=6000, peak=3), 9 * HOUR, 2 * HOUR)
    found = search_fleet(scenario, Fleet(1, PACE), ServiceGoals(drained=1800.0), quiet)

    assert found.best is not None
    assert not found.best.missed
    best = found.best.result.fleet.gpus
    below = {one.result.fleet.gpus for one in found.tries if one.missed} | (
        {found.ruled_out[0]} if found.ruled_out else set()
    )
    assert best - 1 in below
    assert found.best.result.drained is not None
    assert found.best.result.drained <= 1800


def test_a_wait_that_no_gpu_mends_ends_the_search() -> None:
    """Under an endless backfill urgent pictures share their steps however many GPUs there are: that is said."""
    scenario = Scenario(TrafficLoad(40_000, interactive=1.0, backfill=10**6), 0.0, 600.0, most_pictures=1500)
    found = search_fleet(scenario, Fleet(1, PACE), ServiceGoals(wait_p99=0.1), quiet)

    assert found.best is None
    assert all("p99 wait" in " ".join(one.missed) for one in found.tries)


def test_no_fleet_is_large_enough() -> None:
    """A deadline shorter than a picture is refused, not searched for ever."""
    scenario = Scenario(TrafficLoad(0, backfill=10**9), 0.0, HOUR)

    with pytest.raises(NoSolution, match="are too few"):
        search_fleet(scenario, Fleet(1, PACE), ServiceGoals(drained=1.0), quiet)
