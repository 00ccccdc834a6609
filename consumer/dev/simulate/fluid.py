"""The formula beside the simulation: work as a liquid, which tells what averages decide and nothing about chance.

Saves flow in at the hour's rate, before the backfill; the GPUs take out what they can. That gives the drain of a
backfill, and the wait while an hour brings more than the GPUs can paint.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING

from consumer.dev.simulate.load import HOUR

if TYPE_CHECKING:
    from consumer.dev.simulate.fleet import Fleet
    from consumer.dev.simulate.load import TrafficLoad

MOST_HOURS = 24 * 366
"""A year: what is not drained by then is said not to be."""


class NoSolution(Exception):
    """There is no answer to the question as it was put; the message says why and what would have one."""


@dataclass(frozen=True, slots=True)
class FluidForecast:
    """How it goes: when the backfill is drained (seconds; None: not within a year), and the longest wait of saves.

    `left` is the backfill's pictures at the beginning of each hour.
    """

    drained: float | None
    longest_wait: float
    left: tuple[float, ...]


def share_needed(load: TrafficLoad, fleet: Fleet) -> float:
    """Return what saves ask for over the day, as a share of what can be painted.

    What counts is the worker that has the fewest GPUs: all workers have equal shares of the load.
    """
    return load.mean / (fleet.worker(0).capacity * fleet.workers)


def busiest(load: TrafficLoad, fleet: Fleet) -> float:
    """Return the like share in the busiest hour; over 1 a queue builds up, and is worked off later."""
    return share_needed(load, fleet) * load.peak


def check_stable(load: TrafficLoad, fleet: Fleet) -> None:
    """Raise `NoSolution` when saves alone ask for as much as the GPUs can paint: the queue would grow without end."""
    share = share_needed(load, fleet)
    if share >= 1:
        fewest = math.floor(load.mean * fleet.pace.seconds / fleet.pace.speedup) + 1
        needed = next(gpus for gpus in count(fewest) if share_needed(load, replace(fleet, gpus=gpus)) < 1)
        raise NoSolution(
            f"Unstable: the saves alone ask for {share:.0%} of what the GPUs can paint, so their queue grows without "
            f"end. It takes at least {needed} GPU(s), or fewer seconds per picture."
        )


def forecast(load: TrafficLoad, fleet: Fleet, begin: float, hours: int) -> FluidForecast:
    """Follow the liquid from `begin` (seconds after midnight), for so many hours or until the backfill is drained."""
    queue, backfill = 0.0, float(load.backfill * load.pictures)
    longest, drained, left, now = 0.0, None if backfill else 0.0, [], begin
    for hour in range(MOST_HOURS):
        left.append(backfill)
        if hour >= hours and drained is not None:
            break
        end = begin + (hour + 1) * HOUR
        while now < end:
            step, rate = min(end, (math.floor(now / HOUR) + 1) * HOUR) - now, load.rate(now)
            spare = (fleet.capacity - rate) * step - queue
            if spare > 0 and drained is None:
                if spare >= backfill:
                    drained = now - begin + (queue + backfill) / (fleet.capacity - rate)
                backfill = max(0.0, backfill - spare)
            queue = max(0.0, -spare)
            longest = max(longest, queue / fleet.capacity)
            now += step
    return FluidForecast(drained, longest, tuple(left))
