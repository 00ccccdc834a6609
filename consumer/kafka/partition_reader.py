"""Reading partitions outside any group: one span record by record, many side by side, or a compacted table.

Control markers and gaps are skipped. Every await is bounded in time.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition

from consumer.delivery.ports import BusError, Partition
from consumer.errors import Fatal
from consumer.jobs import Record
from consumer.kafka.client import answered_within, connection
from consumer.kafka.records import install_parser, to_record, tolerate_header_names
from consumer.settings import KafkaSettings
from schemas import Reason

log = structlog.get_logger(__name__)

FETCH_BYTES = 1024 * 1024
"""Default bound on one fetch of a partition: aiokafka's own."""

POLL_MS = 500
POLL_RECORDS = 500
SHORT_POLL_RECORDS = 64
"""Records of one poll while many partitions are read: little memory, even where each is as large as records may be."""
SHORT_POLL_MS = 100
"""Duration of one poll while many partitions are read: the deadline is checked between polls."""

POSITION_SECONDS = 2.0
"""Bound on asking for a position, which is known already unless the log starts later than the span."""

ABORT_CHECK_SECONDS = 15.0
"""Time a broker takes, at its defaults, to notice that a transaction is past its timeout, and to abort it."""

TABLE_SECONDS = 300.0
"""Bound on reading a whole table partition."""


@dataclass(frozen=True, slots=True)
class SpanRecords:
    """The `records` read of a span, and the offset `stop` before which nothing is left to read."""

    records: Sequence[Record]
    stop: int


class PartitionReader:
    """A consumer of no group. It has one assignment: starting a read ends the previous one.

    Every method raises `BusError` when no broker answers, and `Fatal` where access is denied.
    """

    def __init__(self, settings: KafkaSettings, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer
        self._seconds = settings.request_timeout_seconds
        self._patience = settings.transaction_timeout_seconds + ABORT_CHECK_SECONDS

    async def load_metadata(self, topics: Collection[str]) -> None:
        """Fetch the metadata of all topics at once; by itself the client does so one by one, 100 ms each."""
        async with answered_within(self._seconds):
            await self._consumer._client.set_topics(topics)  # noqa: SLF001 - public only through a subscription

    async def ends(self, partitions: Collection[Partition]) -> dict[Partition, int]:
        """Return where each partition ends: for a reader of committed records, at its first open transaction."""
        async with answered_within(self._seconds):
            ends = await self._consumer.end_offsets(_theirs(partitions))
        return {Partition(*tp): end for tp, end in ends.items()}

    async def spans(self, partitions: Collection[Partition]) -> dict[Partition, range]:
        """Return the offsets of each partition that can be read."""
        async with answered_within(self._seconds):
            starts = await self._consumer.beginning_offsets(_theirs(partitions))
        ends = await self.ends(partitions)
        return {Partition(*tp): range(start, max(start, ends[Partition(*tp)])) for tp, start in starts.items()}

    async def span(self, partition: Partition) -> range:
        """Return the offsets of one partition that can be read."""
        return (await self.spans([partition]))[partition]

    async def first_since(self, times: Mapping[Partition, int]) -> dict[Partition, int | None]:
        """Return each partition's first offset from its time on (milliseconds since 1970); None if there is none."""
        async with answered_within(self._seconds):
            found = await self._consumer.offsets_for_times({TopicPartition(*p): at for p, at in times.items()})
        return {Partition(*tp): at.offset if at else None for tp, at in found.items()}

    async def records(self, partition: Partition, span: range) -> AsyncIterator[Record]:
        """Read a span one record after the other; records deleted meanwhile are skipped.

        Raises `Fatal` if it stays unreadable for longer than any transaction can stay open.
        """
        if not span:
            return
        self._start({partition: span})
        while (position := await self.position(partition)) < span.stop:
            try:
                records = await self._advance(partition, self._patience)
            except TimeoutError as error:
                raise Fatal(
                    Reason.BUS_UNAVAILABLE,
                    f"{partition.topic}:{partition.number} cannot be read from offset {position} to {span.stop}: a "
                    "transaction is open there, or a broker is down. Try again in a minute.",
                ) from error
            for record in records:
                if record.offset < span.stop:
                    yield record

    async def table(self, partition: Partition, span: range) -> list[tuple[bytes, bytes | None]]:
        """Return keys and values of a span, all of it or none."""
        pairs: list[tuple[bytes, bytes | None]] = []
        self._start({partition: span})
        while (position := await self.position(partition)) < span.stop:
            try:
                records = await self._advance(partition, self._seconds)
            except TimeoutError as error:
                raise BusError(f"{partition.topic}:{partition.number} cannot be read past offset {position}") from error
            pairs += [(record.key or b"", record.value) for record in records if record.offset < span.stop]
        return pairs

    async def side_by_side(self, spans: Mapping[Partition, range], seconds: float) -> dict[Partition, SpanRecords]:
        """Read all spans at once until done or the time is up; a broken batch ends its own partition only."""
        spans = {partition: span for partition, span in spans.items() if span}
        if not spans:
            return {}
        self._start(spans)
        return await _SideBySide(self, spans).run(seconds)

    def _start(self, spans: Mapping[Partition, range]) -> None:
        self._consumer.assign(_theirs(spans))
        for partition, span in spans.items():
            self.seek(partition, span.start)

    async def _advance(self, partition: Partition, seconds: float) -> Sequence[Record]:
        """Poll until the cursor moves, past records or markers. Raises `TimeoutError`."""
        before = await self.position(partition)
        async with asyncio.timeout(seconds):
            while True:
                batches = await self.poll([partition], POLL_MS, POLL_RECORDS)
                if batches is None:
                    self.seek(partition, before)
                elif batches or await self.position(partition) != before:
                    return batches.get(partition, ())

    def seek(self, partition: Partition, offset: int) -> None:
        """Move the cursor of an assigned partition; what was fetched of it is dropped."""
        self._consumer.seek(TopicPartition(*partition), offset)

    def pause(self, partition: Partition) -> None:
        """Fetch no more of an assigned partition."""
        self._consumer.pause(TopicPartition(*partition))

    async def position(self, partition: Partition, seconds: float | None = None) -> int:
        """Return the offset to be read next."""
        async with answered_within(seconds or self._seconds):
            position: int = await self._consumer.position(TopicPartition(*partition))
        return position

    async def poll(
        self, partitions: Collection[Partition], milliseconds: int, most: int | None = None
    ) -> dict[Partition, list[Record]] | None:
        """Take what has come of these partitions (none: of all assigned), or wait for something to come.

        None after a header name that is not UTF-8: seek back to where the poll began, and poll again.
        """
        try:
            async with answered_within(self._seconds):
                batches = await self._consumer.getmany(*_theirs(partitions), timeout_ms=milliseconds, max_records=most)
        except UnicodeDecodeError:
            tolerate_header_names()
            return None
        return {Partition(*tp): [to_record(record) for record in records] for tp, records in batches.items()}


class _SideBySide:
    """One read of many spans."""

    def __init__(self, reader: PartitionReader, spans: Mapping[Partition, range]) -> None:
        self._reader = reader
        self._spans = spans
        self._one_by_one = False
        self._open = set(spans)
        self._positions = {partition: span.start for partition, span in spans.items()}
        self._records: dict[Partition, list[Record]] = {partition: [] for partition in spans}

    async def run(self, seconds: float) -> dict[Partition, SpanRecords]:
        end = asyncio.get_running_loop().time() + seconds
        while self._open and asyncio.get_running_loop().time() < end:
            if not self._one_by_one:
                self._one_by_one = not await self._take()
                continue
            for partition in list(self._open):
                if not await self._take(partition):
                    self._close(partition)
        return {
            partition: SpanRecords(self._records[partition], min(self._positions[partition], span.stop))
            for partition, span in self._spans.items()
        }

    async def _take(self, *partitions: Partition) -> bool:
        """Take what has come of these partitions, or of all; False if a batch of theirs cannot be read."""
        try:
            batches = await self._reader.poll(partitions, SHORT_POLL_MS, SHORT_POLL_RECORDS)
        except Fatal:
            raise
        except Exception as error:  # noqa: BLE001 - a batch that does not decompress raises whatever its codec does
            log.warning("lag_partly_unknown", error=repr(error))
            self._seek_back()
            return False
        if batches is None:
            self._seek_back()
            return True
        for partition, records in batches.items():
            stop = self._spans[partition].stop
            self._records[partition].extend(record for record in records if record.offset < stop)
        await self._close_finished()
        return True

    async def _close_finished(self) -> None:
        for partition in list(self._open):
            self._positions[partition] = await self._reader.position(partition, POSITION_SECONDS)
            if self._positions[partition] >= self._spans[partition].stop:
                self._close(partition)

    def _close(self, partition: Partition) -> None:
        """Fetch no more of it: a fetch that waits for more would hold up all others."""
        self._open.remove(partition)
        self._reader.pause(partition)

    def _seek_back(self) -> None:
        """Read again what the failed poll may have skipped."""
        for partition in self._open:
            self._reader.seek(partition, self._positions[partition])


def _theirs(partitions: Collection[Partition]) -> list[TopicPartition]:
    return [TopicPartition(*partition) for partition in partitions]


@asynccontextmanager
async def open_partition_reader(
    settings: KafkaSettings, *, committed: bool = True, fetch_bytes: int = FETCH_BYTES
) -> AsyncIterator[PartitionReader]:
    """Open a reader of what is `committed`, or of everything. Raises `BusError` when no broker answers.

    `fetch_bytes` bounds one fetch of a partition.
    """
    install_parser(settings.max_batch_bytes)
    consumer = AIOKafkaConsumer(
        **connection(settings),
        isolation_level="read_committed" if committed else "read_uncommitted",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=fetch_bytes,
        # A consumer asks a broker one thing at a time: the fetch that finds nothing holds up the next question.
        fetch_max_wait_ms=20,
    )
    try:
        async with answered_within(settings.request_timeout_seconds):
            await consumer.start()
        await asyncio.sleep(0)  # a background task of the client that has not begun cannot be cancelled by its stop
        yield PartitionReader(settings, consumer)
    finally:
        with suppress(BusError):  # a reader leaves nothing undone
            async with answered_within(settings.request_timeout_seconds):
                await consumer.stop()


async def read_spans(settings: KafkaSettings, partitions: Collection[Partition]) -> dict[Partition, range]:
    """Return where logs begin and end, open transactions included. Raises `BusError`."""
    async with open_partition_reader(settings, committed=False) as everything:
        await everything.load_metadata({partition.topic for partition in partitions})
        return await everything.spans(partitions)


async def read_table(
    settings: KafkaSettings, partition: Partition, start: int
) -> tuple[list[tuple[bytes, bytes | None]], int]:
    """Return keys and values of a compacted topic's partition from `start` on, and where the next read starts.

    Everything committed before is included: while an open transaction hides some of it, this waits, or gives up.
    Raises `BusError`.
    """
    async with open_partition_reader(settings, committed=False) as everything:
        end = (await everything.ends([partition]))[partition]
    async with open_partition_reader(settings) as reader, answered_within(TABLE_SECONDS):
        begin = (await reader.span(partition)).start
        span = range(min(max(start, begin), end), end)
        return await reader.table(partition, span), end
