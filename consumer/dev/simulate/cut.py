"""What of a large system is simulated, so that it takes a bounded time, and why that stands for the whole.

Workers share nothing but the bus, each has its own partitions, and articles are spread over them by a hash: so a worker
sees a random share of the saves, and its waits, its utilisation and its drain are the whole's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from consumer.dev.simulate import fluid
from consumer.dev.simulate.fluid import NoSolution
from consumer.dev.simulate.load import HOUR, HOURS_A_DAY

if TYPE_CHECKING:
    from consumer.dev.simulate.fleet import Fleet
    from consumer.dev.simulate.load import TrafficLoad

SAMPLE_PICTURES = 60_000
"""Pictures of a stretch: its p99 rests on hundreds of waits, and more of them would change it little."""


@dataclass(frozen=True)
class SimulatedPart:
    """What is simulated: workers with their loads, from `begin` (seconds after midnight), for so many seconds.

    `told` says in sentences what was left out and why that is right. `drains`: the drain is seen in it; where not, it
    is the formula's.
    """

    workers: tuple[tuple[Fleet, TrafficLoad], ...]
    begin: float
    seconds: float
    told: tuple[str, ...]
    drains: bool = True


def choose_part(load: TrafficLoad, fleet: Fleet, begin: float, seconds: float, most_pictures: int) -> SimulatedPart:
    """Return what to simulate with about `most_pictures` at the most. Raises `NoSolution` if that is too few.

    In this order: everything; some of the workers, for the whole time; one worker for its busiest stretch; where an
    hour brings more than can be painted, and the whole time matters, some of one worker's GPUs.
    """
    worker, its_load = fleet.worker(0), load.part(0, fleet.workers)
    asked = its_load.mean * seconds + its_load.backfill * its_load.pictures
    each = min(asked, worker.capacity * seconds)
    count = int(min(fleet.workers, most_pictures / each)) if each else fleet.workers
    if count == fleet.workers:
        return SimulatedPart(
            _parts(load, fleet, count), begin, seconds, (_everything(fleet, load, each * count, seconds),)
        )
    if count >= 1:
        return SimulatedPart(_parts(load, fleet, count), begin, seconds, (_some(fleet, count), _ALIKE))
    if fluid.busiest(load, fleet) < 1:
        return _stretch(load, fleet, begin, seconds, most_pictures)
    return _some_gpus(load, fleet, begin, seconds, most_pictures / each)


_ALIKE = (
    "Workers share nothing but the bus, and a hash of the article's id gives each an equal random share: "
    "one is like another."
)


def _parts(load: TrafficLoad, fleet: Fleet, count: int) -> tuple[tuple[Fleet, TrafficLoad], ...]:
    return tuple((fleet.worker(number), load.part(number, fleet.workers)) for number in range(count))


def _everything(fleet: Fleet, load: TrafficLoad, pictures: float, seconds: float) -> str:
    workers = f"{fleet.workers} worker(s)" if fleet.workers > 1 else "one worker"
    article = "" if load.pictures == 1 else f" of {load.pictures} to a save"
    return f"Everything was simulated: {workers}, {seconds / HOUR:g} h, about {pictures:.0f} pictures{article}."


def _some(fleet: Fleet, count: int) -> str:
    weakest = "" if fleet.gpus % fleet.workers == 0 else ", those with the fewest GPUs"
    return f"Simulated: {count} of {fleet.workers} workers ({fleet.worker(0).gpus} GPU(s) each{weakest}), all the time."


def _stretch(load: TrafficLoad, fleet: Fleet, begin: float, seconds: float, most_pictures: int) -> SimulatedPart:
    """Return one worker in as many of its busiest minutes as may be painted, with the backfill that is left by then."""
    worker, its_load = fleet.worker(0), load.part(0, fleet.workers)
    rate = worker.capacity if its_load.backfill else max(its_load.hourly) * its_load.pictures
    lasts = min(seconds, min(SAMPLE_PICTURES, most_pictures) / rate)
    left = fluid.forecast(its_load, worker, begin, HOURS_A_DAY).left
    hours = min(HOURS_A_DAY, max(1, int((seconds - lasts) / HOUR)))
    start, pictures = _worst(its_load, begin, list(left[:hours]) + [0.0] * (hours - len(left)), worker.capacity * lasts)
    backfill = round(pictures / its_load.pictures)
    there = f" in which backfill is left ({backfill} articles at its beginning)" if backfill else ""
    who = f"1 of {fleet.workers} worker(s) ({worker.gpus} GPU(s)) for {lasts / 60:.0f} min"
    told = [
        f"Simulated: {who}, from the beginning of the busiest hour{there}.",
        _ALIKE if fleet.workers > 1 else "One worker has all of the load.",
        (
            "Even the busiest hour of all asks for less than can be painted, so the queue forgets within minutes, and "
            "a longer run would say the same."
        ),
    ]
    if its_load.backfill:
        told.append("The drain is the formula's: backfill over what the saves leave of the GPUs, hour by hour.")
    parts = ((worker, replace(its_load, backfill=backfill)),)
    return SimulatedPart(parts, start % (HOURS_A_DAY * HOUR), lasts, tuple(told), drains=not its_load.backfill)


def _worst(load: TrafficLoad, begin: float, left: list[float], wanted: float) -> tuple[float, float]:
    """Return the beginning of the hour with the longest waits, and the pictures of the backfill that are left then.

    While there is a backfill urgent pictures share every step: so an hour that has enough of it, else the most, comes
    before one with more saves.
    """
    moments = [(begin + number * HOUR, pictures) for number, pictures in enumerate(left)]
    return max(moments, key=lambda one: (min(one[1], wanted), load.rate(one[0]), -one[0]))


def _some_gpus(load: TrafficLoad, fleet: Fleet, begin: float, seconds: float, share: float) -> SimulatedPart:
    """Return a part of one worker's GPUs with the like part of its load."""
    worker = fleet.worker(0)
    gpus = int(worker.gpus * share)
    if gpus == 0:
        raise NoSolution(
            f"Too many pictures to simulate: one GPU paints {1 / share / worker.gpus:.1f} times as many in this time "
            "as --most-pictures allows. Give fewer --hours, or more --most-pictures."
        )
    told = (
        f"Simulated: {gpus} of {fleet.gpus} GPUs with {gpus}/{fleet.gpus} of the load, all the time.",
        (
            "The busiest hour asks for more than can be painted, so waits come from the backlog, which is the same for "
            "every such part; what chance adds is overstated, since few GPUs even it out less than many."
        ),
    )
    part = fleet.workers * worker.gpus // gpus
    return SimulatedPart(((replace(worker, gpus=gpus), load.part(0, part)),), begin, seconds, told)
