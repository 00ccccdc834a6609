"""Pictures being made: each recipe is painted once, for every job that waits for it.

A lane has at most one making of a recipe under way, as a task that lasts while any job is interested in it. A job joins
the making of its own or a more urgent lane, or one that is painting already. Otherwise lanes do not wait for each
other: an urgent job gets a slot of its own. Only one lane paints all the same. A making whose slot comes while another
lane paints the recipe, or after it has, leaves the slot and takes that picture.
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from consumer.errors import Transient
from consumer.jobs import Lane
from consumer.processing.singleflight import SingleFlight

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
    from contextlib import AbstractContextManager

    from consumer.jobs import Recipe, StoredPictures
    from consumer.processing.context import JobContext


class Made(NamedTuple):
    """The stored renditions of one picture, and whether they cost the job no painting."""

    stored: StoredPictures
    reused: bool


@dataclass(slots=True)
class Making:
    """One lane's work on a picture, from asking the store to storing it.

    `painting` once it uses its slot. `overtaken`: another lane has painted the picture since this one asked the store.
    `inside` holds the jobs that are in the engine with it.
    """

    painting: bool = False
    overtaken: bool = False
    inside: ExitStack | None = None


class Flight:
    """One recipe being made: the jobs that wait for the picture, and the makings of the lanes."""

    def __init__(self, tasks: asyncio.TaskGroup, recipe: Recipe) -> None:
        self.recipe = recipe
        self._calls: SingleFlight[Made | None] = SingleFlight(tasks)
        self._makings: dict[Lane, Making] = {}  # those that are not among the calls are over
        self._waiting: list[tuple[JobContext, int]] = []

    @property
    def idle(self) -> bool:
        """True when no job waits and nothing is being made."""
        return not self._waiting and not len(self._calls)

    async def join(
        self, context: JobContext, index: int, make: Callable[[Making], Awaitable[Made | None]]
    ) -> Made | None:
        """Wait for the making to join, or begin `make`, for picture `index` of the job; return what it returns.

        Raises what the making raised, except for a `Transient` of one that another job began: then it tries again.
        """
        entry = (context, index)
        self._waiting.append(entry)
        try:
            while True:
                lane = self._lane_to_join(context.job.lane)
                joined = lane in self._calls
                try:
                    made, _ = await self._calls.join(lane, partial(make, self._entered(lane, context)))
                except Transient:
                    if not joined:
                        raise
                    context.progress.failed()
                    continue
                return made and Made(made.stored, made.reused or joined)
        finally:
            self._waiting.remove(entry)

    def interest(self, lane: Lane) -> AbstractContextManager[None]:
        """Keep the making that a job of the lane would join going for the block."""
        return self._calls.interest([self._lane_to_join(lane)])

    @asynccontextmanager
    async def in_engine(self, making: Making) -> AsyncIterator[None]:
        """Have every waiting job in the engine for the block, and wait until the group has recorded that.

        Every one, because a death counts against each, and the job that began the making may be superseded meanwhile.
        Jobs that join later enter as they come.
        """
        waiting = [context for context, _ in self._waiting]
        for context in waiting:
            context.begin()
        with ExitStack() as inside:
            making.inside = inside
            try:
                recorded = [inside.enter_context(context.in_engine()) for context in waiting]
                await asyncio.gather(*[wait() for wait in recorded])
                yield
            finally:
                making.inside = None

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

    def is_made_elsewhere(self, making: Making) -> bool:
        """Return whether another lane paints the picture, or has painted it since this making asked the store."""
        return making.overtaken or any(rival.painting for _, rival in self._rivals(making))

    async def other_lane(self, making: Making) -> None:
        """Wait until no other lane paints the picture. Raises the `Rejected` of one that did: it would be ours."""
        while lane := next((lane for lane, rival in self._rivals(making) if rival.painting), None):
            with suppress(Transient):
                await self._calls.join(lane, _never_called)

    def overtake(self, making: Making) -> None:
        """Tell the other lanes' makings that the picture is stored."""
        for _, rival in self._rivals(making):
            rival.overtaken = True

    def _lane_to_join(self, lane: Lane) -> Lane:
        for other in Lane:
            if other in self._calls and (other.rank <= lane.rank or self._makings[other].painting):
                return other
        return lane

    def _entered(self, lane: Lane, context: JobContext) -> Making:
        """Return the lane's making, a new one if none is under way; a job that finds it painting is begun with it."""
        if lane not in self._calls:
            self._makings[lane] = Making()
        making = self._makings[lane]
        if making.painting:
            context.begin()
        if making.inside is not None:
            making.inside.enter_context(context.in_engine())
        return making

    def _rivals(self, making: Making) -> list[tuple[Lane, Making]]:
        makings = self._makings.items()
        return [(lane, other) for lane, other in makings if other is not making and lane in self._calls]


class Flights:
    """The flights under way, one for each recipe."""

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self._tasks = tasks
        self._flights: dict[str, Flight] = {}

    def __len__(self) -> int:
        return len(self._flights)

    @contextmanager
    def of(self, recipe: Recipe) -> Iterator[Flight]:
        """Hold the recipe's flight for the block, a new one if there is none."""
        flight = self._flights.get(recipe.digest)
        if flight is None:
            flight = self._flights[recipe.digest] = Flight(self._tasks, recipe)
        try:
            yield flight
        finally:
            if flight.idle and self._flights.get(recipe.digest) is flight:
                del self._flights[recipe.digest]

    @contextmanager
    def kept(self, recipes: Iterable[Recipe], lane: Lane) -> Iterator[None]:
        """Keep what is being made of the recipes going for the block, on behalf of a job of the lane."""
        with ExitStack() as kept:
            for recipe in recipes:
                if recipe.digest in self._flights:
                    flight = kept.enter_context(self.of(recipe))
                    kept.enter_context(flight.interest(lane))
            yield


async def _never_called() -> None:
    """What is joined is under way."""
    raise AssertionError
