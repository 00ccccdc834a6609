"""The formula beside the simulation: a fluid model, which covers averages and leaves chance out.

Saves flow in at the hour's rate and go before the backfill; the GPUs drain what they can. That gives the time to drain
a backfill, and the wait while an hour brings more than the GPUs can paint.
"""

import math
from dataclasses import dataclass, replace
from itertools import count

from consumer.dev.simulate.scenario import HOUR, Fleet, TrafficLoad

MOST_HOURS = 24 * 366
"""A year; a backfill that takes longer counts as never drained."""


class NoSolution(Exception):
    """The scenario has no answer; the message says why, and what would have one."""


@dataclass(frozen=True, slots=True)
class FluidForecast:
    """Seconds until the backfill is drained (None: not within a year), and the longest wait of saves.

    `left` is the number of the backfill's pictures at the beginning of each hour.
    """

    drained: float | None
    longest_wait: float
    left: tuple[float, ...]


def share_needed(load: TrafficLoad, fleet: Fleet) -> float:
    """Return the saves' mean demand over the day as a share of capacity.

    The worker with the fewest GPUs decides, since all workers get equal shares of the load.
    """
    return load.mean / (fleet.worker(0).capacity * fleet.workers)


def busiest(load: TrafficLoad, fleet: Fleet) -> float:
    """Return the same share in the busiest hour; above 1 a queue builds up and is worked off later."""
    return share_needed(load, fleet) * load.peak


def check_stable(load: TrafficLoad, fleet: Fleet) -> None:
    """Raise `NoSolution` when saves alone fill the GPUs: the queue would grow without bound."""
    share = share_needed(load, fleet)
    if share >= 1:
        fewest = math.floor(load.mean * fleet.pace.seconds / fleet.pace.speedup) + 1
        needed = next(gpus for gpus in count(fewest) if share_needed(load, replace(fleet, gpus=gpus)) < 1)
        raise NoSolution(
            f"Unstable: the saves alone need {share:.0%} of the GPUs' capacity, so their queue grows without bound. "
            f"Use at least {needed} GPU(s), or fewer seconds per picture."
        )


def forecast(load: TrafficLoad, fleet: Fleet, begin: float, hours: int) -> FluidForecast:
    """Run the fluid model from `begin` (seconds after midnight) for `hours`, or until the backfill is drained."""
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
