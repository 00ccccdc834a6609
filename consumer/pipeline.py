"""A job's way through the stages: brief → (store?) → scheduler → engine → darkroom → store → outcome.

Knows neither Kafka nor S3: it takes a validated request and returns what the CMS is to be told.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakValueDictionary

import structlog

from consumer import failpoints
from consumer.breaker import Breaker, Ticket
from consumer.brief import Brief, make_brief
from consumer.errors import Fatal, HandedBack, Overloaded, Rejected, Transient
from consumer.failpoints import Place
from consumer.telemetry.metrics import Stage
from schemas import (
    ArticleRevision,
    ImageReady,
    ReadyAdapter,
    ReadyModel,
    ReadyPicture,
    ReadySeconds,
    ReadyStyle,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from consumer.jobs import Job, Picture, Recipe, Rendition, StoredPicture
    from consumer.pictures.darkroom import Darkroom
    from consumer.ports import Engine, Store
    from consumer.scheduler import Scheduler
    from consumer.styles import Styles
    from schemas import Reason

log = structlog.get_logger(__name__)

MOST_OVERLOADED_WAIT = 5.0
"""Seconds between two looks at a store that is down."""

Result = TypeVar("Result")


class Teller:
    """Hears how far a job is. This one keeps silent; the worker's publishes progress events."""

    def started(self, index: int) -> None:
        """The picture has its turn at the engine."""

    def step(self, index: int, done: int, of: int) -> None:
        """A denoising step of the picture is done."""

    def storing(self, index: int) -> None:
        """The picture is painted and on its way to the store."""

    def failed(self) -> None:
        """The attempt failed; another may follow."""


class Operation(StrEnum):
    """What is asked of the store. One may fail while the others work: a full disk is read as ever."""

    FIND = "find"
    KEEP = "keep"
    ADDRESS = "address"


class Troubles:
    """What of the store is down right now: told when it begins and when all is over, not by every job that waits."""

    def __init__(self, count: Callable[[Reason], None] = lambda _reason: None) -> None:
        self._count = count
        self._current: dict[Operation, Overloaded] = {}

    def __call__(self) -> str | None:
        """Return a sentence about what is down, None when nothing is: a readiness check."""
        return next((error.message for error in self._current.values()), None)

    @property
    def reason(self) -> str:
        """The reason code of what is down, empty when nothing is."""
        return next((error.reason.value for error in self._current.values()), "")

    def begin(self, operation: Operation, error: Overloaded) -> None:
        """Take note that an operation failed."""
        self._count(error.reason)
        if not self._current:
            log.warning("overloaded", operation=operation, reason=error.reason, error=error.message)
        self._current[operation] = error

    def end(self, operation: Operation) -> None:
        """Take note that it succeeded: of the others that says nothing."""
        if self._current.pop(operation, None) is not None and not self._current:
            log.info("overload_over")


@dataclass(slots=True)
class Timings:
    """Seconds of a job's stages, the longest of its pictures for each."""

    started: float = field(default_factory=time.monotonic)
    stages: dict[Stage, float] = field(default_factory=dict)

    def note(self, stage: Stage, seconds: float) -> None:
        """Take note of one picture's time in a stage."""
        self.stages[stage] = max(seconds, self.stages.get(stage, 0.0))

    @property
    def total(self) -> float:
        """Seconds since the job began."""
        return time.monotonic() - self.started


@dataclass(frozen=True, slots=True)
class Errand:
    """A job on its way: who hears of it, how long it takes, and what is known of its past.

    `suspect`: a process died with it in the engine, so it is painted alone. `in_engine` is held while it is in the
    engine, and entered once the group knows.
    """

    job: Job
    teller: Teller = field(default_factory=Teller)
    timings: Timings = field(default_factory=Timings)
    ticket: Ticket = field(default_factory=Ticket)
    suspect: bool = False
    in_engine: Callable[[], AbstractAsyncContextManager[None]] = nullcontext


class Pipeline:
    """Turns jobs into outcomes. Safe for many jobs at once; equal recipes are painted once and then found."""

    def __init__(  # noqa: PLR0913 - its stages
        self,
        *,
        styles: Styles,
        scheduler: Scheduler,
        engine: Engine,
        darkroom: Darkroom,
        store: Store,
        store_retry_seconds: float = 1.0,
        troubles: Troubles | None = None,
        breaker: Breaker | None = None,
    ) -> None:
        self._styles = styles
        self._scheduler = scheduler
        self._engine = engine
        self._darkroom = darkroom
        self._store = store
        self._store_retry_seconds = store_retry_seconds
        self._troubles = troubles or Troubles()
        self._breaker = breaker or Breaker()
        self._recipes: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def produce(self, errand: Errand) -> ImageReady:
        """Make or find every picture of the job.

        Raises `Rejected` for a request that can never be painted, `Transient` when this attempt failed, `HandedBack`
        when the worker stops first. Waits, without bound, for a store that is down. Cancelling is safe at any await.
        """
        brief = make_brief(errand.job.request, self._styles, self._engine.model, self._engine.adapters)
        errand.timings.note(Stage.BRIEF, errand.timings.total)
        made = await self._pictures(errand, brief.recipes)
        finished = [result for result in made if result is not None]
        if len(finished) < len(made):
            raise HandedBack
        reused = all(found for _, found in finished)
        return await self._announce(errand, brief, [stored for stored, _ in finished], reused=reused)

    async def _pictures(self, errand: Errand, recipes: Sequence[Recipe]) -> list[tuple[StoredPicture, bool] | None]:
        if len(recipes) == 1:  # nearly always; a task and a group for it are a tenth of what delivery costs
            return [await self._picture(errand, 0, recipes[0])]
        try:
            async with asyncio.TaskGroup() as pictures:
                made = [
                    pictures.create_task(self._picture(errand, index, recipe)) for index, recipe in enumerate(recipes)
                ]
        except BaseExceptionGroup as group:
            raise _gravest(group) from group
        return [task.result() for task in made]

    async def _picture(self, errand: Errand, index: int, recipe: Recipe) -> tuple[StoredPicture, bool] | None:
        """Return the stored picture and whether it had been made before; None when the worker stops before its turn.

        That is no error here: it would cancel the job's other pictures, and one of them may be at the engine.
        """
        lock = self._recipes.setdefault(recipe.digest, asyncio.Lock())
        try:
            while True:
                async with lock:
                    if (found := await self._patiently(Operation.FIND, lambda: self._store.find(recipe))) is not None:
                        return found, True
                    if (made := await self._make(errand, index, recipe)) is not None:
                        return made, False
                # Not with the lock in hand: whoever is let through may need the same recipe.
                await self._breaker.passage(errand.ticket)
        except HandedBack:
            return None

    async def _make(self, errand: Errand, index: int, recipe: Recipe) -> StoredPicture | None:
        """Paint and store; None when the breaker is open, before the turn or by the time it comes."""
        if not self._breaker.lets(errand.ticket):
            return None
        asked = time.monotonic()
        async with self._scheduler.turn(errand.job.lane, alone=errand.suspect) as turn:
            if not self._breaker.lets(errand.ticket):
                return None
            async with errand.in_engine():
                picture = await self._paint(errand, index, recipe)
                turn.painted()
                # Whatever was no painting was waiting: for the turn, in the engine's own queue, for a process that
                # replaced another.
                errand.timings.note(Stage.QUEUED, max(0.0, time.monotonic() - asked - picture.engine_seconds))
                errand.timings.note(Stage.ENGINE, picture.engine_seconds)
                errand.teller.storing(index)
                rendition = await self._develop(picture, errand.timings)
            return await self._keep(recipe, rendition, errand.timings)

    async def _paint(self, errand: Errand, index: int, recipe: Recipe) -> Picture:
        errand.teller.started(index)
        await failpoints.reached(Place.PAINTING)
        return await self._engine.paint(recipe, errand.job.lane, lambda done, of: errand.teller.step(index, done, of))

    async def _develop(self, picture: Picture, timings: Timings) -> Rendition:
        begun = time.monotonic()
        rendition = await self._darkroom.develop(picture)
        timings.note(Stage.DEVELOP, time.monotonic() - begun)
        return rendition

    async def _keep(self, recipe: Recipe, rendition: Rendition, timings: Timings) -> StoredPicture:
        begun = time.monotonic()
        await failpoints.reached(Place.UPLOADING)
        # Here and not around the whole job: a store that is down must not cost the picture that is already painted.
        stored = await self._patiently(Operation.KEEP, lambda: self._store.keep(recipe, rendition))
        await failpoints.reached(Place.STORED)
        timings.note(Stage.STORE, time.monotonic() - begun)
        return stored

    async def _patiently(self, operation: Operation, attempt: Callable[[], Awaitable[Result]]) -> Result:
        """Try again, for as long as it takes, while the store is down: that is no failure of the request."""
        wait = self._store_retry_seconds
        while True:
            try:
                result = await attempt()
            except Overloaded as error:
                self._troubles.begin(operation, error)
            else:
                self._troubles.end(operation)
                return result
            await asyncio.sleep(wait)
            wait = min(2 * wait, MOST_OVERLOADED_WAIT)

    async def _announce(self, errand: Errand, brief: Brief, stored: list[StoredPicture], *, reused: bool) -> ImageReady:
        request, stages = errand.job.request, errand.timings.stages
        pictures = [await self._ready_picture(index, picture) for index, picture in enumerate(stored)]
        return ImageReady(
            request_id=errand.job.event.id,
            article=ArticleRevision(id=request.article.id, revision=request.article.revision),
            slot=request.output.slot,
            variation=request.generation.variation,
            prompt=brief.prompt,
            prompt_cut=any(picture.prompt_cut for picture in stored),
            alt=brief.alt,
            pictures=tuple(pictures),
            style=ReadyStyle(preset=brief.style.name, version=brief.style.version),
            model=_ready_model(brief.recipes[0]),
            reused=reused,
            seconds=ReadySeconds(
                queued=stages.get(Stage.QUEUED, 0.0),
                engine=stages.get(Stage.ENGINE, 0.0),
                stored=stages.get(Stage.STORE, 0.0),
                total=errand.timings.total,
            ),
        )

    async def _ready_picture(self, index: int, picture: StoredPicture) -> ReadyPicture:
        url, expires = await self._patiently(Operation.ADDRESS, lambda: self._store.url(picture))
        return ReadyPicture(
            index=index,
            url=url,
            url_expires=expires,
            key=picture.key,
            sha256=picture.sha256,
            bytes=picture.bytes_,
            media_type=picture.media_type,
            width=picture.width,
            height=picture.height,
            seed=picture.seed,
            recipe=picture.recipe,
        )


def _ready_model(recipe: Recipe) -> ReadyModel:
    model = recipe.model
    adapters = tuple(ReadyAdapter(name=one.name, sha256=one.sha256, scale=one.scale) for one in recipe.adapters)
    return ReadyModel(name=model.name, sha256=model.sha256, coverage=model.coverage, adapters=adapters)


def _gravest(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the error that decides for all pictures of a job: one outcome has one reason, and fatal comes first."""
    leaves: list[BaseException] = []
    unopened: list[BaseException] = [group]
    while unopened:
        error = unopened.pop()
        if isinstance(error, BaseExceptionGroup):
            unopened.extend(error.exceptions)
        else:
            leaves.append(error)
    return min(leaves, key=_gravity)


def _gravity(error: BaseException) -> int:
    match error:
        case Fatal():
            return 0
        case Rejected():
            return 2
        case Transient():
            return 3
        case _:  # a defect of ours: its trace must not be hidden by what a request did
            return 1
