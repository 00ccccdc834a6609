"""The result of a scenario: how long these GPUs take to paint this load, and who waits."""

import math
from dataclasses import dataclass
from typing import Any

from consumer.dev.simulate import fluid
from consumer.dev.simulate.fluid import FluidForecast
from consumer.dev.simulate.part import choose_part
from consumer.dev.simulate.scenario import HOUR, Fleet, Scenario
from consumer.dev.simulate.tally import LaneTally, SimulationTally, added
from consumer.dev.simulate.worker import simulate_worker
from consumer.jobs import Lane


@dataclass(frozen=True)
class SimulationResult:
    """All figures of a run. `notes` say which part was simulated, and why it represents the whole."""

    scenario: Scenario
    fleet: Fleet
    tally: SimulationTally
    forecast: FluidForecast
    notes: tuple[str, ...]
    drain_seen: bool

    @property
    def drained(self) -> float | None:
        """Seconds until the backfill is painted, simulated or else by the formula; None: not in the time simulated."""
        return self.tally.drained if self.drain_seen else self.forecast.drained

    @property
    def busiest(self) -> float:
        """Demand of the busiest hour's saves as a share of capacity."""
        return fluid.busiest(self.scenario.load, self.fleet)

    @property
    def needed(self) -> float:
        """Mean demand of saves over the day as a share of capacity."""
        return fluid.share_needed(self.scenario.load, self.fleet)

    def as_json(self) -> dict[str, Any]:
        """Return all figures, units in their names."""
        return {
            "gpus": self.fleet.gpus,
            "workers": self.fleet.workers,
            "hours": self.scenario.seconds / HOUR,
            "seed": self.scenario.seed,
            "utilisation": self.tally.utilisation,
            "saves_share_of_capacity": {"mean": self.needed, "busiest_hour": self.busiest},
            "lanes": {lane.value: _lane(counted) for lane, counted in self.tally.lanes.items() if counted.asked},
            "backfill_drained_seconds": self.drained,
            "backfill_drained_by": "simulation" if self.drain_seen else "formula",
            "starvation_bound_steps": self.fleet.starvation_steps,
            "backlog_longest_wait_seconds": self.forecast.longest_wait,
            "simulated": {
                "seconds": self.tally.seconds,
                "gpus": self.tally.gpus,
                "pictures": self.tally.pictures,
                "told": list(self.notes),
            },
        }


def run_scenario(scenario: Scenario, fleet: Fleet) -> SimulationResult:
    """Simulate. Raises `NoSolution` when the load is unstable on these GPUs, or too large to simulate at all."""
    load = scenario.load
    weakest, worker_load = fleet.worker(0), load.part(0, fleet.workers)
    fluid.check_stable(load, fleet)
    chosen = choose_part(load, fleet, scenario.begin, scenario.seconds, scenario.most_pictures)
    tallies = [
        simulate_worker(worker, part, f"{scenario.seed}/{number}", chosen.begin, chosen.seconds)
        for number, (worker, part) in enumerate(chosen.workers)
    ]
    forecast = fluid.forecast(worker_load, weakest, scenario.begin, math.ceil(scenario.seconds / HOUR))
    return SimulationResult(scenario, fleet, added(tallies), forecast, chosen.notes, chosen.drains)


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
    """Return the lane that people wait for: interactive, or live if nothing is interactive."""
    lane = counted.lanes[Lane.INTERACTIVE]
    return lane if lane.asked else counted.lanes[Lane.LIVE]
