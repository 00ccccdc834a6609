"""What is asked of the worker: saves through the day, and a backfill that waits from the beginning."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from consumer.jobs import Lane

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

HOUR = 3600.0
"""Seconds."""

HOURS_A_DAY = 24


@dataclass(frozen=True)
class TrafficLoad:
    """Saves come at random (a Poisson process), every day alike; a backfill waits from the first moment.

    `peak` is the busiest hour's share over the mean hour's, 1 (even) to below 24, and `busiest` that hour by the clock.
    A share of the saves is interactive, the others are live. Each save, and each article of the backfill, wants
    `pictures`.
    """

    saves_a_day: float
    interactive: float = 0.2
    backfill: int = 0
    pictures: int = 1
    peak: float = 1.0
    busiest: int = 10

    @cached_property
    def hourly(self) -> tuple[float, ...]:
        """Saves a second in each hour of the day by the clock: they rise and fall round the busiest hour."""
        weights = _bell(self.peak)
        mean = self.saves_a_day / (HOURS_A_DAY * HOUR)
        return tuple(mean * weights[(hour - self.busiest) % HOURS_A_DAY] for hour in range(HOURS_A_DAY))

    @property
    def mean(self) -> float:
        """Pictures a second that saves ask for, over the day."""
        return self.saves_a_day * self.pictures / (HOURS_A_DAY * HOUR)

    def rate(self, moment: float) -> float:
        """Pictures a second that saves ask for at a moment, in seconds since a midnight."""
        return self.hourly[math.floor(moment / HOUR) % HOURS_A_DAY] * self.pictures

    def part(self, number: int, of: int) -> TrafficLoad:
        """Return what one of so many equal workers sees of it: a thinned Poisson process is one again."""
        backfill = self.backfill * (number + 1) // of - self.backfill * number // of
        return replace(self, saves_a_day=self.saves_a_day / of, backfill=backfill)

    def saves(self, random: Random, begin: float, end: float) -> Iterator[tuple[float, Lane]]:
        """Yield when a save comes, in seconds since `begin`, and its lane. `begin` and `end` count from midnight."""
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


def _bell(peak: float) -> tuple[float, ...]:
    """Return 24 weights of mean 1, the greatest of them, `peak`, first: exp(k cos) with the k that gives it."""
    low, high = 0.0, 1e4
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if _weights(middle)[0] < peak else (low, middle)
    return _weights(low)


def _weights(sharpness: float) -> tuple[float, ...]:
    raw = [math.exp(sharpness * (math.cos(2 * math.pi * hour / HOURS_A_DAY) - 1)) for hour in range(HOURS_A_DAY)]
    mean = sum(raw) / HOURS_A_DAY
    return tuple(weight / mean for weight in raw)
