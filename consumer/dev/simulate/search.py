"""How many GPUs it takes: the fewest that reach the goals, found by trying."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from consumer.dev.simulate import fluid
from consumer.dev.simulate.answer import interactive, run_scenario
from consumer.dev.simulate.fluid import NoSolution
from consumer.dev.simulate.text import spelled

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumer.dev.simulate.answer import Scenario, SimulationResult
    from consumer.dev.simulate.fleet import Fleet

MOST_TRIES = 6
"""Counts that are tried before it is said that more GPUs do not help."""

MOST_GPUS = 1_000_000

TRY_PICTURES = 20_000
"""Most pictures of a try; the count that reaches the goals is then simulated with all that the question allows."""


@dataclass(frozen=True)
class ServiceGoals:
    """What has to be reached: seconds until the backfill is drained, and the p99 wait of interactive saves in seconds.

    Where nothing is interactive the wait is that of live saves.
    """

    drained: float | None = None
    wait_p99: float | None = None

    def missed(self, got: SimulationResult) -> tuple[str, ...]:
        """Return in words what was not reached; empty when all was."""
        missed = []
        if self.drained is not None and (got.drained is None or got.drained > self.drained):
            after = "not drained in time" if got.drained is None else f"drained after {spelled(got.drained)}"
            missed.append(f"{after}, wanted within {spelled(self.drained)}")
        wait = interactive(got.tally).quantile(0.99)
        if self.wait_p99 is not None and (wait is None or wait > self.wait_p99):
            missed.append(
                f"p99 wait {spelled(wait) if wait is not None else 'unknown'}, wanted {spelled(self.wait_p99)}"
            )
        return tuple(missed)


@dataclass(frozen=True)
class FleetTrial:
    """A count of GPUs, and what it reached."""

    got: SimulationResult
    missed: tuple[str, ...]


@dataclass(frozen=True)
class FleetSearch:
    """What a search tried, by GPUs; the fewest that reach the goals (None: more of them do not help any more).

    `ruled_out` is the count below all tries, and why the formula says that it is too few; None when that would be 0.
    """

    tries: tuple[FleetTrial, ...]
    best: FleetTrial | None
    ruled_out: tuple[int, str] | None


def search_fleet(question: Scenario, fleet: Fleet, goals: ServiceGoals, tell: Callable[[int], None]) -> FleetSearch:
    """Find the fewest GPUs that reach the goals, from the fewest that the formula does not rule out.

    `tell` hears each count before it is tried. Raises `NoSolution` when not even the largest fleet could do it.
    """
    tries: dict[int, FleetTrial] = {}
    small = replace(question, most_pictures=min(TRY_PICTURES, question.most_pictures))

    def reaches(gpus: int) -> bool:
        if gpus not in tries:
            tell(gpus)
            tries[gpus] = _try(small, replace(fleet, gpus=gpus), goals)
        return not tries[gpus].missed

    first = _fewest_by_formula(question, fleet, goals)
    found = _first(reaches, first)
    while found is not None and len(tries) <= 2 * MOST_TRIES:
        tell(found)
        tries[found] = _try(question, replace(fleet, gpus=found), goals)
        if not tries[found].missed:
            break
        found += 1
    else:
        found = None
    ruled_out = (first - 1, _too_few(question, replace(fleet, gpus=first - 1), goals)) if first > 1 else None
    return FleetSearch(tuple(tries[gpus] for gpus in sorted(tries)), None if found is None else tries[found], ruled_out)


def _try(question: Scenario, fleet: Fleet, goals: ServiceGoals) -> FleetTrial:
    got = run_scenario(question, fleet)
    return FleetTrial(got, goals.missed(got))


def _first(reaches: Callable[[int], bool], first: int) -> int | None:
    """Return the least count from `first` on that reaches the goals: in growing strides, then by halving the last."""
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


def _fewest_by_formula(question: Scenario, fleet: Fleet, goals: ServiceGoals) -> int:
    """Return the fewest GPUs for which the liquid is stable and drains in time: fewer cannot do it either."""
    low, high = 0, 1
    while _too_few(question, replace(fleet, gpus=high), goals):
        low, high = high, high * 2
        if high > MOST_GPUS:
            raise NoSolution(f"Not even {MOST_GPUS} GPUs do it: give more time, or fewer saves or articles.")
    while high - low > 1:
        middle = math.ceil((low + high) / 2)
        low, high = (middle, high) if _too_few(question, replace(fleet, gpus=middle), goals) else (low, middle)
    return high


def _too_few(question: Scenario, fleet: Fleet, goals: ServiceGoals) -> str:
    """Return why the formula says that these GPUs are too few, empty when it does not."""
    worker, load = fleet.worker(0), question.load.part(0, fleet.workers)
    if fluid.share_needed(question.load, fleet) >= 1:
        return "unstable: saves alone ask for more than can be painted"
    if goals.drained is None:
        return ""
    drained = fluid.forecast(load, worker, question.begin, 0).drained
    if drained is not None and drained <= goals.drained:
        return ""
    after = "not drained within a year" if drained is None else f"drained after {spelled(drained)}"
    return f"{after}, wanted within {spelled(goals.drained)}"
