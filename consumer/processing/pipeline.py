"""A job's way through the stages: brief → (store?) → scheduler → engine → encoder → store → outcome.

Knows neither Kafka nor S3: it takes a validated request and returns what the CMS is to be told.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

from consumer import failpoints
from consumer.errors import Fatal, HandedBack, Rejected, Transient
from consumer.failpoints import Failpoint
from consumer.jobs import Lane
from consumer.processing.circuit_breaker import CircuitBreaker
from consumer.processing.prompting import PaintPlan, make_plan
from consumer.processing.singleflight import SingleFlight
from consumer.processing.store_outage import Operation, StoreOutage
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
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from consumer.jobs import Picture, Recipe, Renditions, StoredPicture, StoredPictures
    from consumer.pictures.encoder import PictureEncoder
    from consumer.ports import Engine, Store
    from consumer.processing.admission import Admission, EngineSlot
    from consumer.processing.context import JobContext, Timings
    from consumer.processing.styles import Styles

    _Made = tuple[StoredPictures, bool]  # and whether they were there already


class _Elsewhere(Exception):
    """What was to be painted is being painted, or was, for another lane."""


class Pipeline:
    """Turns jobs into outcomes. Safe for many jobs at once; equal recipes are painted once, for whoever waits for them.

    Pictures are made in `tasks`: a job that is cancelled leaves them to the others that want them.
    """

    def __init__(  # noqa: PLR0913 - its stages
        self,
        tasks: asyncio.TaskGroup,
        *,
        styles: Styles,
        scheduler: Admission,
        engine: Engine,
        encoder: PictureEncoder,
        store: Store,
        troubles: StoreOutage | None = None,
        breaker: CircuitBreaker | None = None,
    ) -> None:
        self._styles = styles
        self._scheduler = scheduler
        self._engine = engine
        self._encoder = encoder
        self._store = store
        self._troubles = troubles or StoreOutage()
        self._breaker = breaker or CircuitBreaker()
        self._making: SingleFlight[_Made | None] = SingleFlight(tasks)
        self._painting: set[str] = set()
        self._overtaken: set[str] = set()
        self._inside: dict[str, ExitStack] = {}
        self._audience: defaultdict[str, list[tuple[JobContext, int]]] = defaultdict(list)

    def brief(self, errand: JobContext) -> PaintPlan:
        """Say what is to be painted. Raises `Rejected` for a request that can never be."""
        brief = make_plan(errand.job.request, self._styles, self._engine.paintable)
        errand.timings.note(Stage.BRIEF, errand.timings.total)
        return brief

    def handover(self, errand: JobContext, brief: PaintPlan) -> AbstractContextManager[None]:
        """Keep going, for the block, what is being painted of this brief, though the job that began it is withdrawn."""
        return self._making.interest(self._flight(errand.job.lane, recipe) for recipe in brief.recipes)

    async def produce(self, errand: JobContext, brief: PaintPlan) -> ImageReady:
        """Make or find every picture of the job.

        Raises `Transient` when this attempt failed, `Expired` when the request is past use before its turn, and
        `HandedBack` when the worker stops first. Waits, without bound, for a store that is down. Cancelling is safe at
        any await.
        """
        made = await self._pictures(errand, brief.recipes)
        finished = [result for result in made if result is not None]
        if len(finished) < len(made):
            raise HandedBack
        reused = all(found for _, found in finished)
        return await self._announce(errand, brief, [stored for stored, _ in finished], reused=reused)

    async def _pictures(self, errand: JobContext, recipes: Sequence[Recipe]) -> list[_Made | None]:
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

    async def _picture(self, errand: JobContext, index: int, recipe: Recipe) -> _Made | None:
        """Return the stored picture and whether it cost this job nothing; None when the worker stops before its turn.

        That is no error here: it would cancel the job's other pictures, and one of them may be at the engine.
        """
        errand.check_expiry()
        try:
            async with errand.in_time():
                while (made := await self._join(errand, index, recipe)) is None:
                    await self._breaker.passage(errand.ticket)
                return made
        except HandedBack:
            return None

    async def _join(self, errand: JobContext, index: int, recipe: Recipe) -> _Made | None:
        """Find or make the picture, or wait for the job that does; if that fails by accident, we try ourselves."""
        with self._hearing(recipe, errand, index):
            while True:
                flight = self._flight(errand.job.lane, recipe)
                alone = flight not in self._making
                if flight in self._painting:
                    errand.begin()
                if inside := self._inside.get(flight):
                    inside.enter_context(errand.in_engine())
                try:
                    made, joined = await self._making.join(flight, partial(self._find_or_make, errand, recipe, flight))
                except Transient:
                    if alone:
                        raise
                    errand.teller.failed()
                    continue
                return (made[0], made[1] or joined) if made else None

    def _flight(self, lane: Lane, recipe: Recipe) -> str:
        """Return which making to wait for: one of this lane or a more urgent one, or any whose turn has come."""
        for other in Lane:
            flight = f"{recipe.digest} {other}"
            if flight in self._making and (other.rank <= lane.rank or flight in self._painting):
                return flight
        return f"{recipe.digest} {lane}"

    async def _find_or_make(self, errand: JobContext, recipe: Recipe, flight: str) -> _Made | None:
        """Return the picture and whether it was there; None when the breaker is open."""
        try:
            while True:
                self._overtaken.discard(flight)
                found = await self._troubles.retry_until_up(Operation.FIND, lambda: self._store.find(recipe))
                if found is not None:
                    return found, True
                with suppress(_Elsewhere):
                    made = await self._make(errand, recipe, flight)
                    return (made, False) if made else None
                await self._other_lane(flight, recipe)
        finally:
            self._painting.discard(flight)
            self._overtaken.discard(flight)

    def _rivals(self, flight: str, recipe: Recipe) -> list[str]:
        """Return the makings of the same recipe in other lanes."""
        flights = (f"{recipe.digest} {lane}" for lane in Lane)
        return [other for other in flights if other != flight and other in self._making]

    async def _other_lane(self, flight: str, recipe: Recipe) -> None:
        """Wait until no other lane is painting the recipe. Raises its verdict, `Rejected`: it would be ours."""
        while rival := next((other for other in self._rivals(flight, recipe) if other in self._painting), None):
            with suppress(Transient):
                await self._making.join(rival, _never_called)

    async def _make(self, errand: JobContext, recipe: Recipe, flight: str) -> StoredPictures | None:
        """Paint and store; None when the breaker is open, before the turn or by the time it comes.

        Raises `_Elsewhere` if by then another lane paints it, or has painted it since the store was asked.
        """
        if not self._breaker.lets(errand.ticket):
            return None
        asked = time.monotonic()
        async with self._scheduler.turn(errand.job.lane, alone=errand.suspect) as turn:
            if not self._breaker.lets(errand.ticket):
                return None
            if flight in self._overtaken or any(rival in self._painting for rival in self._rivals(flight, recipe)):
                raise _Elsewhere
            self._painting.add(flight)
            renditions = await self._paint_and_encode(errand, recipe, flight, turn, asked)
            stored = await self._keep(recipe, renditions, errand.timings)
            self._overtaken.update(self._rivals(flight, recipe))
            return stored

    async def _paint_and_encode(
        self, errand: JobContext, recipe: Recipe, flight: str, turn: EngineSlot, asked: float
    ) -> Renditions:
        """Return the files' bytes; the pixels end here, for the store may be down for hours."""
        audience = [waiting for waiting, _ in self._audience.get(recipe.digest, ())]
        for waiting in audience:
            waiting.begin()
        with ExitStack() as inside:
            # Whoever waits for the picture is in the engine with it: who had it begun may be superseded meanwhile.
            self._inside[flight] = inside
            inside.callback(self._inside.pop, flight)
            told = [inside.enter_context(waiting.in_engine()) for waiting in audience]
            await asyncio.gather(*[known() for known in told])
            picture = await self._paint(errand, recipe)
            turn.painted()
            # Whatever was no painting was waiting: for the turn, in the engine's own queue, for a process that
            # replaced another.
            errand.timings.note(Stage.QUEUED, max(0.0, time.monotonic() - asked - picture.engine_seconds))
            errand.timings.note(Stage.ENGINE, picture.engine_seconds)
            for waiting, number in self._audience.get(recipe.digest, ()):
                waiting.teller.storing(number)
            return await self._encode(picture, errand.timings)

    @contextmanager
    def _hearing(self, recipe: Recipe, errand: JobContext, index: int) -> Iterator[None]:
        """Let the job hear how far the picture is, whoever had it begun."""
        heard = (errand, index)
        self._audience[recipe.digest].append(heard)
        try:
            yield
        finally:
            self._audience[recipe.digest].remove(heard)
            if not self._audience[recipe.digest]:
                del self._audience[recipe.digest]

    async def _paint(self, errand: JobContext, recipe: Recipe) -> Picture:
        def tell(done: int, of: int) -> None:
            for waiting, index in self._audience.get(recipe.digest, ()):
                waiting.teller.step(index, done, of)

        for waiting, index in self._audience.get(recipe.digest, ()):
            waiting.teller.started(index)
        await failpoints.reached(Failpoint.PAINTING)
        return await self._engine.paint(recipe, errand.job.lane, tell)

    async def _encode(self, picture: Picture, timings: Timings) -> Renditions:
        begun = time.monotonic()
        renditions = await self._encoder.encode(picture)
        timings.note(Stage.ENCODE, time.monotonic() - begun)
        return renditions

    async def _keep(self, recipe: Recipe, renditions: Renditions, timings: Timings) -> StoredPictures:
        begun = time.monotonic()
        await failpoints.reached(Failpoint.UPLOADING)
        # Here and not around the whole job: a store that is down must not cost the picture that is already painted.
        stored = await self._troubles.retry_until_up(Operation.KEEP, lambda: self._store.keep(recipe, renditions))
        await failpoints.reached(Failpoint.STORED)
        timings.note(Stage.STORE, time.monotonic() - begun)
        return stored

    async def _announce(
        self, errand: JobContext, brief: PaintPlan, stored: list[StoredPictures], *, reused: bool
    ) -> ImageReady:
        request, stages = errand.job.request, errand.timings.stages
        pictures = [await self._ready_picture(index, master) for index, (master, *_) in enumerate(stored)]
        return ImageReady(
            request_id=errand.job.event.id,
            article=ArticleRevision(id=request.article.id, revision=request.article.revision),
            slot=request.output.slot,
            variation=request.generation.variation,
            prompt=brief.prompt,
            prompt_cut=any(master.prompt_cut for master, *_ in stored),
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
        url, expires = await self._troubles.retry_until_up(Operation.ADDRESS, lambda: self._store.url(picture))
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


async def _never_called() -> None:
    """What is joined is under way."""
    raise AssertionError


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
