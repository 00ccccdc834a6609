"""Publisher of progress events: best effort, outside all transactions. They may repeat or go missing; nothing waits."""

import asyncio

import structlog
from aiokafka import AIOKafkaProducer

from consumer.delivery.ports import BusError, OutgoingRecord
from consumer.jobs import Job
from consumer.kafka.client import answered_within, connection
from consumer.kafka.producer_close import close_producer
from consumer.processing.outcomes import OutcomeBuilder
from consumer.settings import Settings
from consumer.telemetry.metrics import Metrics
from schemas import ImageProgress, names

log = structlog.get_logger(__name__)

QUEUED_EVENTS = 1000
"""Most events waiting to be published; more are dropped and counted."""

RETRY_SECONDS = 5.0


class ProgressPublisher:
    """A `ProgressFeed` into the progress topic. `run` belongs in the worker's task group."""

    def __init__(self, settings: Settings, outcomes: OutcomeBuilder, metrics: Metrics) -> None:
        self._settings = settings
        self._outcomes = outcomes
        self._dropped = metrics.progress_dropped
        self._topic = settings.topics.named(names.PROGRESS)
        self._queue: asyncio.Queue[OutgoingRecord] = asyncio.Queue(QUEUED_EVENTS)

    @property
    def enabled(self) -> bool:
        """Whether the settings ask for progress events."""
        return self._settings.worker.progress

    def publish(self, job: Job, progress: ImageProgress) -> None:
        """Queue an event, or drop it when the bus does not keep up."""
        headers, value = self._outcomes.progress(job, progress)
        key = job.request.article.id.encode()
        try:
            self._queue.put_nowait(OutgoingRecord(self._topic, job.record.partition, key, value, tuple(headers)))
        except asyncio.QueueFull:
            self._dropped.inc()

    async def run(self) -> None:
        """Publish until cancelled; while the bus is away events are lost, nothing else."""
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
                record = await self._queue.get()
                async with answered_within(seconds):
                    sent = await producer.send(
                        record.topic,
                        key=record.key,
                        value=record.value,
                        partition=record.partition,
                        headers=list(record.headers),
                    )
                sent.add_done_callback(self._count_lost)
        finally:
            await close_producer(producer)

    def _count_lost(self, sent: asyncio.Future[object]) -> None:
        if sent.cancelled() or sent.exception() is not None:
            self._dropped.inc()
