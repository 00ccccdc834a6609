"""Pictures being made: each recipe is painted once, for every job that waits for it.

A lane makes at most one attempt at a recipe at a time: a task that lasts while any job is interested in it. A job joins
the attempt of its own or a more urgent lane, or one that is painting already. Otherwise lanes do not wait for each
other, so an urgent job gets a slot of its own; but only one lane paints. An attempt whose slot comes while another lane
paints the recipe, or after it has, leaves the slot and takes that picture.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from consumer.errors import Transient, WithdrawnMeanwhile
from consumer.jobs import Lane, Recipe, StoredPicture
from consumer.processing.context import JobContext
from consumer.processing.singleflight import SingleFlight


class PictureResult(NamedTuple):
    """A stored picture, and whether it cost the job no painting."""

    stored: StoredPicture
    reused: bool


@dataclass(slots=True)
class LaneAttempt:
    """One lane's attempt at a picture, from asking the store to storing it.

    `painting` once it uses its slot; `overtaken` once another lane has painted the picture since the store was asked.
    `inside` holds the jobs that are in the engine with it.
    """

    painting: bool = False
    overtaken: bool = False
    inside: ExitStack | None = None


class Flight:
    """One picture being made: the jobs that wait for it, and each lane's attempt."""

    def __init__(self, tasks: asyncio.TaskGroup, recipe: Recipe) -> None:
        self.recipe = recipe
        self._calls: SingleFlight[PictureResult | None] = SingleFlight(tasks)
        self._attempts: dict[Lane, LaneAttempt] = {}  # those that are not among the calls are over
        self._waiting: list[tuple[JobContext, int]] = []

    @property
    def idle(self) -> bool:
        """True when no job waits and nothing is being made."""
        return not self._waiting and not len(self._calls)

    async def join(
        self, context: JobContext, index: int, make: Callable[[LaneAttempt], Awaitable[PictureResult | None]]
    ) -> PictureResult | None:
        """Wait for an attempt under way, or start one with `make`, for picture `index` of the job; return its result.

        Raises what the attempt raised. That an attempt which another job started failed, or that its article was
        withdrawn, is not ours: then try again.
        """
        entry = (context, index)
        self._waiting.append(entry)
        try:
            while True:
                lane = self._lane_to_join(context.job.lane)
                joined = lane in self._calls
                try:
                    made, _ = await self._calls.join(lane, partial(make, self._attempt(lane, context)))
                except (Transient, WithdrawnMeanwhile):
                    if not joined:
                        raise
                    context.progress.failed()
                    continue
                return made and PictureResult(made.stored, made.reused or joined)
        finally:
            self._waiting.remove(entry)

    def interest(self, lane: Lane) -> AbstractContextManager[None]:
        """Keep the attempt that a job of the lane would join alive for the block."""
        return self._calls.interest([self._lane_to_join(lane)])

    @asynccontextmanager
    async def in_engine(self, attempt: LaneAttempt) -> AsyncIterator[None]:
        """Hold every waiting job in the engine for the block, once the group has recorded that they are.

        Every one, because a death counts against each, and the job that started the attempt may be superseded
        meanwhile. Jobs that join later enter as they come.
        """
        waiting = [context for context, _ in self._waiting]
        for context in waiting:
            context.begin()
        with ExitStack() as inside:
            attempt.inside = inside
            try:
                recorded = [inside.enter_context(context.in_engine()) for context in waiting]
                await asyncio.gather(*[wait() for wait in recorded])
                yield
            finally:
                attempt.inside = None

    def started(self) -> None:
        """Report to every waiting job that its picture is at the engine."""
        for context, index in self._waiting:
            context.progress.started(index)

    def step(self, done: int, of: int) -> None:
        """Report a denoising step to every waiting job."""
        for context, index in self._waiting:
            context.progress.step(index, done, of)

    def storing(self) -> None:
        """Report to every waiting job that its picture is painted."""
        for context, index in self._waiting:
            context.progress.storing(index)

    def is_painted_elsewhere(self, attempt: LaneAttempt) -> bool:
        """Return whether another lane is painting the picture, or has since this attempt asked the store."""
        return attempt.overtaken or any(rival.painting for _, rival in self._rivals(attempt))

    async def wait_for_other_lane(self, attempt: LaneAttempt) -> None:
        """Wait until no other lane is painting the picture. Raises its `Rejected`: this lane would get the same."""
        while lane := next((lane for lane, rival in self._rivals(attempt) if rival.painting), None):
            with suppress(Transient, WithdrawnMeanwhile):
                await self._calls.join(lane, _never_called)

    def mark_overtaken(self, attempt: LaneAttempt) -> None:
        """Let the other lanes' attempts find the picture in the store."""
        for _, rival in self._rivals(attempt):
            rival.overtaken = True

    def _lane_to_join(self, lane: Lane) -> Lane:
        for other in Lane:
            if other in self._calls and (other.rank <= lane.rank or self._attempts[other].painting):
                return other
        return lane

    def _attempt(self, lane: Lane, context: JobContext) -> LaneAttempt:
        """Return the lane's attempt, a new one if none is under way. A job that finds it painting begins with it."""
        if lane not in self._calls:
            self._attempts[lane] = LaneAttempt()
        attempt = self._attempts[lane]
        if attempt.painting:
            context.begin()
        if attempt.inside is not None:
            attempt.inside.enter_context(context.in_engine())
        return attempt

    def _rivals(self, attempt: LaneAttempt) -> list[tuple[Lane, LaneAttempt]]:
        attempts = self._attempts.items()
        return [(lane, other) for lane, other in attempts if other is not attempt and lane in self._calls]


class Flights:
    """All flights under way, by recipe."""

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self._tasks = tasks
        self._flights: dict[str, Flight] = {}

    def __len__(self) -> int:
        return len(self._flights)

    @contextmanager
    def of(self, recipe: Recipe) -> Iterator[Flight]:
        """Hold the recipe's flight for the block, a new one if none is under way."""
        flight = self._flights.get(recipe.digest)
        if flight is None:
            flight = self._flights[recipe.digest] = Flight(self._tasks, recipe)
        try:
            yield flight
        finally:
            if flight.idle and self._flights.get(recipe.digest) is flight:
                del self._flights[recipe.digest]

    @contextmanager
    def keep_going(self, recipes: Iterable[Recipe], lane: Lane) -> Iterator[None]:
        """Keep the recipes' attempts that a job of the lane would join alive for the block."""
        with ExitStack() as kept:
            for recipe in recipes:
                if recipe.digest in self._flights:
                    flight = kept.enter_context(self.of(recipe))
                    kept.enter_context(flight.interest(lane))
            yield


async def _never_called() -> None:
    """Stand in for a call that is under way."""
    raise AssertionError
