"""What is simulated: saves through the day, a backfill, the GPUs that paint them, and for how long."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from random import Random

from consumer.engine.runtime.step_scheduler import PATIENCE_STEPS, STARVING_EVERY
from consumer.jobs import Lane
from consumer.testing.device import DevicePace

HOUR = 3600.0
"""Seconds."""

HOURS_A_DAY = 24


@dataclass(frozen=True)
class TrafficLoad:
    """Random saves (a Poisson process), the same every day, and a backfill that waits from the start.

    `peak` is the busiest hour's rate over the mean, 1 (even) to below 24, and `busiest` the hour of day. The share
    `interactive` of the saves is interactive, the rest live. Each save and backfill article wants `pictures`.
    """

    saves_a_day: float
    interactive: float = 0.2
    backfill: int = 0
    pictures: int = 1
    peak: float = 1.0
    busiest: int = 10

    @cached_property
    def hourly(self) -> tuple[float, ...]:
        """Saves per second in each hour of the day: they rise and fall around the busiest hour."""
        weights = _bell(self.peak)
        mean = self.saves_a_day / (HOURS_A_DAY * HOUR)
        return tuple(mean * weights[(hour - self.busiest) % HOURS_A_DAY] for hour in range(HOURS_A_DAY))

    @property
    def mean(self) -> float:
        """Pictures per second for saves, averaged over the day."""
        return self.saves_a_day * self.pictures / (HOURS_A_DAY * HOUR)

    def rate(self, moment: float) -> float:
        """Return pictures per second for saves at `moment`, in seconds since midnight."""
        return self.hourly[math.floor(moment / HOUR) % HOURS_A_DAY] * self.pictures

    def part(self, number: int, of: int) -> TrafficLoad:
        """Return the load of worker `number` of `of` equal ones: a thinned Poisson process is again one."""
        backfill = self.backfill * (number + 1) // of - self.backfill * number // of
        return replace(self, saves_a_day=self.saves_a_day / of, backfill=backfill)

    def saves(self, random: Random, begin: float, end: float) -> Iterator[tuple[float, Lane]]:
        """Yield each save's time, in seconds since `begin`, and its lane. `begin` and `end` count from midnight."""
        now, rates = begin, self.hourly
        if self.saves_a_day <= 0:
            return
        while True:
            due = random.expovariate(1.0)
            while True:
                hour = math.floor(now / HOUR)
                rate, left = rates[hour % HOURS_A_DAY], (hour + 1) * HOUR - now
                if rate * left > due:
                    break
                due, now = due - rate * left, (hour + 1) * HOUR
                if now >= end:
                    return
            now += due / rate
            if now >= end:
                return
            yield now - begin, Lane.INTERACTIVE if random.random() < self.interactive else Lane.LIVE


@dataclass(frozen=True)
class Fleet:
    """Identical GPUs, spread evenly over as few workers as `gpus_a_worker` allows.

    `window` (pictures of a lane at each GPU), `unstored` and `in_flight` (records of a topic) are a worker's settings.
    """

    gpus: int
    pace: DevicePace
    gpus_a_worker: int = 8
    window: int = 8
    unstored: int = 64
    in_flight: int = 256

    @property
    def workers(self) -> int:
        """Number of workers."""
        return math.ceil(self.gpus / self.gpus_a_worker)

    @property
    def weakest(self) -> int:
        """GPUs of the worker with the fewest; every other worker has as many or one more."""
        return self.gpus // self.workers

    def worker(self, number: int) -> Fleet:
        """Return one worker as a fleet of its own; 0 is the weakest."""
        stronger = self.gpus % self.workers
        return replace(self, gpus=self.weakest + (number >= self.workers - stronger))

    @property
    def capacity(self) -> float:
        """Pictures per second when every step is full."""
        return self.gpus * self.pace.speedup / self.pace.seconds

    @property
    def starvation_steps(self) -> int:
        """Bound on the steps for which a picture at a GPU is passed over.

        After `PATIENCE_STEPS` it starves; then one step in `STARVING_EVERY` goes to the one passed over longest, and
        each one before it takes one. Pictures of three lanes can starve; the highest lane always steps.
        """
        return PATIENCE_STEPS + STARVING_EVERY * self.window * (len(Lane) - 1)


@dataclass(frozen=True)
class Scenario:
    """A load, when it begins (seconds after midnight), how many seconds are simulated, and the random seed."""

    load: TrafficLoad
    begin: float
    seconds: float
    seed: int = 1
    most_pictures: int = 150_000


def _bell(peak: float) -> tuple[float, ...]:
    """Return 24 weights of mean 1, the greatest, `peak`, first: exp(k cos) for the k that gives this peak."""
    low, high = 0.0, 1e4
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if _weights(middle)[0] < peak else (low, middle)
    return _weights(low)


def _weights(sharpness: float) -> tuple[float, ...]:
    raw = [math.exp(sharpness * (math.cos(2 * math.pi * hour / HOURS_A_DAY) - 1)) for hour in range(HOURS_A_DAY)]
    mean = sum(raw) / HOURS_A_DAY
    return tuple(weight / mean for weight in raw)
