"""A job's way through the stages: plan → (store?) → admission → engine → encoder → store → outcome.

Knows neither Kafka nor S3: takes a validated request and returns what to announce.
"""

import asyncio
import time
from collections.abc import Coroutine, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import TypeVar

from consumer import failpoints
from consumer.errors import Fatal, Rejected, Transient, WorkerStopping
from consumer.failpoints import Failpoint
from consumer.jobs import Master, PaintedFor, Recipe, StoredPicture
from consumer.ports import Encoder, Engine, Store
from consumer.processing.admission import Admission, EngineSlot
from consumer.processing.circuit_breaker import CircuitBreaker
from consumer.processing.context import JobContext, Timings
from consumer.processing.flight import Flight, Flights, LaneAttempt, PictureResult
from consumer.processing.prompting import PaintPlan, make_plan
from consumer.processing.store_outage import Operation, StoreOutage
from consumer.processing.styles import Styles
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

Result = TypeVar("Result")


class Pipeline:
    """Turns jobs into outcomes. Safe for many jobs at once; equal recipes are painted once, for all that wait for them.

    Pictures are made in `tasks`: a job that is cancelled leaves them to the others that want them.
    """

    def __init__(  # noqa: PLR0913 - its stages
        self,
        tasks: asyncio.TaskGroup,
        *,
        styles: Styles,
        admission: Admission,
        engine: Engine,
        encoder: Encoder,
        store: Store,
        outage: StoreOutage | None = None,
        breaker: CircuitBreaker | None = None,
    ) -> None:
        self._styles = styles
        self._admission = admission
        self._engine = engine
        self._encoder = encoder
        self._store = store
        self._outage = outage or StoreOutage()
        self._breaker = breaker or CircuitBreaker()
        self._flights = Flights(tasks)

    def plan(self, context: JobContext) -> PaintPlan:
        """Return what to paint. Raises `Rejected` for a request that can never be painted."""
        plan = make_plan(context.job.request, self._styles, self._engine.paintable)
        context.timings.note(Stage.BRIEF, context.timings.total)
        return plan

    def handover(self, context: JobContext, plan: PaintPlan) -> AbstractContextManager[None]:
        """Keep what is being painted of this plan going for the block, even if the job that began it is cancelled."""
        return self._flights.keep_going(plan.recipes, context.job.lane)

    async def produce(self, context: JobContext, plan: PaintPlan) -> ImageReady:
        """Find or make every picture of the job.

        Raises `Transient` when this attempt failed, `WorkerStopping` when the worker stops first. Waits without bound
        for a store that is down. Cancelling is safe at any await.
        """
        asked = PaintedFor(plan.alt, context.job.request.generation.variation, len(plan.recipes))
        made = await _all_of([self._picture(context, asked, *numbered) for numbered in enumerate(plan.recipes)])
        finished = [picture for picture in made if picture is not None]
        if len(finished) < len(made):
            raise WorkerStopping
        context.begin()  # all is there: what is left to do must not expire
        return await self._announce(context, plan, finished)

    async def _picture(
        self, context: JobContext, asked: PaintedFor, index: int, recipe: Recipe
    ) -> PictureResult | None:
        """Return the stored picture, None when the worker stops before it is painted.

        None instead of an error, which would cancel the job's other pictures: one of them may be at the engine.
        """
        try:
            while True:
                with self._flights.of(recipe) as flight:
                    made = await flight.join(context, index, partial(self._make, context, asked, flight))
                if made is not None:
                    return made
                await self._breaker.passage(context.permit)
        except WorkerStopping:
            return None

    async def _make(
        self, context: JobContext, asked: PaintedFor, flight: Flight, attempt: LaneAttempt
    ) -> PictureResult | None:
        """Find or paint the picture; None if the breaker is open when the slot is requested or granted."""
        while True:
            attempt.overtaken = False
            found = await self._outage.retry_until_up(Operation.FIND, lambda: self._store.find(flight.recipe))
            if found is not None:
                return PictureResult(found, reused=True)
            if not self._breaker.lets(context.permit):
                return None
            requested_at = time.monotonic()
            async with self._admission.slot(context.job.lane, alone=context.suspect) as slot:
                if not self._breaker.lets(context.permit):
                    return None
                if not flight.is_painted_elsewhere(attempt):
                    attempt.painting = True
                    master = await self._paint(context, flight, attempt, slot, requested_at)
                    stored = await self._keep(flight.recipe, master, asked, context.timings)
                    flight.mark_overtaken(attempt)
                    return PictureResult(stored, reused=False)
            await flight.wait_for_other_lane(attempt)

    async def _paint(
        self, context: JobContext, flight: Flight, attempt: LaneAttempt, slot: EngineSlot, requested_at: float
    ) -> Master:
        """Return the file's bytes; the pixels end here, because the store may be down for hours."""
        timings = context.timings
        async with flight.in_engine(attempt):
            flight.started()
            await failpoints.reached(Failpoint.PAINTING)
            picture = await self._engine.paint(flight.recipe, context.job.lane, flight.step)
            slot.painted()
            # All time that was not painting was waiting: for the slot, in the engine's own queue, for a process that
            # replaced another.
            timings.note(Stage.QUEUED, max(0.0, time.monotonic() - requested_at - picture.engine_seconds))
            timings.note(Stage.ENGINE, picture.engine_seconds)
            flight.storing()
            begun = time.monotonic()
            master = await self._encoder.encode(picture)
            timings.note(Stage.ENCODE, time.monotonic() - begun)
            return master

    async def _keep(self, recipe: Recipe, master: Master, asked: PaintedFor, timings: Timings) -> StoredPicture:
        begun = time.monotonic()
        await failpoints.reached(Failpoint.UPLOADING)
        # Here and not around the whole job: a store that is down must not cost the picture that is already painted.
        stored = await self._outage.retry_until_up(Operation.KEEP, lambda: self._store.keep(recipe, master, asked))
        await failpoints.reached(Failpoint.STORED)
        timings.note(Stage.STORE, time.monotonic() - begun)
        return stored

    async def _announce(self, context: JobContext, plan: PaintPlan, made: Sequence[PictureResult]) -> ImageReady:
        request, stages = context.job.request, context.timings.stages
        masters = [picture.stored for picture in made]
        pictures = [await self._ready_picture(index, master) for index, master in enumerate(masters)]
        return ImageReady(
            request_id=context.job.event.id,
            article=ArticleRevision(id=request.article.id, revision=request.article.revision),
            slot=request.output.slot,
            variation=request.generation.variation,
            prompt=plan.prompt,
            prompt_cut=any(master.prompt_cut for master in masters),
            alt=plan.alt,
            pictures=tuple(pictures),
            style=ReadyStyle(preset=plan.style.name, version=plan.style.version),
            model=_ready_model(plan.recipes[0]),
            reused=all(picture.reused for picture in made),
            seconds=ReadySeconds(
                queued=stages.get(Stage.QUEUED, 0.0),
                engine=stages.get(Stage.ENGINE, 0.0),
                stored=stages.get(Stage.STORE, 0.0),
                total=context.timings.total,
            ),
        )

    async def _ready_picture(self, index: int, picture: StoredPicture) -> ReadyPicture:
        url, expires = await self._outage.retry_until_up(Operation.ADDRESS, lambda: self._store.url(picture))
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


async def _all_of(calls: Sequence[Coroutine[None, None, Result]]) -> list[Result]:
    """Await the calls at once and return their results in order. Raises the gravest error."""
    if len(calls) == 1:  # nearly always; a task and a group for it are a tenth of what delivery costs
        return [await calls[0]]
    # A TaskGroup that fails would leave our task marked as cancelled, and lose a cancellation that comes while it ends.
    tasks = [asyncio.ensure_future(call) for call in calls]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    if errors := [error for error in ended if isinstance(error, Exception)]:
        raise min(errors, key=_gravity)
    return [task.result() for task in tasks]


def _gravity(error: Exception) -> int:
    """Rank the errors of a job's pictures: one outcome has one reason, and fatal comes first."""
    match error:
        case Fatal():
            return 0
        case Rejected():
            return 2
        case Transient():
            return 3
        case _:  # a defect of ours: its trace must not be hidden by what a request did
            return 1
