"""The dead-letter topic as it is read: record by record, one partition at a time, in bounded memory and time."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer, TopicPartition

from consumer.errors import Fatal
from consumer.jobs import Record
from consumer.kafka import lenient
from consumer.kafka.bus import BusError
from consumer.kafka.client import answered_within, connection, open_admin
from consumer.kafka.dead_letters.letter import DeadLetter, Mark, State, Stranger, read
from consumer.kafka.topics import partition_counts
from schemas import Reason
from schemas.names import DEAD_LETTER

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from aiokafka.admin import AIOKafkaAdminClient

    from consumer.settings import Settings

POLL_MS = 500
POLL_RECORDS = 500
ABORT_CHECK_SECONDS = 15.0
"""How long a broker takes, at its defaults, to notice that a transaction is over its time, and to end it."""

_STATES = (State.OPEN, State.REDRIVEN, State.PURGED)


class States:
    """What was done about each letter of a span of offsets: a byte each, so a million letters take a megabyte."""

    def __init__(self, span: range) -> None:
        self._span = span
        self._codes = bytearray(len(span))

    def note(self, mark: Mark) -> None:
        """Take note of a mark; one whose letter is gone does not matter any more."""
        if mark.of in self._span:
            self._codes[mark.of - self._span.start] = _STATES.index(mark.state)

    def __getitem__(self, offset: int) -> State:
        return _STATES[self._codes[offset - self._span.start]]


class Shelf:
    """Reads the dead-letter topic of a house. Every await is bounded in time, memory does not grow with the topic."""

    def __init__(
        self,
        settings: Settings,
        admin: AIOKafkaAdminClient,
        consumers: tuple[AIOKafkaConsumer, AIOKafkaConsumer],
        partitions: int,
    ) -> None:
        self.topic = settings.topics.named(DEAD_LETTER)
        self.partitions = partitions
        self.admin = admin
        self._committed, self._everything = consumers
        self._seconds = settings.kafka.request_timeout_seconds
        self._patience = settings.kafka.transaction_timeout_seconds + ABORT_CHECK_SECONDS

    async def span(self, partition: int, *, whole: bool = False) -> range:
        """Return the offsets that can be read now: up to the first open transaction, if any.

        `whole` means all that was written by now; reading it waits until every transaction in it is over. Marks may lie
        behind a transaction that a worker has open, so whoever rests a decision on their absence needs the whole.
        """
        consumer = self._everything if whole else self._committed
        return await self._span(consumer, TopicPartition(self.topic, partition))

    async def states(self, partition: int, span: range) -> States:
        """Read what was done about the letters of a span."""
        states = States(span)
        async for entry in self.entries(partition, span):
            if isinstance(entry, Mark):
                states.note(entry)
        return states

    async def entries(self, partition: int, span: range) -> AsyncIterator[DeadLetter | Mark | Stranger]:
        """Read the records of a span."""
        async for record in self._records(self._committed, TopicPartition(self.topic, partition), span):
            yield read(record)

    async def original(self, letter: DeadLetter) -> Record | None:
        """Return what a publisher wrote: as kept, else from the lane it was first read from, if it is still there."""
        sought = letter.original
        if not letter.omitted:
            return sought
        # What a worker was given was committed, so it need not be asked again here; `entries` may be half-way.
        tp, consumer = TopicPartition(sought.topic, sought.partition), self._everything
        if sought.offset not in await self._span(consumer, tp):
            return None
        async for found in self._records(consumer, tp, range(sought.offset, sought.offset + 1)):
            if (found.offset, found.key, found.timestamp_ms) == (sought.offset, sought.key, sought.timestamp_ms):
                return found
        return None

    async def _span(self, consumer: AIOKafkaConsumer, tp: TopicPartition) -> range:
        async with answered_within(self._seconds):
            start = (await consumer.beginning_offsets([tp]))[tp]
            end = (await consumer.end_offsets([tp]))[tp]
        return range(start, max(start, end))

    async def _records(self, consumer: AIOKafkaConsumer, tp: TopicPartition, span: range) -> AsyncIterator[Record]:
        if not span:
            return
        consumer.assign([tp])
        consumer.seek(tp, span.start)
        while await self._position(consumer, tp) < span.stop:
            for record in await self._poll(consumer, tp, span.stop):
                if record.offset < span.stop:
                    yield record

    async def _position(self, consumer: AIOKafkaConsumer, tp: TopicPartition) -> int:
        async with answered_within(self._seconds):
            position: int = await consumer.position(tp)
        return position

    async def _poll(self, consumer: AIOKafkaConsumer, tp: TopicPartition, stop: int) -> Sequence[Record]:
        """Read on until the cursor moves, past records or past markers."""
        before = await self._position(consumer, tp)
        try:
            async with asyncio.timeout(self._patience):
                while True:
                    records = await self._fetch(consumer, tp)
                    if records or await self._position(consumer, tp) != before:
                        return records
        except TimeoutError as error:
            raise Fatal(
                Reason.BUS_UNAVAILABLE,
                f"{tp.topic}:{tp.partition} cannot be read from offset {before} to {stop}: a transaction is open "
                "there, or a broker is away. Try again in a minute.",
            ) from error

    async def _fetch(self, consumer: AIOKafkaConsumer, tp: TopicPartition) -> Sequence[Record]:
        before = await self._position(consumer, tp)
        try:
            async with answered_within(self._seconds):
                batches = await consumer.getmany(tp, timeout_ms=POLL_MS, max_records=POLL_RECORDS)
        except UnicodeDecodeError:
            lenient.read_leniently()
            consumer.seek(tp, before)
            return ()
        return [
            Record(r.topic, r.partition, r.offset, r.key, r.value, tuple(r.headers), r.timestamp)
            for records in batches.values()
            for r in records
        ]


@asynccontextmanager
async def open_shelf(settings: Settings) -> AsyncIterator[Shelf]:
    """Open the connections. Raises `BusError` when no broker answers, `Fatal` when there is no dead-letter topic."""
    lenient.install()
    topic = settings.topics.named(DEAD_LETTER)
    async with AsyncExitStack() as stack:
        admin = await stack.enter_async_context(open_admin(settings.kafka))
        counts = await partition_counts(admin, [topic], settings.kafka.request_timeout_seconds)
        if topic not in counts:
            raise Fatal(Reason.TOPICS_MISMATCH, f"There is no topic {topic}. Create it: leadart topics apply.")
        committed = await stack.enter_async_context(_reader(settings, "read_committed"))
        everything = await stack.enter_async_context(_reader(settings, "read_uncommitted"))
        yield Shelf(settings, admin, (committed, everything), counts[topic])


@asynccontextmanager
async def _reader(settings: Settings, isolation_level: str) -> AsyncIterator[AIOKafkaConsumer]:
    """Open a consumer that is in no group. What is deleted while it reads is skipped."""
    consumer = AIOKafkaConsumer(
        **connection(settings.kafka),
        isolation_level=isolation_level,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        # A consumer asks a broker one thing at a time: the fetch that finds nothing holds up the next partition's.
        fetch_max_wait_ms=20,
    )
    try:
        async with answered_within(settings.kafka.request_timeout_seconds):
            await consumer.start()
        yield consumer
    finally:
        with suppress(BusError):  # a reader leaves nothing undone
            async with answered_within(settings.kafka.request_timeout_seconds):
                await consumer.stop()
