"""The dead-letter topic as it is read: record by record, one partition at a time, in bounded memory and time."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from consumer.admin.dead_letters.dead_letter import ActionMark, DeadLetterRecord, DeadLetterState, ForeignRecord, read
from consumer.delivery.ports import Partition
from consumer.errors import Fatal
from consumer.kafka.admin_client import open_admin
from consumer.kafka.partition_reader import open_partition_reader
from schemas import Reason
from schemas.names import DEAD_LETTER

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from consumer.jobs import Record
    from consumer.kafka.admin_client import KafkaAdmin
    from consumer.kafka.partition_reader import PartitionReader
    from consumer.settings import Settings

_STATES = (DeadLetterState.OPEN, DeadLetterState.REDRIVEN, DeadLetterState.PURGED)


class DeadLetterStates:
    """What was done about each letter of a span of offsets: a byte each, so a million letters take a megabyte."""

    def __init__(self, span: range) -> None:
        self._span = span
        self._codes = bytearray(len(span))

    def note(self, mark: ActionMark) -> None:
        """Take note of a mark; one whose letter is gone does not matter any more."""
        if mark.of in self._span:
            self._codes[mark.of - self._span.start] = _STATES.index(mark.state)

    def __getitem__(self, offset: int) -> DeadLetterState:
        return _STATES[self._codes[offset - self._span.start]]


class DeadLetterTopic:
    """Reads the dead-letter topic of a house. Every await is bounded in time, memory does not grow with the topic."""

    def __init__(
        self,
        settings: Settings,
        admin: KafkaAdmin,
        readers: tuple[PartitionReader, PartitionReader],
        partitions: int,
    ) -> None:
        self.name = settings.topics.named(DEAD_LETTER)
        self.partitions = partitions
        self.admin = admin
        self._committed, self._everything = readers

    async def span(self, partition: int, *, whole: bool = False) -> range:
        """Return the offsets that can be read now: up to the first open transaction, if any.

        `whole` means all that was written by now; reading it waits until every transaction in it is over. Marks may lie
        behind a transaction that a worker has open, so whoever rests a decision on their absence needs the whole.
        """
        reader = self._everything if whole else self._committed
        return await reader.span(Partition(self.name, partition))

    async def states(self, partition: int, span: range) -> DeadLetterStates:
        """Read what was done about the letters of a span."""
        states = DeadLetterStates(span)
        async for entry in self.entries(partition, span):
            if isinstance(entry, ActionMark):
                states.note(entry)
        return states

    async def entries(
        self, partition: int, span: range
    ) -> AsyncIterator[DeadLetterRecord | ActionMark | ForeignRecord]:
        """Read the records of a span."""
        async for record in self._committed.records(Partition(self.name, partition), span):
            yield read(record)

    async def original(self, letter: DeadLetterRecord) -> Record | None:
        """Return what a publisher wrote: as kept, else from the lane it was first read from, if it is still there."""
        sought = letter.original
        if not letter.omitted:
            return sought
        # What a worker was given was committed, so it need not be asked again here; `entries` may be half-way.
        tp, reader = Partition(sought.topic, sought.partition), self._everything
        if sought.offset not in await reader.span(tp):
            return None
        async for found in reader.records(tp, range(sought.offset, sought.offset + 1)):
            if (found.offset, found.key, found.timestamp_ms) == (sought.offset, sought.key, sought.timestamp_ms):
                return found
        return None


@asynccontextmanager
async def open_dead_letter_topic(settings: Settings) -> AsyncIterator[DeadLetterTopic]:
    """Open the connections. Raises `BusError` when no broker answers, `Fatal` when there is no dead-letter topic."""
    topic = settings.topics.named(DEAD_LETTER)
    async with AsyncExitStack() as stack:
        admin = await stack.enter_async_context(open_admin(settings.kafka))
        counts = await admin.partition_counts([topic])
        if topic not in counts:
            raise Fatal(Reason.TOPICS_MISMATCH, f"There is no topic {topic}. Create it: leadart topics apply.")
        committed = await stack.enter_async_context(open_partition_reader(settings.kafka, committed=True))
        everything = await stack.enter_async_context(open_partition_reader(settings.kafka, committed=False))
        yield DeadLetterTopic(settings, admin, (committed, everything), counts[topic])
