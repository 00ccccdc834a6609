"""Which part of a large system is simulated to bound the time, and why that part represents the whole.

Workers share nothing but Kafka, each has its own partitions, and a hash spreads articles over them. So each worker sees
a random share of the saves, and its waits, utilisation and drain are those of the whole.
"""

from dataclasses import dataclass, replace

from consumer.dev.simulate import fluid
from consumer.dev.simulate.fluid import NoSolution
from consumer.dev.simulate.scenario import HOUR, HOURS_A_DAY, Fleet, TrafficLoad

SAMPLE_PICTURES = 60_000
"""Pictures of a sample: its p99 rests on hundreds of waits, and more pictures would change it little."""


@dataclass(frozen=True)
class SimulatedPart:
    """Workers with their loads, simulated from `begin` (seconds after midnight) for `seconds`.

    `notes` say in sentences what was left out, and why. `drains` is False where the simulation does not cover the
    drain, which then comes from the formula.
    """

    workers: tuple[tuple[Fleet, TrafficLoad], ...]
    begin: float
    seconds: float
    notes: tuple[str, ...]
    drains: bool = True


def choose_part(load: TrafficLoad, fleet: Fleet, begin: float, seconds: float, most_pictures: int) -> SimulatedPart:
    """Return what to simulate with at most about `most_pictures`. Raises `NoSolution` if that is too few.

    In order of preference: everything; some of the workers for the whole time; one worker in its busiest minutes; and,
    where an hour brings more than can be painted so that the whole time matters, some of one worker's GPUs.
    """
    worker, worker_load = fleet.worker(0), load.part(0, fleet.workers)
    asked = worker_load.mean * seconds + worker_load.backfill * worker_load.pictures
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


_ALIKE = "Workers share nothing but Kafka, and a hash gives each an equal random share of articles: one stands for all."


def _parts(load: TrafficLoad, fleet: Fleet, count: int) -> tuple[tuple[Fleet, TrafficLoad], ...]:
    return tuple((fleet.worker(number), load.part(number, fleet.workers)) for number in range(count))


def _everything(fleet: Fleet, load: TrafficLoad, pictures: float, seconds: float) -> str:
    workers = f"{fleet.workers} worker(s)" if fleet.workers > 1 else "one worker"
    article = "" if load.pictures == 1 else f" of {load.pictures} to a save"
    return f"Everything was simulated: {workers}, {seconds / HOUR:g} h, about {pictures:.0f} pictures{article}."


def _some(fleet: Fleet, count: int) -> str:
    weakest = "" if fleet.gpus % fleet.workers == 0 else ", those with the fewest GPUs"
    return (
        f"Simulated: {count} of {fleet.workers} workers ({fleet.worker(0).gpus} GPU(s) each{weakest}), the whole time."
    )


def _stretch(load: TrafficLoad, fleet: Fleet, begin: float, seconds: float, most_pictures: int) -> SimulatedPart:
    """Return one worker in as many of its busiest minutes as the limit allows, with the backfill left by then."""
    worker, worker_load = fleet.worker(0), load.part(0, fleet.workers)
    rate = worker.capacity if worker_load.backfill else max(worker_load.hourly) * worker_load.pictures
    lasts = min(seconds, min(SAMPLE_PICTURES, most_pictures) / rate)
    left = fluid.forecast(worker_load, worker, begin, HOURS_A_DAY).left
    hours = min(HOURS_A_DAY, max(1, int((seconds - lasts) / HOUR)))
    start, pictures = _worst(
        worker_load, begin, list(left[:hours]) + [0.0] * (hours - len(left)), worker.capacity * lasts
    )
    backfill = round(pictures / worker_load.pictures)
    there = f" that still has backfill ({backfill} articles at its start)" if backfill else ""
    who = f"1 of {fleet.workers} worker(s) ({worker.gpus} GPU(s)) for {lasts / 60:.0f} min"
    notes = [
        f"Simulated: {who}, from the start of the busiest hour{there}.",
        _ALIKE if fleet.workers > 1 else "One worker has the whole load.",
        "Even the busiest hour needs less than the capacity: the queue empties in minutes, in a longer run too.",
    ]
    if worker_load.backfill:
        notes.append("The drain time is from the formula: backfill over the capacity left by saves, hour by hour.")
    parts = ((worker, replace(worker_load, backfill=backfill)),)
    return SimulatedPart(parts, start % (HOURS_A_DAY * HOUR), lasts, tuple(notes), drains=not worker_load.backfill)


def _worst(load: TrafficLoad, begin: float, left: list[float], wanted: float) -> tuple[float, float]:
    """Return the start of the hour with the longest waits, and the backfill's pictures left then.

    While there is a backfill, urgent pictures share every step; so an hour with enough of it (else with the most) comes
    before an hour with more saves.
    """
    moments = [(begin + number * HOUR, pictures) for number, pictures in enumerate(left)]
    return max(moments, key=lambda one: (min(one[1], wanted), load.rate(one[0]), -one[0]))


def _some_gpus(load: TrafficLoad, fleet: Fleet, begin: float, seconds: float, share: float) -> SimulatedPart:
    """Return some of one worker's GPUs with the same share of its load."""
    worker = fleet.worker(0)
    gpus = int(worker.gpus * share)
    if gpus == 0:
        raise NoSolution(
            f"Too many pictures to simulate: in this time one GPU paints {1 / share / worker.gpus:.1f} times as many "
            "as --most-pictures allows. Reduce --hours or raise --most-pictures."
        )
    notes = (
        f"Simulated: {gpus} of {fleet.gpus} GPUs with {gpus}/{fleet.gpus} of the load, the whole time.",
        "The busiest hour needs more than the capacity, so waits come from the backlog, the same for every such part.",
        "The effect of chance is overstated, since few GPUs even it out less than many.",
    )
    part = fleet.workers * worker.gpus // gpus
    return SimulatedPart(((replace(worker, gpus=gpus), load.part(0, part)),), begin, seconds, notes)
