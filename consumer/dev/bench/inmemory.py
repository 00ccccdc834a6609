"""The whole worker over the in-memory twins of Kafka and the store: its cost without network."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from consumer.delivery.ports import CommittedOffset, OutgoingRecord
from consumer.errors import Fatal
from consumer.jobs import Job, Record
from consumer.kafka.topics import lane_topics
from consumer.pictures.encoder import PictureEncoder
from consumer.ports import Engine
from consumer.processing.styles import load_styles
from consumer.settings import Settings
from consumer.telemetry.health import ServedAddress
from consumer.telemetry.metrics import make_metrics
from consumer.testing.broker import MemoryBroker
from consumer.testing.bus import MemoryBus
from consumer.testing.reader import MemoryReader
from consumer.testing.store import MemoryStore
from consumer.worker import OpenStages, WorkerRun, starting
from schemas import ImageProgress, Reason, names

_LOOK_SECONDS = 0.02


class MemoryWorker:
    """A worker that has joined its group and waits for requests, with the engine and encoder given to it."""

    def __init__(self, settings: Settings, engine: Engine, encoder: PictureEncoder) -> None:
        self._outcomes = settings.topics.named(names.OUTCOME)
        self._partitions = settings.topics.partitions
        self._broker = MemoryBroker(self._partitions)
        lanes = lane_topics(settings)
        self._broker.offsets = {
            (lane, shard): CommittedOffset(0, "") for lane in lanes for shard in range(self._partitions)
        }
        self._broker.transaction_ended = lambda _shard: self._news.set()
        self._news = asyncio.Event()
        self._health = starting()
        self._store = MemoryStore()
        self._reader = MemoryReader(self._broker)
        stages = OpenStages(
            metrics=make_metrics(),
            health=self._health,
            served=ServedAddress("nowhere", 0),
            styles=load_styles(settings.styles.file),
            store=self._store,
            engine=engine,
            encoder=encoder,
            reader=self._reader,
            bus=MemoryBus(self._broker, lanes, self._reader),
            partitions=self._partitions,
            progress=_NoProgress(),
        )
        self._run = WorkerRun(settings, stages)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Let it work, its shards open, until the end of the block; it then ends in order."""
        stopping = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._run.work(stopping, lambda _served: None))
                while not self._health.readiness().passed:  # noqa: ASYNC110 - no event says so
                    await asyncio.sleep(_LOOK_SECONDS)
                try:
                    yield
                finally:
                    stopping.set()
        finally:
            await self._reader.close()

    async def answer(self, requests: Sequence[Record]) -> None:
        """Publish requests for one picture each and wait until a subscriber sees every outcome.

        Raises `Fatal` when one of them is no picture.
        """
        for number, request in enumerate(requests):
            shard = number % self._partitions
            self._broker.publish(OutgoingRecord(request.topic, shard, request.key, request.value, request.headers))
        while self._announced() < len(requests):
            self._news.clear()
            await self._news.wait()
        if len(self._store.manifests) < len(requests):
            raise Fatal(Reason.NOT_PAINTED, f"{len(requests)} requests gave {len(self._store.manifests)} pictures.")

    def _announced(self) -> int:
        return sum(len(self._broker.visible(self._outcomes, shard)) for shard in range(self._partitions))


class _NoProgress:
    """A progress feed that is switched off."""

    enabled = False

    def publish(self, job: Job, progress: ImageProgress) -> None:
        """Drop the event."""
