"""A question and its answer: how long it takes these GPUs to paint this load, and who waits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from consumer.dev.simulate import fluid
from consumer.dev.simulate.cut import choose_part
from consumer.dev.simulate.load import HOUR
from consumer.dev.simulate.tally import added
from consumer.dev.simulate.worker import simulate_worker
from consumer.jobs import Lane

if TYPE_CHECKING:
    from consumer.dev.simulate.fleet import Fleet
    from consumer.dev.simulate.fluid import FluidForecast
    from consumer.dev.simulate.load import TrafficLoad
    from consumer.dev.simulate.tally import LaneTally, SimulationTally


@dataclass(frozen=True)
class Scenario:
    """A load, when it begins (seconds after midnight), for how many seconds it is watched, and what chance is drawn."""

    load: TrafficLoad
    begin: float
    seconds: float
    seed: int = 1
    most_pictures: int = 150_000


@dataclass(frozen=True)
class SimulationResult:
    """What came out. `told` says what of it was simulated and why that stands for the whole."""

    question: Scenario
    fleet: Fleet
    tally: SimulationTally
    course: FluidForecast
    told: tuple[str, ...]
    drain_seen: bool

    @property
    def drained(self) -> float | None:
        """Seconds until the backfill is painted: as simulated, else the formula's; None: not in the time watched."""
        return self.tally.drained if self.drain_seen else self.course.drained

    @property
    def busiest(self) -> float:
        """What the busiest hour's saves ask for, as a share of what the GPUs can paint."""
        return fluid.busiest(self.question.load, self.fleet)

    @property
    def needed(self) -> float:
        """What the saves ask for over the day, as a share of what the GPUs can paint."""
        return fluid.share_needed(self.question.load, self.fleet)

    def as_json(self) -> dict[str, Any]:
        """Return all figures with their units in their names."""
        return {
            "gpus": self.fleet.gpus,
            "workers": self.fleet.workers,
            "hours": self.question.seconds / HOUR,
            "seed": self.question.seed,
            "utilisation": self.tally.utilisation,
            "saves_share_of_capacity": {"mean": self.needed, "busiest_hour": self.busiest},
            "lanes": {lane.value: _lane(counted) for lane, counted in self.tally.lanes.items() if counted.asked},
            "backfill_drained_seconds": self.drained,
            "backfill_drained_by": "simulation" if self.drain_seen else "formula",
            "starvation_bound_steps": self.fleet.starvation_steps,
            "backlog_longest_wait_seconds": self.course.longest_wait,
            "simulated": {
                "seconds": self.tally.seconds,
                "gpus": self.tally.gpus,
                "pictures": self.tally.pictures,
                "told": list(self.told),
            },
        }


def run_scenario(question: Scenario, fleet: Fleet) -> SimulationResult:
    """Simulate. Raises `NoSolution` when the load is unstable on these GPUs, or too large to simulate at all."""
    load = question.load
    weakest, its_load = fleet.worker(0), load.part(0, fleet.workers)
    fluid.check_stable(load, fleet)
    chosen = choose_part(load, fleet, question.begin, question.seconds, question.most_pictures)
    tallies = [
        simulate_worker(worker, part, f"{question.seed}/{number}", chosen.begin, chosen.seconds)
        for number, (worker, part) in enumerate(chosen.workers)
    ]
    course = fluid.forecast(its_load, weakest, question.begin, math.ceil(question.seconds / HOUR))
    return SimulationResult(question, fleet, added(tallies), course, chosen.told, chosen.drains)


def _lane(counted: LaneTally) -> dict[str, Any]:
    return {
        "asked": counted.asked,
        "done": counted.done,
        "wait_seconds": {
            "mean": counted.mean,
            "p50": counted.quantile(0.5),
            "p99": counted.quantile(0.99),
            "max": counted.quantile(1.0),
        },
        "not_done_oldest_seconds": counted.oldest if counted.done < counted.asked else None,
        "passed_over": {"steps": counted.passed_over_steps, "seconds": counted.passed_over_seconds},
    }


def interactive(counted: SimulationTally) -> LaneTally:
    """Return the lane that people wait for: interactive, or live where nothing is interactive."""
    lane = counted.lanes[Lane.INTERACTIVE]
    return lane if lane.asked else counted.lanes[Lane.LIVE]
