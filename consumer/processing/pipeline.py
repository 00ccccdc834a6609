"""A job's way through the stages: plan → (store?) → admission → engine → encoder → store → renditions → outcome.

Knows neither Kafka nor S3: takes a validated request and returns what to announce.
"""

import asyncio
import time
from collections.abc import Coroutine, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import TypeVar

import structlog

from consumer import failpoints
from consumer.delivery.replay_origin import parse_origin
from consumer.delivery.ruling import UNRULED, Ruling, Verdict
from consumer.errors import Fatal, Rejected, Transient, WorkerStopping
from consumer.failpoints import Failpoint
from consumer.jobs import Master, PaintedFor, Recipe, StoredPicture
from consumer.ports import Encoder, Engine, Store
from consumer.processing.admission import Admission, EngineSlot
from consumer.processing.announcing import Announcer, ReadyDetails
from consumer.processing.circuit_breaker import CircuitBreaker
from consumer.processing.context import JobContext, Timings
from consumer.processing.flight import Flight, Flights, LaneAttempt, PictureResult
from consumer.processing.prompting import PaintPlan, make_plan
from consumer.processing.recropping import CropPlan, Recropping
from consumer.processing.referring import referred, use_of
from consumer.processing.renditions import ROUNDS, FinishedPicture, RenditionStage, RenditionWish, lost_again
from consumer.processing.store_outage import Operation, StoreOutage
from consumer.processing.styles import Styles
from consumer.telemetry.metrics import Stage
from schemas import ImageReady, ImageRequested
from schemas.editorial import ImageChosen

log = structlog.get_logger(__name__)

Plan = PaintPlan | CropPlan

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
        renditions: RenditionStage,
        announcer: Announcer,
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
        self._renditions = renditions
        self._announcer = announcer
        self._flights = Flights(tasks)
        self._recropping = Recropping(
            styles=styles,
            engine=engine,
            store=store,
            outage=self._outage,
            renditions=renditions,
            announcer=announcer,
            paint_again=self._paint_again,
        )

    def plan(self, context: JobContext, ruling: Ruling = UNRULED) -> Plan:
        """Return what to paint or to crop. Raises `Rejected` for a request that can never get a picture."""
        request = context.job.request
        if ruling.verdict is Verdict.KEEP and ruling.choice is not None:
            plan: Plan = self._recropping.plan(ruling.choice.decision, standing=True)
        elif not isinstance(request, ImageRequested):
            plan = self._recropping.plan(request, standing=parse_origin(context.job.record.headers) is not None)
        else:
            plan = make_plan(request, self._styles, self._engine.paintable, ruling.variation)
        context.timings.note(Stage.BRIEF, context.timings.total)
        return plan

    def plan_choice(self, choice: ImageChosen, *, standing: bool) -> Plan:
        """Return what to make of a picture that was chosen, now or earlier. Raises `Rejected` as `plan` does."""
        return self._recropping.plan(choice, standing=standing)

    def handover(self, context: JobContext, plan: Plan) -> AbstractContextManager[None]:
        """Keep what is being painted of this plan going for the block, even if the job that began it is cancelled."""
        return self._flights.keep_going(plan.recipes, context.job.lane)

    async def produce(self, context: JobContext, plan: Plan) -> ImageReady:
        """Find or make every picture of the job, and its renditions.

        Raises `Transient` when this attempt failed, `WorkerStopping` when the worker stops first. Waits without bound
        for a store that is down. Cancelling is safe at any await.
        """
        if isinstance(plan, CropPlan):
            return await self._recropping.produce(context, plan)
        asked = PaintedFor(plan.alt, plan.variation, len(plan.recipes), use_of(context.job))
        made = await _all_of([self._picture(context, asked, *numbered) for numbered in enumerate(plan.recipes)])
        painted = [picture for picture in made if picture is not None]
        if len(painted) < len(made):
            raise WorkerStopping
        context.begin()  # all is there: what is left to do must not expire
        wish = self._renditions.wish(context.job.request)
        numbered = zip(enumerate(plan.recipes), painted, strict=True)
        finished = await _all_of([self._finish(context, asked, wish, *each) for each in numbered])
        details = ReadyDetails(plan.prompt, plan.alt, plan.variation, plan.recipes[0], plan.style.photorealistic)
        return await self._announcer.ready(context, details, finished)

    async def _finish(
        self,
        context: JobContext,
        asked: PaintedFor,
        wish: RenditionWish,
        numbered: tuple[int, Recipe],
        made: PictureResult,
    ) -> FinishedPicture:
        """Return the picture with its renditions. One whose file is lost meanwhile is painted again."""
        for _ in range(ROUNDS):
            finished = await self._renditions.finish(context, made, wish)
            if finished is not None:
                return finished
            made = await self._paint_again(context, asked, *numbered)
        raise lost_again(made.stored)

    async def _paint_again(self, context: JobContext, asked: PaintedFor, index: int, recipe: Recipe) -> PictureResult:
        log.warning("picture_lost", recipe=recipe.digest, message="Its file is gone or damaged: it is painted again.")
        made = await self._picture(context, asked, index, recipe)
        if made is None:
            raise WorkerStopping
        return made

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
                if made is None:
                    await self._breaker.passage(context.permit)
                elif asked.use is None or await referred(self._store, self._outage, made.stored, asked.use):
                    return made
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
