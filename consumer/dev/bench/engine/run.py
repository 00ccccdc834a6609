"""The parts of a run, in the order of their worth, and what is done with each."""

import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from consumer.dev.bench.engine.budget import Budget
from consumer.dev.bench.engine.busy import busy_share
from consumer.dev.bench.engine.contestants import Assignment, Contestants
from consumer.dev.bench.engine.corpus import mixed_requests, requests_of
from consumer.dev.bench.engine.facts import device_facts
from consumer.dev.bench.engine.joining import OTHERS, join_denoiser, join_stock
from consumer.dev.bench.engine.painters import Painter, at_its_best, by_denoiser, compiled, compiled_pipeline, decibels
from consumer.dev.bench.engine.plan import (
    BAR_WORK,
    COMPILED_SIDES,
    EnginePlan,
    EngineSide,
    PictureShape,
    order,
)
from consumer.dev.bench.engine.result import EngineResult, EngineTurn, JoinResult
from consumer.engine.runtime.forward.packed import PackedForward
from consumer.engine.runtime.model import Model
from consumer.engine.runtime.warmup import measure_token_seconds

_COMPILE_SECONDS = {EngineSide.STOCK_COMPILED: 120.0, EngineSide.COMPILED: 40.0}
"""How long compiling a side may take: whole blocks, or the arithmetic between products."""

_FACTS_SECONDS = 20.0
"""What the facts about a GPU may take, whose largest piece of work takes milliseconds."""

_LIKE = {EngineSide.STOCK_COMPILED: EngineSide.ONE_BY_ONE, EngineSide.COMPILED: EngineSide.DENOISER}
_BUSY = (
    (EngineSide.ONE_BY_ONE, 1),
    (EngineSide.DENOISER, 1),
    (EngineSide.AS_BATCH, 8),
    (EngineSide.DENOISER, 8),
)
_BUSY_STEPS = 6
"""Steps are enough that are alike, and the profiler keeps every kernel in memory."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a run.

    `seconds` returns how long it will take at most, by what was measured so far; `measure` returns its figures as a
    line. `lacks` says what it needs that is not there.
    """

    name: str
    seconds: Callable[[], float]
    measure: Callable[[], str]
    lacks: str = ""


class EngineRun:
    """Measures part after part as long as the budget has room, and publishes the result after each measurement.

    A part that fails is recorded, and the run goes on: what was measured before and after it counts.
    """

    def __init__(
        self,
        plan: EnginePlan,
        model: Model,
        contestants: Contestants,
        result: EngineResult,
        publish: Callable[[EngineResult], None],
    ) -> None:
        self.result = result
        self._plan = plan
        self._model = model
        self._contestants = contestants
        self._publish = publish
        self._stock: dict[Assignment, Sequence[Any]] = {}

    def go(self, budget: Budget, report: Callable[[str], None]) -> EngineResult:
        """Go through all parts, reporting each."""
        self._record()
        for part in self._parts():
            needed, left = part.seconds(), budget.left
            why = part.lacks
            if needed > left:
                why = f"about {needed:.0f} s needed, {max(left, 0):.0f} s left"
            if why:
                self._record(left_out={**self.result.left_out, part.name: why})
                report(f"{part.name}: left out, {why}")
            else:
                report(f"{part.name}: {self._attempt(part)}")
        self._record(finished=True)
        return self.result

    def _attempt(self, part: Part) -> str:
        """Measure a part; return its figures, or why it failed."""
        try:
            return part.measure()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is shown, recorded, and fails the run at its end
            traceback.print_exc()
            sentence = f"{type(error).__name__}: {error}".splitlines()[0]
            self._record(failed={**self.result.failed, part.name: sentence})
            return f"failed: {sentence}"

    def _record(self, **changes: Any) -> None:
        self.result = replace(self.result, **changes)
        self._publish(self.result)

    def _parts(self) -> Iterator[Part]:
        work = [_assignment(*each) for each in self._plan.work]
        bars = work[: sum(each in BAR_WORK for each in self._plan.work)]
        yield from (self._round(each, 0) for each in bars)
        yield from self._joins(self._plan.kinds[0])
        yield from self._busy(self._plan.kinds[0])
        yield from self._facts()
        for side in self._compiled_sides():
            yield Part(
                side, partial(_COMPILE_SECONDS.__getitem__, side), partial(self._compile, side, bars or work[:1])
            )
        yield from (self._round(each, 0, COMPILED_SIDES) for each in bars if self._among(COMPILED_SIDES, each))
        for turn in range(1, self._plan.rounds):
            yield from (self._round(each, turn) for each in bars if each in self._stock)
        for each in (*work[len(bars) :], *self._mixed()):
            yield self._round(each, 0)
            yield from (self._round(each, turn) for turn in range(1, self._plan.rounds) if each in self._stock)

    def _mixed(self) -> Iterator[Assignment]:
        if count := self._plan.mixed:
            requests = mixed_requests(count, full_size=not self._plan.small)
            yield Assignment(f"{count} mixed requests", count, requests, mixed=True)

    def _compiled_sides(self) -> tuple[EngineSide, ...]:
        wanted = self._plan.compiled
        if wanted is None:
            wanted = self._model.device.type == "cuda"
        packed = isinstance(self._model.forward, PackedForward)
        return tuple(side for side in COMPILED_SIDES if wanted and (packed or side is not EngineSide.COMPILED))

    def _among(self, sides: Sequence[EngineSide], assignment: Assignment) -> tuple[EngineSide, ...]:
        return self._contestants.among(sides, assignment)

    def _round(self, assignment: Assignment, turn: int, sides: Sequence[EngineSide] = tuple(EngineSide)) -> Part:
        which = ", compiled" if sides is COMPILED_SIDES else ", further rounds" if turn else ""
        return Part(
            assignment.label + which,
            lambda: self._contestants.seconds(self._among(sides, assignment), assignment),
            lambda: self._take_turns(assignment, turn, self._among(sides, assignment)),
        )

    def _take_turns(self, assignment: Assignment, turn: int, sides: Sequence[EngineSide]) -> str:
        for side in sides:
            self._contestants.warm_up(side, assignment)
        work, figures = self._contestants.workload(assignment), []
        for side in order(sides, turn):
            taken = self._contestants.take_turn(side, assignment)
            alike = self._alike(side, assignment, taken.value)
            self.result = self.result.with_turn(work, EngineTurn(side, turn, taken.seconds, taken.peak_bytes, alike))
            self._publish(self.result)
            figures.append(f"{side} {taken.seconds / work.pictures:.3f} s")
        return f"{', '.join(figures)} a picture"

    def _alike(self, side: EngineSide, assignment: Assignment, pictures: Sequence[Any]) -> float | None:
        """Return how alike pictures are to the stock pipeline's, which the first round keeps; None for its own."""
        if side is EngineSide.ONE_BY_ONE:
            self._stock[assignment] = pictures
            return None
        stock = self._stock.get(assignment)
        return decibels(stock, pictures) if stock else None

    def _joins(self, shape: PictureShape) -> Iterator[Part]:
        requests = requests_of(shape, OTHERS + 1)
        asked = Assignment(str(shape), OTHERS + 1, requests)
        model, settings = self._model, self._plan.settings
        ways: dict[EngineSide, Callable[[], JoinResult]] = {
            EngineSide.AS_BATCH: lambda: join_stock(model.pipeline, model.device, requests),
            EngineSide.DENOISER: lambda: join_denoiser(model, settings, requests),
        }
        for side, way in ways.items():
            yield Part(
                f"an editor's picture joins, {side}",
                partial(self._contestants.seconds, (side,), asked),
                partial(self._add_join, way),
            )

    def _add_join(self, way: Callable[[], JoinResult]) -> str:
        join = way()
        self._record(joins=(*self.result.joins, join))
        return f"{join.others_steps} steps of others, {join.first_step_seconds:.3f} s to its first step"

    def _busy(self, shape: PictureShape) -> Iterator[Part]:
        if self._model.device.type != "cuda":
            yield Part("GPU busy", lambda: 0.0, str, lacks="no GPU")
            return
        for side, batch in _BUSY:
            asked = _assignment(replace(shape, steps=min(shape.steps, _BUSY_STEPS)), batch)
            yield Part(
                f"GPU busy, {side}, batch {batch}",
                partial(self._contestants.seconds, (side,), asked),
                partial(self._add_busy, side, asked),
            )

    def _add_busy(self, side: EngineSide, asked: Assignment) -> str:
        self._contestants.warm_up(side, asked)
        found = busy_share(side, asked.batch, self._model.device, lambda: self._contestants.paint(side, asked))
        self._record(busy=(*self.result.busy, found))
        return f"{100 * found.share:.1f} %"

    def _facts(self) -> Iterator[Part]:
        if self._model.device.type == "cuda":
            yield Part("the device, piece by piece", lambda: _FACTS_SECONDS, self._add_facts)

    def _add_facts(self) -> str:
        self._record(facts=device_facts(self._model))
        return f"{len(self.result.facts)} figures"

    def _compile(self, side: EngineSide, assignments: Sequence[Assignment]) -> str:
        """Have a compiled side take part, once it has painted these assignments in a few steps."""
        begun = time.perf_counter()
        self._contestants.add(side, self._compiled_painter(side), _LIKE[side])
        try:
            for assignment in assignments:
                self._contestants.warm_up(side, assignment)
        except BaseException:
            self._contestants.remove(side)
            raise
        seconds = time.perf_counter() - begun
        self._record(compile_seconds={**self.result.compile_seconds, side: seconds})
        return f"compiled in {seconds:.1f} s"

    def _compiled_painter(self, side: EngineSide) -> Painter:
        if side is EngineSide.STOCK_COMPILED:
            return at_its_best(compiled_pipeline(self._model.pipeline, self._model.device))
        faster = compiled(self._model)
        faster.token_seconds = measure_token_seconds(faster)
        return by_denoiser(faster, self._plan.settings)


def _assignment(shape: PictureShape, batch: int) -> Assignment:
    return Assignment(str(shape), batch, requests_of(shape, batch))
