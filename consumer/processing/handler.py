"""Who works on the records: one task for each, from the raw record to its settlement."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from functools import cache, partial
from typing import TYPE_CHECKING, NamedTuple

import structlog

from consumer import failpoints
from consumer.delivery.heads import Claim, Slot
from consumer.errors import Expired, HandedBack, LeadartError, Rejected, Superseded, Transient, Unstorable
from consumer.failpoints import Failpoint
from consumer.jobs import Job, Lane
from consumer.processing.context import JobContext
from consumer.telemetry.metrics import Stage, TransactionResult
from schemas import ContractError, OutcomeKind, Priority, Reason
from schemas.names import BACKFILL
from schemas.reader import parse_request

if TYPE_CHECKING:
    from consumer.delivery.in_flight import InFlightRecord
    from consumer.delivery.ports import BusError, RecordResult
    from consumer.delivery.retry import RetryPolicy, RetryState
    from consumer.jobs import Record
    from consumer.kafka.progress_publisher import JobProgressReporter, ProgressPublisher
    from consumer.processing.circuit_breaker import CircuitBreaker
    from consumer.processing.context import Timings
    from consumer.processing.outcomes import OutcomeBuilder
    from consumer.processing.pipeline import Pipeline
    from consumer.processing.prompting import PaintPlan
    from consumer.processing.store_outage import StoreOutage
    from consumer.telemetry.metrics import Metrics
    from schemas import ImageReady

log = structlog.get_logger(__name__)

_VERDICTS = frozenset({Reason.ENGINE_POISON, Reason.NOT_FINITE, Reason.NOT_PAINTED})
"""What the engine says of a recipe: one is the request's own fault, a row with nothing painted between is the engine's.

A request is answered with it at once, and never held: a lane of nothing but such requests has to come to its end.
"""


class RequestTask(NamedTuple):
    """The task that works on one record, and what knows whether its pictures are being painted."""

    task: asyncio.Task[None]
    reporter: JobProgressReporter

    def cancel(self, *, running: bool) -> None:
        """Cancel the task; one whose picture is being painted only if `running`."""
        if running or not self.reporter.painting:
            self.task.cancel()


class RequestHandler:
    """Works on records in the given task group and settles each of them, whatever happens to it.

    Three endings settle nothing and leave the record to its next owner: it was cancelled, the worker stops, or an error
    is fatal and ends the worker. One that is superseded is settled by its owner, who knows the other requests. While
    the breaker is open, requests that fail are held and tried again.
    """

    def __init__(  # noqa: PLR0913 - what it works with
        self,
        tasks: asyncio.TaskGroup,
        *,
        pipeline: Pipeline,
        breaker: CircuitBreaker,
        troubles: StoreOutage,
        retries: RetryPolicy,
        outbox: OutcomeBuilder,
        progress: ProgressPublisher,
        metrics: Metrics,
        poison_deaths: int,
    ) -> None:
        self._tasks = tasks
        self._pipeline = pipeline
        self._breaker = breaker
        self._troubles = troubles
        self._retries = retries
        self._outbox = outbox
        self._progress = progress
        self._metrics = metrics
        self._poison_deaths = poison_deaths
        self._busy: set[asyncio.Task[None]] = set()
        # Looking a label up costs more than counting, and every record is counted ten times.
        self._consumed = cache(metrics.events_consumed.labels)
        self._stage = cache(metrics.stage_duration.labels)
        self._outcome = cache(metrics.outcomes.labels)
        self._age = cache(metrics.event_age.labels)

    @property
    def outage(self) -> str:
        """The reason code of what keeps this worker from working; empty when nothing does."""
        return self._breaker.cause or self._troubles.reason

    def admits(self) -> bool:
        """True if records may be read. While the store is down those in hand ask after it."""
        if self._troubles.at_the_door:
            return False
        return self._breaker.admits and (self._troubles() is None or not self._busy)

    def seconds_until_due(self, record: Record) -> float:
        """Seconds until a record of a retry lane is due; 0 or less for any other."""
        if not self._retries.is_retry(record.topic):
            return 0.0
        return self._retries.unwrap(record).due_ms / 1000 - time.time()

    def begin(self, in_flight: InFlightRecord) -> RequestTask:
        """Start work on a record."""
        self._consumed(in_flight.record.topic).inc()
        teller = self._progress.teller()
        task = self._tasks.create_task(self._work(in_flight, teller))
        self._busy.add(task)
        task.add_done_callback(self._busy.discard)

        return RequestTask(task, teller)

    async def finish(self, seconds: float) -> None:
        """Wait for the work under way, then cancel what is left."""
        self._breaker.stop()
        if self._busy:
            await asyncio.wait(self._busy, timeout=seconds)
        for task in self._busy:
            task.cancel()

    async def _work(self, in_flight: InFlightRecord, teller: JobProgressReporter) -> None:
        tried = self._retries.unwrap(in_flight.record)
        with suppress(HandedBack, Superseded):
            try:
                settlement = await self._answer(in_flight, tried, teller)
            except Rejected as error:
                self._metrics.rejected.labels(error.reason).inc()
                settlement = self._outbox.failed(tried, error)
            except Exception as error:
                failure = _ours(in_flight.record, error)
                if failure is None:
                    raise
                settlement = self._try_again(tried, failure)
            in_flight.complete(settlement)

    async def _answer(self, in_flight: InFlightRecord, tried: RetryState, teller: JobProgressReporter) -> RecordResult:
        engine, deaths = in_flight.engine, in_flight.engine.deaths
        errand = JobContext(_job(in_flight.record, tried), teller, suspect=deaths > 0, in_engine=engine.entering)
        await failpoints.reached(Failpoint.TAKEN)
        if deaths >= self._poison_deaths:
            message = (
                f"{deaths} workers ended while this request was in their engine: report the dead letter, and do not "
                "redrive it on the same version."
            )
            raise Rejected(Reason.ENGINE_POISON, message)
        try:
            return await self._paint(in_flight, errand, teller)
        except Expired:
            return self._outbox.expired(errand.job)

    async def _paint(self, in_flight: InFlightRecord, errand: JobContext, teller: JobProgressReporter) -> RecordResult:
        job, brief = errand.job, self._pipeline.brief(errand)
        errand.check_expiry()
        # Before the claim, which ends the work of older revisions: what they paint may be just what is wanted now.
        with self._pipeline.handover(errand, brief):
            if not in_flight.register_claim(_claim(job), partial(self._outbox.superseded, job)):
                raise Superseded
            teller.accepted(job)
            ready = await self._produce(errand, brief)
        for stage, seconds in errand.timings.stages.items():
            self._stage(stage).observe(seconds)
        self._metrics.pictures.labels(ready.style.preset, str(ready.reused).lower()).inc(len(ready.pictures))
        return self._outbox.ready(job, ready, _rounded(errand.timings))

    async def _produce(self, errand: JobContext, brief: PaintPlan) -> ImageReady:
        """Try until the attempt counts: while the breaker is open, a failure is ours and costs the request nothing."""
        while True:
            try:
                if errand.ticket.failed:
                    async with errand.in_time():
                        await self._breaker.passage(errand.ticket)
                ready = await self._pipeline.produce(errand, brief)
            except Unstorable as error:
                self._breaker.undecided(errand.ticket)
                self._metrics.failures.labels(error.reason).inc()
                raise
            except Exception as error:
                failure = _ours(errand.job.record, error)
                if failure is None:
                    self._breaker.undecided(errand.ticket)
                    raise
                errand.teller.failed()
                self._metrics.failures.labels(failure.reason).inc()
                if self._breaker.failed(errand.ticket, failure.reason) and not isinstance(failure, Rejected):
                    continue
                if failure is error:
                    raise
                raise failure from error
            except asyncio.CancelledError:
                self._breaker.undecided(errand.ticket)
                raise
            else:
                (self._breaker.undecided if ready.reused else self._breaker.succeeded)(errand.ticket)
                return ready

    def _try_again(self, tried: RetryState, error: LeadartError) -> RecordResult:
        turn = self._retries.next_attempt(tried, int(time.time() * 1000))
        if turn is None:
            return self._outbox.failed(tried, error)
        self._metrics.retries.labels(error.reason).inc()
        return self._outbox.again(tried, error, turn)

    def announced(self, record: Record, settlement: RecordResult, seconds: float) -> None:
        """Write the one line that tells a record's whole story."""
        self._stage(Stage.ANNOUNCE).observe(seconds)
        facts = settlement.facts
        written = {letter.topic for letter in settlement.records}
        if self._outbox.outcome_topic in written:
            self._outcome(facts["outcome"]).inc()
        if self._outbox.dead_letter_topic in written:
            self._metrics.dead_letters.labels(facts.get("reason", Reason.ANNOUNCEMENT_REFUSED)).inc()
        if facts["outcome"] == OutcomeKind.READY:
            self._metrics.last_success.set_to_current_time()
        age = max(0.0, time.time() - float(facts["asked_at"]))
        if self._outbox.outcome_topic in written:
            self._age(facts.get("lane", Lane.LIVE)).observe(age)
        log.info(
            "article_image",
            **facts,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            announce_seconds=round(seconds, 4),
            age_seconds=round(age, 3),
        )

    def epoch_ended(self, shard: int, error: BusError) -> None:
        """Count and tell a broken epoch."""
        self._metrics.transactions.labels(TransactionResult.FAILED).inc()
        self._metrics.shard_reopens.inc()
        log.warning("epoch_ended", shard=shard, error=str(error))

    def committed(self, shard: int, seconds: float, records: int) -> None:
        """Count a transaction."""
        self._metrics.transactions.labels(TransactionResult.COMMITTED).inc()
        self._metrics.transaction_duration.observe(seconds)
        log.debug("committed", shard=shard, seconds=seconds, records=records)


def _ours(record: Record, error: Exception) -> LeadartError | None:
    """Return the failure that the breaker is to hear of; None where surely the request, or the worker's end, is why."""
    match error:
        case Transient():
            return error
        case Rejected() if error.reason in _VERDICTS:
            return error
        case LeadartError() | HandedBack() | Superseded() | Expired():
            return None
        case _:
            # A defect of ours must not stop the partition: the record is kept, the trace is in the log.
            log.error("defect", topic=record.topic, partition=record.partition, offset=record.offset, exc_info=error)
            message = "A defect in the worker; its log has the trace. The request is kept."
            return Transient(Reason.INTERNAL, message)


def _job(record: Record, tried: RetryState) -> Job:
    original = tried.original
    try:
        event, request = parse_request(original.key, original.headers, original.value)
    except ContractError as error:
        raise Rejected(error.reason, error.message, field=error.field) from error
    if record.topic != original.topic:
        lane = Lane.RETRY
    elif record.topic.endswith(BACKFILL):
        lane = Lane.BACKFILL
    else:
        lane = Lane.INTERACTIVE if request.priority is Priority.INTERACTIVE else Lane.LIVE
    return Job(event, request, original, lane)


def _claim(job: Job) -> Claim:
    request = job.request
    slot = Slot(request.article.id, request.output.slot)
    return Claim(slot, request.article.revision, job.event.source, job.event.id)


def _rounded(timings: Timings) -> dict[str, float]:
    return {stage: round(seconds, 4) for stage, seconds in timings.stages.items()} | {"total": round(timings.total, 4)}
