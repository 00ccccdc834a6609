"""Reads the dead-letter topic record by record, one partition at a time, in bounded memory and time."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from consumer.admin.dead_letters.dead_letter import (
    ActionMark,
    Coordinates,
    DeadLetterRecord,
    DeadLetterState,
    ForeignRecord,
    parse_record,
)
from consumer.delivery.ports import Partition
from consumer.errors import Fatal
from consumer.jobs import Record
from consumer.kafka.admin_client import KafkaAdmin, open_admin
from consumer.kafka.partition_reader import PartitionReader, open_partition_reader
from consumer.settings import Settings
from schemas import Reason
from schemas.names import DEAD_LETTER

_STATES = (DeadLetterState.OPEN, DeadLetterState.REDRIVEN, DeadLetterState.PURGED)


class DeadLetterStates:
    """The state of each dead letter in a span of offsets: one byte each, so a million dead letters take a megabyte."""

    def __init__(self, span: range) -> None:
        self._span = span
        self._codes = bytearray(len(span))

    def apply(self, mark: ActionMark) -> None:
        """Apply a mark; one whose dead letter is not in the span is ignored."""
        if mark.of in self._span:
            self._codes[mark.of - self._span.start] = _STATES.index(mark.state)

    def __getitem__(self, offset: int) -> DeadLetterState:
        return _STATES[self._codes[offset - self._span.start]]


class DeadLetterTopic:
    """The dead-letter topic. Every await is bounded in time; memory does not grow with the topic."""

    def __init__(
        self, settings: Settings, admin: KafkaAdmin, readers: tuple[PartitionReader, PartitionReader], partitions: int
    ) -> None:
        self.name = settings.topics.named(DEAD_LETTER)
        self.partitions = partitions
        self.admin = admin
        self._committed, self._everything = readers

    async def span(self, partition: int, *, whole: bool = False) -> range:
        """Return the offsets that can be read now: up to the first open transaction, if there is one.

        `whole` includes all that has been written; reading it waits until every transaction in it is over. Marks may
        follow a transaction that a worker has open, so a decision that rests on their absence needs the whole span.
        """
        reader = self._everything if whole else self._committed
        return await reader.span(Partition(self.name, partition))

    async def states(self, partition: int, span: range) -> DeadLetterStates:
        """Read the states of the dead letters in a span."""
        states = DeadLetterStates(span)
        async for entry in self.entries(partition, span):
            if isinstance(entry, ActionMark):
                states.apply(entry)
        return states

    async def entries(
        self, partition: int, span: range
    ) -> AsyncIterator[DeadLetterRecord | ActionMark | ForeignRecord]:
        """Read the records of a span."""
        async for record in self._committed.records(Partition(self.name, partition), span):
            yield parse_record(record)

    async def original(self, letter: DeadLetterRecord) -> Record | None:
        """Return what the publisher wrote: as kept, else from the lane it was first read from, if it is still there."""
        kept = letter.original
        if not letter.omitted:
            return kept
        # A worker only reads committed records, so this reader need not check; `entries` may be half-way in the other.
        lane, reader = Partition(kept.topic, kept.partition), self._everything
        if kept.offset not in await reader.span(lane):
            return None
        async for found in reader.records(lane, range(kept.offset, kept.offset + 1)):
            if (found.offset, found.key, found.timestamp_ms) == (kept.offset, kept.key, kept.timestamp_ms):
                return found
        return None

    def explain_absence(self, at: Coordinates) -> str:
        """Return why no dead letter is at these coordinates."""
        if at.partition < self.partitions:
            return "there is no dead letter at this offset"
        return f"{self.name} has no partition {at.partition}: its partitions are 0 to {self.partitions - 1}"


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
