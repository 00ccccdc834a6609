"""A simulated device in virtual time: paints no pixels, but chooses the pictures of each step as the engine does.

The engine's own `StepScheduler` makes the choice. While all pictures on the device step together the choice stays the
same, so such steps are taken in one run; a picture that arrives meanwhile ends the run at the next step, just as it
would join at that step if they were taken one by one.
"""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass

from consumer.engine.request import PaintRequest, work_ahead
from consumer.engine.runtime.step_scheduler import StepLimits, StepScheduler
from consumer.jobs import Lane, Picture

LENGTH = 1 << 20
"""Tokens of a picture: so many that the fixed cost of a call, a whole number of tokens, is practically exact."""

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class DevicePace:
    """Speed of a device.

    A picture of `steps` takes `seconds` alone; up to `batch` share a step, and full steps paint `speedup` times as many
    pictures per second (at least 1 and below `batch`). In between, the time of a step is linear in its pictures: a
    fixed cost of the call, and one per picture.
    """

    seconds: float
    steps: int = 12
    batch: int = 1
    speedup: float = 1.0

    @property
    def fixed_tokens(self) -> int:
        """Fixed cost of a step, in tokens."""
        if self.speedup == 1:
            return 0
        return round(LENGTH * self.batch * (self.speedup - 1) / (self.batch - self.speedup))

    @property
    def limits(self) -> StepLimits:
        """Limits of a step, for the step scheduler."""
        return StepLimits(self.batch, lambda: LENGTH * self.batch)

    def step_seconds(self, pictures: int) -> float:
        """Return the seconds of a step that n pictures share."""
        alone = self.fixed_tokens + LENGTH
        return self.seconds / self.steps * (self.fixed_tokens + pictures * LENGTH) / alone


@dataclass(slots=True, eq=False)
class SimulatedSample:
    """A picture on a device; implements `consumer.engine.runtime.step_scheduler.StepCandidate`."""

    request: PaintRequest
    rank: int
    number: int
    since: float
    passed_over: int = 0
    alone: bool = False
    group: None = None
    length: int = LENGTH
    negative_length: int = 0


@dataclass(slots=True)
class _StepRun:
    """Consecutive steps of the same pictures."""

    samples: tuple[SimulatedSample, ...]
    begun: float
    step_seconds: float
    steps: int
    timer: asyncio.TimerHandle
    counted: int = 0

    def step_at(self, moment: float) -> int:
        """Return the step, counted from 1, that is being taken at a moment of the run."""
        passed = (moment - self.begun) / self.step_seconds
        return min(self.steps, max(1, math.ceil(passed - _ROUNDING)))

    def count(self, steps: int) -> None:
        """Count the run's first `steps` steps as done by its pictures."""
        for sample in self.samples:
            sample.request.steps_done += steps - self.counted
        self.counted = steps


class SimulatedDevice:
    """Paints the pictures it takes, on the running loop's clock; calls `passed_over(lane, steps, seconds)` per wait.

    The call comes when the wait ends, with the steps of others and the seconds that a picture waited for its next step.
    `busy_seconds` counts whole runs of steps; it is exact whenever the device is idle or `stop` was called.
    """

    def __init__(self, pace: DevicePace, passed_over: Callable[[Lane, int, float], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._seconds = [pace.step_seconds(pictures) for pictures in range(pace.batch + 1)]
        self._alone_seconds = pace.seconds
        self._passed_over = passed_over
        self._scheduler: StepScheduler[SimulatedSample] = StepScheduler(pace.limits)
        self._samples: dict[int, SimulatedSample] = {}
        self._run: _StepRun | None = None
        self.busy_seconds = 0.0

    def work_ahead(self, lane: Lane) -> tuple[int, int]:
        """Return the work that a picture of the lane would wait for or share steps with, and all the work."""
        if self._run:
            self._run.count(self._run.step_at(self._loop.time()) - 1)
        return work_ahead(lane, [sample.request for sample in self._samples.values()])

    def take(self, request: PaintRequest) -> None:
        """Begin with the picture at the next step; its `result` is set after all its steps."""
        self._samples[request.number] = SimulatedSample(request, request.lane.rank, request.number, self._loop.time())
        if self._run is None:
            self._begin()
        else:
            self._cut(self._run)

    def drop(self, request: PaintRequest) -> None:
        """Drop a picture that is no longer needed, from the next step on."""
        if self._samples.pop(request.number, None) and self._run:
            self._cut(self._run)

    def stop(self) -> None:
        """Stop painting; the past part of a run counts as busy."""
        if self._run:
            self._run.timer.cancel()
            self.busy_seconds += self._loop.time() - self._run.begun
        self._run = None
        self._samples.clear()

    def _begin(self) -> None:
        samples = self._scheduler.choose(self._samples.values()).pictures
        together = len(samples) == len(self._samples)
        steps = min(sample.request.steps_left for sample in samples) if together else 1
        now, seconds = self._loop.time(), self._seconds[len(samples)]
        for sample in samples:
            self._passed_over(sample.request.lane, sample.passed_over, now - sample.since)
        timer = self._loop.call_at(now + steps * seconds, self._end)
        self._run = _StepRun(samples, now, seconds, steps, timer)

    def _cut(self, run: _StepRun) -> None:
        """End the run with the current step, after which the choice is made again."""
        steps = run.step_at(self._loop.time())
        if steps < run.steps:
            run.timer.cancel()
            run.steps = steps
            run.timer = self._loop.call_at(run.begun + steps * run.step_seconds, self._end)

    def _end(self) -> None:
        run, self._run = self._run, None
        if run is None:
            return
        now = self._loop.time()
        self.busy_seconds += now - run.begun
        run.count(run.steps)
        for sample in self._samples.values():
            sample.passed_over += 1
        for sample in run.samples:
            sample.passed_over, sample.since = 0, now
            if sample.request.steps_left == 0 and self._samples.pop(sample.number, None) is not None:
                recipe = sample.request.recipe
                sample.request.resolve(Picture(recipe, recipe.width, recipe.height, b"", self._alone_seconds))
        if self._samples:
            self._begin()
