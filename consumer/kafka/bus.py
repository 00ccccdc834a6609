"""The real `Bus`: a worker's consumer, its admin client, and a transactional producer for each epoch of a shard."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError

from consumer.delivery.ports import BusError, CommittedOffset, Partition
from consumer.kafka.admin_client import KafkaAdmin
from consumer.kafka.client import answered_within, open_consumer
from consumer.kafka.consumer import KafkaReader
from consumer.kafka.group import strangers_beside
from consumer.kafka.partition_reader import read_spans, read_table
from consumer.kafka.producer import KafkaEpoch, open_epoch
from consumer.kafka.producer_close import CLOSE_SECONDS
from consumer.settings import KafkaSettings


class KafkaBus:
    """The `Bus` of one worker: its consumer's cursor, an admin client, and a producer for each epoch."""

    def __init__(
        self,
        settings: KafkaSettings,
        consumer: AIOKafkaConsumer,
        admin: KafkaAdmin,
        topics: Sequence[str],
    ) -> None:
        self._settings = settings
        self._consumer = consumer
        self._admin = admin
        self._topics = tuple(topics)

    @asynccontextmanager
    async def epoch(self, shard: int) -> AsyncIterator[KafkaEpoch]:
        """Fence older producers of the shard. Its transactional id never changes: a new format would drop the fence."""
        async with open_epoch(self._settings, str(shard), shard) as epoch:
            yield epoch

    async def committed_offsets(self, shard: int) -> Mapping[str, CommittedOffset]:
        """Read the shard's committed offsets; a lane may be missing from the answer."""
        partitions = [Partition(topic, shard) for topic in self._topics]
        answer = await self._admin.committed_offsets(partitions)
        return {partition.topic: committed for partition, committed in answer.items()}

    async def strangers(self) -> str:
        """Ask the group's coordinator who reads other topics."""
        return strangers_beside(await self._admin.group(), self._topics)

    async def log_spans(self, shard: int) -> Mapping[str, range]:
        """Read where the shard's logs begin and end, open transactions included."""
        spans = await read_spans(self._settings, [Partition(topic, shard) for topic in self._topics])
        return {partition.topic: span for partition, span in spans.items()}

    async def read_table(self, topic: str, shard: int, start: int) -> tuple[list[tuple[bytes, bytes | None]], int]:
        """Read a compacted topic's partition with a consumer of its own, outside the group."""
        return await read_table(self._settings, Partition(topic, shard), start)

    def seek(self, topic: str, shard: int, offset: int) -> None:
        """Move the consumer's cursor; what was fetched before is dropped."""
        try:
            self._consumer.seek(TopicPartition(topic, shard), offset)
        except IllegalStateError as error:
            raise BusError(f"{topic}:{shard} is no longer assigned") from error

    def position(self, topic: str, shard: int) -> int | None:
        """Return the cursor, without the round trip of the public method."""
        subscription = self._consumer._subscription.subscription  # noqa: SLF001 - `position()` is a coroutine
        assignment = subscription.assignment if subscription else None
        state = assignment.state_value(TopicPartition(topic, shard)) if assignment else None
        return state.position if state is not None and state.has_valid_position else None


@asynccontextmanager
async def open_bus(
    settings: KafkaSettings, admin: KafkaAdmin, topics: Sequence[str]
) -> AsyncIterator[tuple[KafkaReader, KafkaBus]]:
    """Start the group's consumer, which joins once it subscribes. Raises `BusError` when no broker answers."""
    consumer = open_consumer(settings)
    try:
        async with answered_within(settings.request_timeout_seconds):
            await consumer.start()
        yield KafkaReader(consumer), KafkaBus(settings, consumer, admin, topics)
    finally:
        # Leaves the group; with the coordinator gone that may hang, and the session timeout does it instead.
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await consumer.stop()
