"""Who works on the records: one task for each, from the raw record to its settlement."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from consumer import failpoints
from consumer.errors import LeadartError, Rejected, Transient
from consumer.failpoints import Place
from consumer.jobs import Job, Lane
from consumer.pipeline import Timings
from consumer.scheduler import HandedBack
from consumer.telemetry.metrics import Stage, TransactionResult
from schemas import ContractError, Priority, Reason
from schemas.names import BACKFILL
from schemas.reader import parse_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumer.jobs import Record
    from consumer.kafka.bus import BusError, Settlement
    from consumer.kafka.outbox import Outbox
    from consumer.kafka.progress import JobTeller, ProgressFeed
    from consumer.pipeline import Pipeline
    from consumer.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)


class Crew:
    """Works on records in the given task group and settles each of them, whatever happens to it.

    Three endings settle nothing and leave the record to its next owner: it was withdrawn, the worker stops, or an error
    is fatal and ends the worker.
    """

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        *,
        pipeline: Pipeline,
        outbox: Outbox,
        progress: ProgressFeed,
        metrics: Metrics,
    ) -> None:
        self._tasks = tasks
        self._pipeline = pipeline
        self._outbox = outbox
        self._progress = progress
        self._metrics = metrics
        self._busy: set[asyncio.Task[None]] = set()

    def begin(self, record: Record, settle: Callable[[Settlement], None]) -> Callable[[bool], None]:
        """Start work on a record. The returned function withdraws it; painting goes on unless it is told otherwise."""
        self._metrics.events_consumed.labels(record.topic).inc()
        teller = self._progress.teller()
        task = self._tasks.create_task(self._work(record, teller, settle))
        self._busy.add(task)
        task.add_done_callback(self._busy.discard)

        def withdraw(running: bool) -> None:  # noqa: FBT001 - the port says so
            if running or not teller.painting:
                task.cancel()

        return withdraw

    async def finish(self, seconds: float) -> None:
        """Wait for the work under way, then cancel what is left."""
        if self._busy:
            await asyncio.wait(self._busy, timeout=seconds)
        for task in self._busy:
            task.cancel()

    async def _work(self, record: Record, teller: JobTeller, settle: Callable[[Settlement], None]) -> None:
        timings = Timings()
        with suppress(HandedBack):
            settle(await self._settlement(record, teller, timings))

    async def _settlement(self, record: Record, teller: JobTeller, timings: Timings) -> Settlement:
        try:
            return await self._answer(record, teller, timings)
        except (Rejected, Transient) as error:
            return self._refusal(record, error, timings)
        except (LeadartError, HandedBack):
            raise
        except Exception:
            # A defect of ours must not stop the partition: the record is kept, the trace is in the log.
            log.exception("defect", topic=record.topic, partition=record.partition, offset=record.offset)
            defect = Transient(Reason.INTERNAL, "A defect in the worker; its log has the trace. The request is kept.")
            return self._refusal(record, defect, timings)

    async def _answer(self, record: Record, teller: JobTeller, timings: Timings) -> Settlement:
        job = self._job(record)
        await failpoints.reached(Place.TAKEN)
        teller.accepted(job)
        ready = await self._pipeline.produce(job, teller, timings)
        for stage, seconds in timings.stages.items():
            self._metrics.stage_duration.labels(stage).observe(seconds)
        self._metrics.pictures.labels(ready.style.preset, str(ready.reused).lower()).inc(len(ready.pictures))
        settlement = self._outbox.ready(job, ready)
        return replace(settlement, facts={**settlement.facts, **_about(job), "seconds": _rounded(timings)})

    def _refusal(self, record: Record, error: LeadartError, timings: Timings) -> Settlement:
        counter = self._metrics.rejected if isinstance(error, Rejected) else self._metrics.failures
        counter.labels(error.reason).inc()
        return self._outbox.failed(record, error, timings.attempts)

    @staticmethod
    def _job(record: Record) -> Job:
        try:
            event, request = parse_request(record.key, record.headers, record.value)
        except ContractError as error:
            raise Rejected(error.reason, error.message, field=error.field) from error
        if record.topic.endswith(BACKFILL):
            lane = Lane.BACKFILL
        else:
            lane = Lane.INTERACTIVE if request.priority is Priority.INTERACTIVE else Lane.LIVE
        return Job(event, request, record, lane)

    def announced(self, record: Record, settlement: Settlement, seconds: float) -> None:
        """Write the one line that tells a record's whole story."""
        self._metrics.stage_duration.labels(Stage.ANNOUNCE).observe(seconds)
        facts = settlement.facts
        written = {letter.topic for letter in settlement.letters}
        if self._outbox.outcome_topic in written:
            self._metrics.outcomes.labels(facts["outcome"]).inc()
        if self._outbox.dead_letter_topic in written:
            self._metrics.dead_letters.labels(facts.get("reason", Reason.ANNOUNCEMENT_REFUSED)).inc()
        if facts["outcome"] == "ready":
            self._metrics.last_success.set_to_current_time()
        age = max(0.0, time.time() - float(facts.get("asked_at", record.timestamp_ms / 1000)))
        self._metrics.event_age.labels(facts.get("lane", Lane.LIVE)).observe(age)
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

    def committed(self, shard: int, seconds: float, letters: int) -> None:
        """Count a transaction."""
        self._metrics.transactions.labels(TransactionResult.COMMITTED).inc()
        self._metrics.transaction_duration.observe(seconds)
        log.debug("committed", shard=shard, seconds=seconds, letters=letters)


def _about(job: Job) -> dict[str, object]:
    return {
        "request_id": job.event.id,
        "article_id": job.request.article.id,
        "revision": job.request.article.revision,
        "slot": job.request.output.slot,
        "lane": job.lane.value,
        "asked_at": job.event.time.timestamp() if job.event.time else job.record.timestamp_ms / 1000,
    }


def _rounded(timings: Timings) -> dict[str, float]:
    return {stage: round(seconds, 4) for stage, seconds in timings.stages.items()} | {"total": round(timings.total, 4)}
