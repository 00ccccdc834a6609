"""The fewest GPUs that reach the goals, found by simulation."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from consumer.dev.simulate import fluid
from consumer.dev.simulate.fluid import NoSolution
from consumer.dev.simulate.result import SimulationResult, interactive, run_scenario
from consumer.dev.simulate.scenario import Fleet, Scenario
from consumer.dev.simulate.when import spelled

MOST_TRIES = 6
"""Numbers of GPUs tried before concluding that more do not help."""

MOST_GPUS = 1_000_000

TRY_PICTURES = 20_000
"""Picture limit of a trial; the number that reaches the goals is then simulated with the scenario's own limit."""


@dataclass(frozen=True)
class ServiceGoals:
    """What to reach: seconds until the backfill is drained, and the p99 wait of interactive saves in seconds.

    If nothing is interactive, the wait is that of live saves.
    """

    drained: float | None = None
    wait_p99: float | None = None

    def missed(self, result: SimulationResult) -> tuple[str, ...]:
        """Return in words what was not reached; empty if everything was."""
        missed = []
        if self.drained is not None and (result.drained is None or result.drained > self.drained):
            after = "not drained in time" if result.drained is None else f"drained after {spelled(result.drained)}"
            missed.append(f"{after}, wanted within {spelled(self.drained)}")
        wait = interactive(result.tally).quantile(0.99)
        if self.wait_p99 is not None and (wait is None or wait > self.wait_p99):
            missed.append(
                f"p99 wait {spelled(wait) if wait is not None else 'unknown'}, wanted {spelled(self.wait_p99)}"
            )
        return tuple(missed)


@dataclass(frozen=True)
class FleetTrial:
    """The result of one number of GPUs, and the goals it missed."""

    result: SimulationResult
    missed: tuple[str, ...]


@dataclass(frozen=True)
class FleetSearch:
    """All trials by number of GPUs, and the fewest GPUs that reach the goals (None: adding more does not help).

    `ruled_out` is the number below all trials and why it is too few by the formula; None when that would be 0.
    """

    tries: tuple[FleetTrial, ...]
    best: FleetTrial | None
    ruled_out: tuple[int, str] | None


def search_fleet(scenario: Scenario, fleet: Fleet, goals: ServiceGoals, report: Callable[[int], None]) -> FleetSearch:
    """Find the fewest GPUs that reach the goals, starting at the fewest that the formula does not rule out.

    `report` is called with each number before its trial. Raises `NoSolution` when even the largest fleet is too small.
    """
    tries: dict[int, FleetTrial] = {}
    small = replace(scenario, most_pictures=min(TRY_PICTURES, scenario.most_pictures))

    def reaches(gpus: int) -> bool:
        if gpus not in tries:
            report(gpus)
            tries[gpus] = _try(small, replace(fleet, gpus=gpus), goals)
        return not tries[gpus].missed

    first = _fewest_by_formula(scenario, fleet, goals)
    found = _first(reaches, first)
    while found is not None and len(tries) <= 2 * MOST_TRIES:
        report(found)
        tries[found] = _try(scenario, replace(fleet, gpus=found), goals)
        if not tries[found].missed:
            break
        found += 1
    else:
        found = None
    ruled_out = (first - 1, _too_few(scenario, replace(fleet, gpus=first - 1), goals)) if first > 1 else None
    return FleetSearch(tuple(tries[gpus] for gpus in sorted(tries)), None if found is None else tries[found], ruled_out)


def _try(scenario: Scenario, fleet: Fleet, goals: ServiceGoals) -> FleetTrial:
    result = run_scenario(scenario, fleet)
    return FleetTrial(result, goals.missed(result))


def _first(reaches: Callable[[int], bool], first: int) -> int | None:
    """Return the least number from `first` on that reaches the goals: growing strides, then bisection of the last."""
    below, count = first - 1, first
    for stride in range(MOST_TRIES):
        if reaches(count):
            break
        below, count = count, count + max(1, 2 ** (stride - 1), first // 8)
    else:
        return None
    while count - below > 1:
        middle = (below + count) // 2
        below, count = (below, middle) if reaches(middle) else (middle, count)
    return count


def _fewest_by_formula(scenario: Scenario, fleet: Fleet, goals: ServiceGoals) -> int:
    """Return the fewest GPUs with which the fluid model is stable and drains in time; fewer cannot do it either."""
    low, high = 0, 1
    while _too_few(scenario, replace(fleet, gpus=high), goals):
        low, high = high, high * 2
        if high > MOST_GPUS:
            raise NoSolution(f"Even {MOST_GPUS} GPUs are too few: allow more time, or fewer saves or articles.")
    while high - low > 1:
        middle = math.ceil((low + high) / 2)
        low, high = (middle, high) if _too_few(scenario, replace(fleet, gpus=middle), goals) else (low, middle)
    return high


def _too_few(scenario: Scenario, fleet: Fleet, goals: ServiceGoals) -> str:
    """Return why these GPUs are too few by the formula; empty if they are not."""
    worker, load = fleet.worker(0), scenario.load.part(0, fleet.workers)
    if fluid.share_needed(scenario.load, fleet) >= 1:
        return "unstable: saves alone need more than the capacity"
    if goals.drained is None:
        return ""
    drained = fluid.forecast(load, worker, scenario.begin, 0).drained
    if drained is not None and drained <= goals.drained:
        return ""
    after = "not drained within a year" if drained is None else f"drained after {spelled(drained)}"
    return f"{after}, wanted within {spelled(goals.drained)}"
