"""Handles records: one task for each, from the raw record to its result."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from weakref import WeakValueDictionary

import structlog

from consumer import failpoints
from consumer.delivery.heads import Claim
from consumer.delivery.in_flight import InFlightRecord
from consumer.delivery.ports import RecordResult
from consumer.delivery.retry import RetryPolicy, RetryState
from consumer.delivery.ruling import Ruling, Verdict
from consumer.errors import Expired, Rejected, Superseded, Transient
from consumer.failpoints import Failpoint
from consumer.jobs import Job, Record
from consumer.ports import Store
from consumer.processing.ability import Ability
from consumer.processing.choosing import Choosing
from consumer.processing.circuit_breaker import CircuitBreaker
from consumer.processing.context import JobContext, Timings
from consumer.processing.controlled_outcomes import ControlledOutcomes
from consumer.processing.editorial_outcomes import EditorialOutcomes, ruled
from consumer.processing.failure_policy import Answer, Crash, Decision, FailurePolicy, Hold, Retry
from consumer.processing.holding import Holding, decision_of
from consumer.processing.outcomes import OutcomeBuilder
from consumer.processing.pipeline import Pipeline, Plan
from consumer.processing.policy import PAINT_EVERYTHING, Policy
from consumer.processing.progress import JobProgressReporter, ProgressFeed, ProgressReporter
from consumer.processing.reading import claim_of, job_of, parsed
from consumer.processing.request_task import RequestTask
from consumer.processing.screening import Screening, applied, supersedes
from consumer.processing.settling import Settling
from consumer.processing.store_outage import StoreOutage
from consumer.processing.withdrawing import Withdrawing, position
from consumer.telemetry.metrics import Metrics, Stage
from schemas import ImageReady, Reason
from schemas.cloudevents import Event
from schemas.editorial import ArticleRestored, ArticleWithdrawn, ImageApproved, ImageChosen
from schemas.requests import EditorialDecision

log = structlog.get_logger(__name__)


class RequestHandler:
    """Handles records in the given task group and gives each of them a result, whatever happens to it.

    Three endings give none and leave the record to its next owner: it was cancelled, the worker stops, or an error is
    fatal and ends the worker. A superseded one gets its result from its owner, which knows the other requests. While
    the breaker is open, requests that fail are held and tried again.
    """

    def __init__(  # noqa: PLR0913 - what it works with
        self,
        tasks: asyncio.TaskGroup,
        *,
        pipeline: Pipeline,
        breaker: CircuitBreaker,
        outage: StoreOutage,
        ability: Ability,
        retries: RetryPolicy,
        outcomes: OutcomeBuilder,
        store: Store,
        progress: ProgressFeed,
        metrics: Metrics,
        poison_deaths: int,
        policy: Callable[[], Policy] = lambda: PAINT_EVERYTHING,
        settling: Settling | None = None,
    ) -> None:
        self._tasks = tasks
        self._pipeline = pipeline
        self._breaker = breaker
        self._outage = outage
        self._ability = ability
        self._retries = retries
        self._outcomes = outcomes
        self._editorial = EditorialOutcomes(outcomes)
        self._controlled = ControlledOutcomes(outcomes, retries)
        self._choosing = Choosing(outcomes)
        self._withdrawing = Withdrawing(outcomes, store, outage)
        self._screening = Screening(policy)
        self._holding = Holding(outcomes)
        self.end_held = self._holding.ended
        self._settling = settling or Settling()
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._progress = progress
        self._metrics = metrics
        self._poison_deaths = poison_deaths
        self._policy = FailurePolicy(breaker, retries, lambda reason: metrics.failures.labels(reason).inc())
        self._busy: set[asyncio.Task[None]] = set()
        # Looking a label up costs more than counting, and every record is counted ten times.
        self._consumed = cache(metrics.events_consumed.labels)
        self._stage = cache(metrics.stage_duration.labels)

    @property
    def outage(self) -> str:
        """The reason code of what keeps this worker from working; empty when nothing does."""
        return self._ability.reason

    def admits(self) -> bool:
        """Return whether to poll more records. While the store is down, only in-flight requests probe it."""
        if self._outage.checking:
            return False
        return self._breaker.admits and (self._outage() is None or not self._busy)

    def seconds_until_due(self, record: Record) -> float:
        """Return the seconds until a record of a retry lane is due; 0 or less for any other."""
        if not self._retries.is_retry(record.topic):
            return 0.0
        return self._retries.unwrap(record).due_ms / 1000 - time.time()

    def begin(self, in_flight: InFlightRecord) -> RequestTask:
        """Start handling a record."""
        self._consumed(in_flight.record.topic).inc()
        self._settling.make_room(in_flight.record)
        progress = JobProgressReporter(self._progress)
        task = self._tasks.create_task(self._handle(in_flight, progress))
        self._busy.add(task)
        task.add_done_callback(self._busy.discard)
        return RequestTask(task, progress)

    async def finish(self, seconds: float) -> None:
        """Wait for the records being handled, then cancel what is left."""
        self._breaker.stop()
        self._settling.close()
        if self._busy:
            await asyncio.wait(self._busy, timeout=seconds)
        for task in self._busy:
            task.cancel()

    async def _handle(self, in_flight: InFlightRecord, progress: ProgressReporter) -> None:
        state = self._retries.unwrap(in_flight.record)
        try:
            result = await self._result(in_flight, state, progress)
        except Exception as error:  # noqa: BLE001 - what is fatal is raised again
            result = self._act(self._policy.decide(error, state), state)
        if result is not None:
            in_flight.complete(result)

    def _act(self, decision: Decision, state: RetryState) -> RecordResult | None:
        """Return the result that carries the decision out, None for none. Raises the error of a `Crash`."""
        match decision:
            case Answer(error):
                if isinstance(error, Rejected):
                    self._metrics.rejected.labels(error.reason).inc()
                return self._outcomes.failed(state, error)
            case Retry(error, schedule):
                self._metrics.retries.labels(error.reason).inc()
                return self._outcomes.retry(state, error, schedule)
            case Crash(error):
                raise error
            case _:
                return None

    async def _result(
        self, in_flight: InFlightRecord, state: RetryState, progress: ProgressReporter
    ) -> RecordResult | None:
        await failpoints.reached(Failpoint.TAKEN)
        event, request = parsed(state)
        if isinstance(request, ImageApproved):
            return await self._approve(in_flight, state, request, progress)
        if isinstance(request, EditorialDecision):
            in_flight.decides = True
            # Those of one article take effect in the order in which they came.
            async with self._turns.setdefault(request.article.id, asyncio.Lock()):
                return await self._decide(in_flight, state, event, request, progress)
        context = self._context(in_flight, job_of(in_flight.record, state, event, request), progress)
        try:
            async with context.until_expiry():
                await self._behind_decisions(request.article.id)
                end = await self._claim_and_produce(in_flight, context, state)
        except Expired:
            return self._outcomes.expired(context.job)
        return end if isinstance(end, RecordResult) else self._act(end, state)

    async def _behind_decisions(self, article_id: str) -> None:
        """Wait for what was decided about the article before: a save right after a restoration gets its picture."""
        if (turn := self._turns.get(article_id)) is not None:
            async with turn:
                pass

    def _context(self, in_flight: InFlightRecord, job: Job, progress: ProgressReporter) -> JobContext:
        engine, deaths = in_flight.engine, in_flight.engine.deaths
        if deaths >= self._poison_deaths:
            # No verdict: to its next owner, a worker killed by hand, frozen or cut off looks like one that died of it.
            message = f"{deaths} workers ended while this request was in their engine. It may be why: see their logs."
            raise Transient(Reason.ENGINE_FAILED, message)
        return JobContext(job, progress, suspect=deaths > 0, in_engine=engine.entering)

    async def _decide(
        self,
        in_flight: InFlightRecord,
        state: RetryState,
        event: Event,
        request: ImageChosen | ArticleWithdrawn | ArticleRestored,
        progress: ProgressReporter,
    ) -> RecordResult | None:
        record = state.original
        match request:
            case ArticleWithdrawn():
                return await self._withdrawing.withdraw(in_flight, event, request, record)
            case ArticleRestored():
                return await self._withdrawing.restore(in_flight, event, request, record)
            case ImageChosen():
                context = self._context(in_flight, job_of(in_flight.record, state, event, request), progress)
                end = await self._choosing.choose(
                    in_flight,
                    context.job,
                    position(record),
                    produce=lambda chosen: self._produce(
                        context, self._pipeline.plan_choice(chosen, standing=chosen is not request), state
                    ),
                    finish=partial(self._ready, context),
                )
                return end if isinstance(end, RecordResult) else self._act(end, state)

    async def _claim_and_produce(
        self, in_flight: InFlightRecord, context: JobContext, state: RetryState
    ) -> RecordResult | Decision:
        claim = claim_of(context.job, in_flight.record)
        preview = in_flight.preview(claim)
        context.policy = policy = self._screening.decide(context.job, preview)
        context.job, claim = applied(policy, context.job), replace(claim, supersedes=supersedes(policy))
        if not policy.never and (preview.approved or not policy.needs_approval):
            return await self._paint(in_flight, context, claim, preview, state)
        ruling = await self._register(in_flight, context.job, claim, state)
        if isinstance(ruling, RecordResult):
            return ruling
        if policy.never:
            return self._editorial.declined(
                context.job, ruling.ordinal, policy.rule or "", policy.message, policy.version
            )
        return self._holding.hold(in_flight, context.job, ruling, policy)

    async def _paint(
        self, in_flight: InFlightRecord, context: JobContext, claim: Claim, preview: Ruling, state: RetryState
    ) -> RecordResult | Decision:
        plan = self._pipeline.plan(context, preview)
        # Before the claim, which ends the work of older revisions: what they paint may be just what is wanted now.
        with self._pipeline.handover(context, plan):
            ruling = await self._register(in_flight, context.job, claim, state)
            if isinstance(ruling, RecordResult):
                return ruling
            context.progress.accepted(context.job)
            await self._settle(in_flight, context)
            end = await self._produce(context, plan, state)
            return self._finish(in_flight, context, ruling, end) if isinstance(end, ImageReady) else end

    async def _approve(
        self, in_flight: InFlightRecord, state: RetryState, request: ImageApproved, progress: ProgressReporter
    ) -> RecordResult | None:
        """Make the pictures of the held request, whose end the result is. Raises `Rejected` if there is none."""
        held, job = self._holding.find(in_flight, request)
        context = self._context(in_flight, job, progress)
        context.policy = decision_of(held)
        claim = replace(claim_of(job), fresh=True, variation=held.variation)
        try:
            async with context.until_expiry():
                end = await self._paint(in_flight, context, claim, in_flight.preview(claim), state)
        except Expired:
            return self._outcomes.expired(context.job)
        except Exception as error:  # noqa: BLE001 - what is fatal is raised again
            end = self._policy.decide(error, state)
        if isinstance(end, Retry):
            in_flight.releases = None  # it stays held until an attempt ends it
        if isinstance(end, RecordResult):
            return end
        return self._act(end, RetryState(context.job.record) if isinstance(end, Answer) else state)

    async def _settle(self, in_flight: InFlightRecord, context: JobContext) -> None:
        """Wait for a newer save, which supersedes this one."""
        seconds = self._settling.seconds_left(context.job, context.policy.settle_seconds)
        if seconds <= 0:
            return
        in_flight.settle(seconds)
        started = time.monotonic()
        await self._settling.wait(in_flight.record, seconds)
        in_flight.settle(0.0)
        context.timings.note(Stage.SETTLE, time.monotonic() - started)

    async def _register(
        self, in_flight: InFlightRecord, job: Job, claim: Claim, state: RetryState
    ) -> Ruling | RecordResult:
        """Return the owner's ruling, or the result if that is the end of it. Raises `Superseded`."""
        superseded, withdrawn = partial(self._outcomes.superseded, job), partial(self._editorial.withdrawn, job)
        ruling = in_flight.register_claim(claim, superseded, withdrawn)
        match ruling.verdict:
            case Verdict.SUPERSEDED:
                raise Superseded
            case Verdict.WITHDRAWN:
                await self._withdrawing.clear(job)
                return self._editorial.withdrawn(job, ruling)
            case Verdict.EXTERNAL:
                return self._editorial.external(job, ruling)
            case Verdict.CANCELLED | Verdict.PAUSED:
                return self._controlled.carry_out(job, state, ruling)
            case _:
                return ruling

    def _finish(
        self, in_flight: InFlightRecord, context: JobContext, ruling: Ruling, ready: ImageReady
    ) -> RecordResult:
        if ruling.verdict is Verdict.CHOOSE:
            at, finish = position(context.job.record), partial(self._ready, context)
            return self._choosing.crop(in_flight, context.job, at, ready, finish)
        return self._ready(context, ruled(ready, ruling))

    async def _produce(self, context: JobContext, plan: Plan, state: RetryState) -> ImageReady | Decision:
        """Try until an attempt counts: while the breaker is open, a failure is ours and costs the request nothing."""
        permit = context.permit
        while True:
            try:
                if permit.failed:
                    await self._breaker.passage(permit)
                ready = await self._pipeline.produce(context, plan)
            except asyncio.CancelledError:
                self._breaker.undecided(permit)
                raise
            except Exception as error:  # noqa: BLE001 - what is fatal is raised again
                decision = self._policy.decide(error, state, permit)
                if not isinstance(decision, Hold):
                    return decision
                context.progress.failed()
            else:
                (self._breaker.undecided if ready.reused else self._breaker.succeeded)(permit)
                return ready

    def _ready(self, context: JobContext, ready: ImageReady) -> RecordResult:
        for stage, seconds in context.timings.stages.items():
            self._stage(stage).observe(seconds)
        self._metrics.pictures.labels(ready.style.preset, str(ready.reused).lower()).inc(len(ready.pictures))
        ready = ready.model_copy(update={"policy": context.policy.version or None})
        result = self._outcomes.ready(context.job, ready, _rounded(context.timings))
        rule = {"rule": context.policy.rule} if context.policy.rule else {}
        return replace(result, facts={**result.facts, **rule})


def _rounded(timings: Timings) -> dict[str, float]:
    return {stage: round(seconds, 4) for stage, seconds in timings.stages.items()} | {"total": round(timings.total, 4)}
