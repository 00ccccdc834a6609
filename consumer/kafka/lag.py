"""Consumer lag: what the group has not finished, from committed offsets and log ends; usable with all workers down."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer, TopicPartition

from consumer.kafka.bus import UNCOMMITTED
from consumer.kafka.client import answered_within, committed_offsets, connection, open_admin
from consumer.kafka.metadata import ProgressUnreadable, read_note
from consumer.kafka.topics import lane_topics, partition_counts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from aiokafka.admin import AIOKafkaAdminClient

    from consumer.kafka.bus import Progress
    from consumer.settings import Settings


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """One partition's lag. None is unknown: never committed, or the metadata cannot be read.

    `trouble` is the reason code of what keeps its worker from working, as that worker told the group; mostly empty.
    """

    topic: str
    partition: int
    committed: int | None
    end: int
    finished_above: int | None
    trouble: str = ""

    @property
    def records(self) -> int | None:
        """Offsets between the commit and the last stable one: what Burrow and KEDA see."""
        return None if self.committed is None else max(0, self.end - self.committed)

    @property
    def incomplete(self) -> int | None:
        """`records` less what is finished out of order above the commit."""
        if self.records is None or self.finished_above is None:
            return None
        return self.records - self.finished_above


class LagReader:
    """Reads the lag of all lanes over two connections it keeps. Every read is bounded in time."""

    def __init__(self, settings: Settings, admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer) -> None:
        self._settings = settings
        self._admin = admin
        self._consumer = consumer

    async def read(self) -> list[PartitionLag]:
        """Read committed offsets first, log ends after: lag may look larger than it is, never smaller.

        Raises `BusError`; an unanswered question is never a lag of 0.
        """
        seconds = self._settings.kafka.request_timeout_seconds
        counts = await partition_counts(self._admin, lane_topics(self._settings), seconds)
        tps = [TopicPartition(topic, number) for topic, count in counts.items() for number in range(count)]
        if not tps:
            return []
        committed = await committed_offsets(self._admin, self._settings.kafka, tps)
        async with answered_within(seconds):
            # Under read-committed the end is the last stable offset. Not `highwater`: it stands still while paused.
            ends = await self._consumer.end_offsets(tps)
        return [self._partition(tp, committed.get(tp), ends[tp]) for tp in sorted(tps)]

    @staticmethod
    def _partition(tp: TopicPartition, committed: Progress | None, end: int) -> PartitionLag:
        if committed is None or committed.offset == UNCOMMITTED:
            return PartitionLag(tp.topic, tp.partition, None, end, None)
        try:
            note = read_note(committed)
        except ProgressUnreadable:
            return PartitionLag(tp.topic, tp.partition, committed.offset, end, None)
        return PartitionLag(tp.topic, tp.partition, committed.offset, end, len(note.finished), note.trouble)


@asynccontextmanager
async def open_lag_reader(settings: Settings) -> AsyncIterator[LagReader]:
    """Open the two connections. Raises `BusError` when no broker answers."""
    async with open_admin(settings.kafka) as admin:
        consumer = AIOKafkaConsumer(
            **connection(settings.kafka), isolation_level="read_committed", enable_auto_commit=False
        )
        try:
            async with answered_within(settings.kafka.request_timeout_seconds):
                await consumer.start()
            yield LagReader(settings, admin, consumer)
        finally:
            async with answered_within(settings.kafka.request_timeout_seconds):
                await consumer.stop()


def total(lags: Sequence[PartitionLag]) -> int | None:
    """Return the lag of all partitions together, None if that of any is unknown."""
    records = [lag.records for lag in lags]
    return None if any(count is None for count in records) else sum(count for count in records if count is not None)
