"""The worker as it is, over the in-memory twins of bus and store: what it costs beside painting, network left out."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

from consumer.delivery.ports import CommittedOffset, OutgoingRecord
from consumer.errors import Fatal
from consumer.kafka.topics import lane_topics
from consumer.processing.styles import load_styles
from consumer.telemetry.health import Health, ServedAddress
from consumer.telemetry.metrics import make_metrics
from consumer.testing.broker import MemoryBroker
from consumer.testing.bus import MemoryBus
from consumer.testing.reader import MemoryReader
from consumer.testing.store import MemoryStore
from consumer.worker import OpenStages, _WorkerRun  # its own composition, not a copy that could drift
from schemas import Reason, names

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Sequence

    from consumer.delivery.poll_loop import PollLoop
    from consumer.jobs import Record
    from consumer.lag.reader import LagReader
    from consumer.pictures.encoder import PictureEncoder
    from consumer.ports import Engine
    from consumer.settings import Settings
    from consumer.storage import S3Store

_LOOK_SECONDS = 0.02


class MemoryWorker:
    """A worker that has joined its group and waits for requests. Everything is its own but engine and encoder."""

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
        self._health = Health(ready={"start": lambda: "the worker is starting"})
        self._store = MemoryStore()
        reader = MemoryReader(self._broker)
        stages = OpenStages(
            metrics=make_metrics(),
            health=self._health,
            served=ServedAddress("nowhere", 0),
            styles=load_styles(settings.styles.file),
            store=cast("S3Store", self._store),
            engine=engine,
            encoder=encoder,
            reader=reader,
            bus=MemoryBus(self._broker, lanes, reader),
            lag_reader=cast("LagReader", None),
            partitions=self._partitions,
        )
        self._shift = _MemoryWorkerRun(settings, stages, reader)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Let it work, its shards open, until the end of the block; it then ends in order."""
        stopping = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._shift.work(stopping, lambda _served: None))
            while not self._health.readiness().passed:  # noqa: ASYNC110 - no event tells of it
                await asyncio.sleep(_LOOK_SECONDS)
            try:
                yield
            finally:
                stopping.set()

    async def answer(self, requests: Sequence[Record]) -> None:
        """Publish requests for one picture each and wait until a subscriber sees every outcome.

        Raises `Fatal` when one of them is no picture.
        """
        for number, request in enumerate(requests):
            shard = number % self._partitions
            self._broker.publish(OutgoingRecord(request.topic, shard, request.key, request.value, request.headers))
        while self._told() < len(requests):
            self._news.clear()
            await self._news.wait()
        if len(self._store.manifests) < len(requests):
            raise Fatal(Reason.NOT_PAINTED, f"{len(requests)} requests gave {len(self._store.manifests)} pictures.")

    def _told(self) -> int:
        return sum(len(self._broker.visible(self._outcomes, shard)) for shard in range(self._partitions))


class _MemoryWorkerRun(_WorkerRun):
    """The worker's own composition; only what reaches for Kafka or S3 beside delivery is left out."""

    def __init__(self, settings: Settings, stages: OpenStages, reader: MemoryReader) -> None:
        super().__init__(settings, stages)
        self._reader = reader

    def _services(self, intake: PollLoop) -> list[Coroutine[None, None, None]]:
        return [self._reading(intake)]

    async def _reading(self, intake: PollLoop) -> None:
        try:
            await intake.run()
        finally:
            await self._reader.close()

    async def _greet_store(self) -> None:
        """Greet nobody: the twin has neither keys nor buckets."""
