"""Progress events: best effort, outside all transactions. They may repeat or go missing; no work ever waits for one."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog
from aiokafka import AIOKafkaProducer

from consumer.delivery.ports import BusError, OutgoingRecord
from consumer.kafka.client import answered_within, connection
from consumer.kafka.producer_close import close_producer
from consumer.processing.context import ProgressReporter
from schemas import ArticleRevision, ImageProgress, names

if TYPE_CHECKING:
    from consumer.jobs import Job
    from consumer.processing.outcomes import OutcomeBuilder
    from consumer.settings import Settings
    from consumer.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

QUEUED_EVENTS = 1000
"""Events waiting for the bus; more are dropped and counted."""

STEP_SECONDS = 0.25
"""Steps of one picture are told at most this often (the last one always)."""

RETRY_SECONDS = 5.0


class ProgressPublisher:
    """Publishes what the tellers say. `run` belongs in the worker's task group."""

    def __init__(self, settings: Settings, outbox: OutcomeBuilder, metrics: Metrics) -> None:
        self._settings = settings
        self._outbox = outbox
        self._dropped = metrics.progress_dropped
        self._topic = settings.topics.named(names.PROGRESS)
        self._queue: asyncio.Queue[OutgoingRecord] = asyncio.Queue(QUEUED_EVENTS)

    @property
    def wanted(self) -> bool:
        """True if anybody is to be told."""
        return self._settings.worker.progress

    def teller(self) -> JobProgressReporter:
        """Return a teller for one job."""
        return JobProgressReporter(self)

    def tell(self, job: Job, progress: ImageProgress) -> None:
        """Queue an event, or drop it when the bus does not keep up."""
        headers, value = self._outbox.progress(job, progress)
        key = job.request.article.id.encode()
        try:
            self._queue.put_nowait(OutgoingRecord(self._topic, job.record.partition, key, value, tuple(headers)))
        except asyncio.QueueFull:
            self._dropped.inc()

    async def run(self) -> None:
        """Publish until cancelled; a bus that is away costs events, nothing else."""
        while True:
            try:
                await self._publish()
            except BusError as error:
                log.warning("progress_interrupted", error=str(error))
                await asyncio.sleep(RETRY_SECONDS)

    async def _publish(self) -> None:
        seconds = self._settings.kafka.request_timeout_seconds
        producer = AIOKafkaProducer(**connection(self._settings.kafka), acks=1, linger_ms=5)
        try:
            async with answered_within(seconds):
                await producer.start()
            while True:
                letter = await self._queue.get()
                async with answered_within(seconds):
                    sent = await producer.send(
                        letter.topic,
                        key=letter.key,
                        value=letter.value,
                        partition=letter.partition,
                        headers=list(letter.headers),
                    )
                sent.add_done_callback(self._count_lost)
        finally:
            await close_producer(producer)

    def _count_lost(self, sent: asyncio.Future[object]) -> None:
        if sent.cancelled() or sent.exception() is not None:
            self._dropped.inc()


class JobProgressReporter(ProgressReporter):
    """Tells one job's progress, and remembers whether any of its pictures was begun."""

    def __init__(self, feed: ProgressPublisher) -> None:
        self._feed = feed
        self._job: Job | None = None
        self._last_step = 0.0
        self.painting = False

    def accepted(self, job: Job) -> None:
        """The request is valid."""
        self._job = job
        self._tell(stage="accepted")

    def started(self, index: int) -> None:
        """The picture has its turn at the engine."""
        self.painting = True
        self._tell(stage="started", index=index)

    def step(self, index: int, done: int, of: int) -> None:
        """A denoising step of the picture is done: perhaps of one that another job began."""
        self.painting = True
        now = time.monotonic()
        if done < of and now - self._last_step < STEP_SECONDS:
            return
        self._last_step = now
        self._tell(stage="step", index=index, step=done, of=of)

    def storing(self, index: int) -> None:
        """The picture is painted and on its way to the store."""
        self._tell(stage="storing", index=index)

    def failed(self) -> None:
        """The attempt failed: nothing is being painted."""
        self.painting = False

    def _tell(self, **what: object) -> None:
        job = self._job
        if job is None or not self._feed.wanted:
            return
        article = ArticleRevision(id=job.request.article.id, revision=job.request.article.revision)
        progress = {"request_id": job.event.id, "article": article, "slot": job.request.output.slot, **what}
        self._feed.tell(job, ImageProgress.model_validate(progress))
