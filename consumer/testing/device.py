"""A device that paints in virtual time: it takes no pixels, but chooses each step as the engine does.

Who steps together is decided by the engine's own `StepScheduler`. As long as all pictures in hand step together the
choice stays the same, so such steps are taken in one go; a picture that comes meanwhile ends that at the next step, as
it would have without.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumer.engine.request import work_ahead
from consumer.engine.runtime.step_scheduler import StepLimits, StepScheduler
from consumer.jobs import Picture

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumer.engine.request import PaintRequest
    from consumer.jobs import Lane

LENGTH = 1 << 20
"""Tokens of a picture: so many that the price of a call, a whole number of tokens too, is as good as exact."""

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class DevicePace:
    """How fast a device is.

    `seconds` for a picture of `steps` that is alone; up to `batch` share a step, and full steps paint `speedup` times
    as many pictures in a second, 1 or more and below `batch`. Between the two the time of a step is linear in its
    pictures: a price of the call, and one for each picture.
    """

    seconds: float
    steps: int = 12
    batch: int = 1
    speedup: float = 1.0

    @property
    def call_tokens(self) -> int:
        """What a step costs before its first picture, in tokens: what the engine's chooser is told."""
        if self.speedup == 1:
            return 0
        return round(LENGTH * self.batch * (self.speedup - 1) / (self.batch - self.speedup))

    @property
    def limits(self) -> StepLimits:
        """What the chooser may put into a step."""
        return StepLimits(self.batch, LENGTH * self.batch, self.call_tokens, lambda _length: self.batch)

    def step_seconds(self, pictures: int) -> float:
        """Return the seconds of a step that so many pictures share."""
        alone = self.call_tokens + LENGTH
        return self.seconds / self.steps * (self.call_tokens + pictures * LENGTH) / alone


@dataclass(slots=True, eq=False)
class SimulatedSample:
    """A picture in a device's hands; implements `consumer.engine.runtime.step_scheduler.Candidate`."""

    wish: PaintRequest
    rank: int
    number: int
    since: float
    passed_over: int = 0
    alone: bool = False
    group: None = None
    length: int = LENGTH
    negative_length: int = 0


@dataclass(slots=True)
class _Stretch:
    """Steps that the same pictures take one after the other."""

    sketches: tuple[SimulatedSample, ...]
    begun: float
    step_seconds: float
    steps: int
    timer: asyncio.TimerHandle
    counted: int = 0

    def under_way(self, moment: float) -> int:
        """Return the step, counted from 1, that is under way at a moment of the stretch."""
        passed = (moment - self.begun) / self.step_seconds
        return min(self.steps, max(1, math.ceil(passed - _ROUNDING)))

    def count(self, steps: int) -> None:
        """Count its first so many steps as done by its pictures."""
        for sketch in self.sketches:
            sketch.wish.steps_done += steps - self.counted
        self.counted = steps


class SimulatedDevice:
    """Paints what it is handed, on the running loop's clock. `passed_over(lane, steps, seconds)` hears of each wait.

    A wait is told when it ends: how many steps of others, and how many seconds, a picture in hand waited for its next
    step. `busy_seconds` counts whole stretches, and is right whenever the device is idle or `stop` was called.
    """

    def __init__(self, pace: DevicePace, passed_over: Callable[[Lane, int, float], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._seconds = [pace.step_seconds(pictures) for pictures in range(pace.batch + 1)]
        self._alone_seconds = pace.seconds
        self._passed_over = passed_over
        self._chooser: StepScheduler[SimulatedSample] = StepScheduler(pace.limits)
        self._in_hand: dict[int, SimulatedSample] = {}
        self._stretch: _Stretch | None = None
        self.busy_seconds = 0.0

    def work_ahead(self, lane: Lane) -> tuple[int, int]:
        """Return the work that a picture of the lane would wait for or share with, and all; as a real device does."""
        if self._stretch:
            self._stretch.count(self._stretch.under_way(self._loop.time()) - 1)
        return work_ahead(lane, [sketch.wish for sketch in self._in_hand.values()])

    def take(self, wish: PaintRequest) -> None:
        """Begin with the picture at the next step; its `result` is set when it has all its steps."""
        self._in_hand[wish.number] = SimulatedSample(wish, wish.lane.rank, wish.number, self._loop.time())
        if self._stretch is None:
            self._begin()
        else:
            self._cut(self._stretch)

    def drop(self, wish: PaintRequest) -> None:
        """Forget a picture that nobody waits for any more, from the next step on."""
        if self._in_hand.pop(wish.number, None) and self._stretch:
            self._cut(self._stretch)

    def stop(self) -> None:
        """Paint no more; the part of a stretch that is past counts as busy."""
        if self._stretch:
            self._stretch.timer.cancel()
            self.busy_seconds += self._loop.time() - self._stretch.begun
        self._stretch = None
        self._in_hand.clear()

    def _begin(self) -> None:
        sketches = self._chooser.choose(self._in_hand.values()).pictures
        together = len(sketches) == len(self._in_hand)
        steps = min(sketch.wish.steps_left for sketch in sketches) if together else 1
        now, seconds = self._loop.time(), self._seconds[len(sketches)]
        for sketch in sketches:
            self._passed_over(sketch.wish.lane, sketch.passed_over, now - sketch.since)
        timer = self._loop.call_at(now + steps * seconds, self._end)
        self._stretch = _Stretch(sketches, now, seconds, steps, timer)

    def _cut(self, stretch: _Stretch) -> None:
        """End the stretch with the step that is under way: then it is chosen anew."""
        steps = stretch.under_way(self._loop.time())
        if steps < stretch.steps:
            stretch.timer.cancel()
            stretch.steps = steps
            stretch.timer = self._loop.call_at(stretch.begun + steps * stretch.step_seconds, self._end)

    def _end(self) -> None:
        stretch, self._stretch = self._stretch, None
        if stretch is None:
            return
        now = self._loop.time()
        self.busy_seconds += now - stretch.begun
        stretch.count(stretch.steps)
        for sketch in self._in_hand.values():
            sketch.passed_over += 1
        for sketch in stretch.sketches:
            sketch.passed_over, sketch.since = 0, now
            if sketch.wish.steps_left == 0 and self._in_hand.pop(sketch.number, None) is not None:
                recipe = sketch.wish.recipe
                sketch.wish.settle(Picture(recipe, recipe.width, recipe.height, b"", self._alone_seconds))
        if self._in_hand:
            self._begin()
