"""Which denoising steps of one job become progress events: some of every picture's, at a bounded rate."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from schemas.fields import MAX_VARIANTS

STEP_SECONDS: Final = 0.25
"""Shortest time between two step events of one picture."""

STEPS_PER_SECOND: Final = 8
"""Step events of one job, however many pictures it has; the last step of a picture is told in addition."""

STEPS_AT_ONCE: Final = MAX_VARIANTS
"""How many may come together after a pause: pictures that are painted together take their steps together."""


@dataclass(frozen=True, slots=True)
class TakenStep:
    """A picture of the job has done `done` of its `of` steps."""

    index: int
    done: int
    of: int


class StepBudget:
    """Passes on steps of one job's pictures; who has been silent longest comes first.

    While N pictures take a step at least every d seconds, none is silent for longer than `STEP_SECONDS` + 2 d + N /
    `STEPS_PER_SECOND`. The last step of a picture is passed on at once.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left = float(STEPS_AT_ONCE)
        self._counted_at = clock()
        self._waiting: dict[int, TakenStep] = {}
        self._told_at: dict[int, float] = {}

    def take(self, step: TakenStep) -> list[TakenStep]:
        """Return the steps to tell now that this one is done: of several pictures, or none."""
        now = self._clock()
        if step.done >= step.of:
            self.drop(step.index)
            self._told_at[step.index] = now
            return [step]
        self._waiting[step.index] = step
        self._left = min(STEPS_AT_ONCE, self._left + (now - self._counted_at) * STEPS_PER_SECOND)
        self._counted_at = now
        due = sorted((at, index) for index in self._waiting if now - (at := self._last(index)) >= STEP_SECONDS)
        chosen = [self._waiting.pop(index) for _, index in due[: int(self._left)]]
        self._left -= len(chosen)
        self._told_at.update((one.index, now) for one in chosen)
        return chosen

    def drop(self, index: int) -> None:
        """Forget what has not been told of a picture: it is painted."""
        self._waiting.pop(index, None)

    def clear(self) -> None:
        """Forget what has not been told of any: the attempt failed."""
        self._waiting.clear()

    def _last(self, index: int) -> float:
        return self._told_at.get(index, -math.inf)
