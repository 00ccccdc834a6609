"""The in-memory cluster: logs with transactions, fencing, control markers and aborted copies; one group's offsets.

It knows no network. `faults` decides, as each request arrives and again before it is answered, whether it fails;
`journey` does so for each single request, and says how long it is under way. So tests can break it anywhere.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass, field
from enum import Enum

from consumer.delivery.ports import (
    MAX_RECORD_BYTES,
    UNCOMMITTED,
    BusError,
    CommittedOffset,
    OutgoingRecord,
    Partition,
    RecordRefused,
)
from consumer.jobs import Record
from consumer.testing.group import MemoryGroup
from consumer.testing.line import Busy, Journey

Coordinates = tuple[str, int]


class Fate(Enum):
    """The state of a log entry."""

    OPEN = "open"
    COMMITTED = "committed"
    ABORTED = "aborted"
    MARKER = "marker"


@dataclass(slots=True)
class Entry:
    """One offset of a partition."""

    record: OutgoingRecord | None
    fate: Fate


@dataclass(slots=True)
class Transaction:
    """What a producer wrote, until all of its markers are written."""

    entries: list[tuple[Coordinates, Entry]] = field(default_factory=list)
    offsets: dict[Coordinates, CommittedOffset] = field(default_factory=dict)
    ending: bool = False


class MemoryBroker:
    """The cluster: logs, a group and its offsets, and the newest epoch of each shard's producer."""

    def __init__(self, partitions: int = 1, group: MemoryGroup | None = None) -> None:
        self.partitions = partitions
        self.group = group or MemoryGroup()
        self.logs: defaultdict[Coordinates, list[Entry]] = defaultdict(list)
        self.starts: defaultdict[Coordinates, int] = defaultdict(int)
        self.offsets: dict[Coordinates, CommittedOffset] = {}
        self.epochs: defaultdict[int, int] = defaultdict(int)
        self.open: dict[int, Transaction] = {}
        self.refused_topics: set[str] = set()
        self.faults: Callable[[str], None] = lambda _step: None
        self.journey: Callable[[str, str, str], Journey] = self._ordinary_journey
        self.transaction_ended: Callable[[int], None] = lambda _shard: None
        self.epoch_begun: Callable[[int], None] = lambda _shard: None
        self.marker_seconds = 0.0
        self.strangers = ""
        self.transaction_seconds = 60.0
        self._readers: list[asyncio.Future[None]] = []

    def publish(self, record: OutgoingRecord) -> int:
        """Append a record outside of any transaction, and return its offset."""
        return self._append(record, Fate.COMMITTED)[0]

    def leave_gap(self, topic: str, partition: int, offsets: int = 1) -> None:
        """Append offsets that no consumer ever sees, like those of markers and aborted copies."""
        self.logs[topic, partition].extend(Entry(None, Fate.MARKER) for _ in range(offsets))
        self._wake_readers()

    def delete_records(self, topic: str, partition: int, before: int) -> None:
        """Move the log's start, as retention does."""
        self.starts[topic, partition] = before

    def spans(self, topics: Iterable[str], shard: int) -> dict[str, range]:
        """Return what each log still holds."""
        return {topic: range(self.starts[topic, shard], len(self.logs[topic, shard])) for topic in topics}

    def visible(self, topic: str, partition: int) -> list[OutgoingRecord]:
        """Return what a read-committed subscriber sees: nothing at or above the first open transaction."""
        records, _ = self.read(Partition(topic, partition), 0, len(self.logs[topic, partition]))
        return [OutgoingRecord(topic, partition, record.key, record.value, record.headers) for record in records]

    def read(self, partition: Partition, position: int, most: int) -> tuple[list[Record], int]:
        """Return the visible records from a position on, and the next position: past what nobody ever sees."""
        log, records = self.logs[partition], list[Record]()
        while position < len(log) and len(records) < most and log[position].fate is not Fate.OPEN:
            entry, record = log[position], log[position].record
            if record is not None and entry.fate is Fate.COMMITTED:
                records.append(Record(*partition, position, record.key, record.value, record.headers, timestamp_ms=0))
            position += 1
        return records, position

    async def wait_for_write(self, seconds: float) -> None:
        """Wait until something is written, at most `seconds`."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._readers.append(waiter)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await waiter

    def committed(self, topics: Iterable[str], shard: int) -> dict[str, CommittedOffset]:
        """Return the group's offsets; a commit only shows once its markers are written."""
        return {topic: self.offsets.get((topic, shard), CommittedOffset(UNCOMMITTED, "")) for topic in topics}

    def answers_in_part(self) -> bool:
        """Return whether the current answer lacks a part, like that of a coordinator that is still loading."""
        try:
            self.faults("offsets_missing")
        except BusError:
            return True
        return False

    def init(self, shard: int) -> int:
        """Fence older producers of the shard and return the new one's epoch, once their transaction has ended."""
        left = self.open.get(shard)
        if left is not None and not left.ending:
            self.epochs[shard] += 1
            self._end(shard, left, Fate.ABORTED)
        if shard in self.open:
            raise Busy("the last producer's transaction is still ending")
        self.epochs[shard] += 1
        self.epoch_begun(shard)
        return self.epochs[shard]

    def produce(self, shard: int, epoch: int, record: OutgoingRecord) -> None:
        """Append a record to the shard's transaction, or refuse it."""
        transaction = self._transaction(shard, epoch)
        if record.topic in self.refused_topics or record.size > MAX_RECORD_BYTES:
            raise RecordRefused(f"{record.topic} does not take {record.size} bytes")
        _, entry = self._append(record, Fate.OPEN)
        transaction.entries.append(((record.topic, record.partition), entry))

    def put_offsets(self, shard: int, epoch: int, offsets: Mapping[str, CommittedOffset]) -> None:
        """Put offsets into the shard's transaction."""
        self._transaction(shard, epoch).offsets.update({(topic, shard): at for topic, at in offsets.items()})

    def commit(self, shard: int, epoch: int) -> None:
        """End the shard's transaction; its markers are written after this answer."""
        transaction = self._transaction(shard, epoch)
        self._end(shard, transaction, Fate.COMMITTED)

    def _ordinary_journey(self, _owner: str, step: str, answered: str) -> Journey:
        return Journey(0.0, lambda: self.faults(step), lambda: self.faults(answered))

    def _transaction(self, shard: int, epoch: int) -> Transaction:
        if self.epochs[shard] != epoch:
            raise BusError("a newer epoch fenced this producer, or its transaction took too long")
        transaction = self.open.get(shard)
        if transaction is None:
            transaction = self.open[shard] = Transaction()
            loop = asyncio.get_running_loop()
            loop.call_later(self.transaction_seconds, self._expire, shard, transaction, context=Context())
        if transaction.ending:
            raise Busy("the last transaction is still ending")
        return transaction

    def _expire(self, shard: int, transaction: Transaction) -> None:
        if self.open.get(shard) is transaction and not transaction.ending:
            self.epochs[shard] += 1
            self._end(shard, transaction, Fate.ABORTED)

    def _end(self, shard: int, transaction: Transaction, fate: Fate) -> None:
        transaction.ending = True
        if self.marker_seconds:
            loop = asyncio.get_running_loop()
            loop.call_later(self.marker_seconds, self._write_markers, shard, transaction, fate, context=Context())
        else:
            self._write_markers(shard, transaction, fate)

    def _write_markers(self, shard: int, transaction: Transaction, fate: Fate) -> None:
        """Write the markers: they make the records visible, or not, and the offsets valid."""
        del self.open[shard]
        for _, entry in transaction.entries:
            entry.fate = fate
        for topic, partition in dict.fromkeys(coordinates for coordinates, _ in transaction.entries):
            self.leave_gap(topic, partition)
        if fate is Fate.COMMITTED:
            self.offsets.update(transaction.offsets)
        self.transaction_ended(shard)

    def _append(self, record: OutgoingRecord, fate: Fate) -> tuple[int, Entry]:
        log, entry = self.logs[record.topic, record.partition], Entry(record, fate)
        log.append(entry)
        self._wake_readers()
        return len(log) - 1, entry

    def _wake_readers(self) -> None:
        readers, self._readers = self._readers, []
        for waiter in readers:
            if not waiter.done():
                waiter.set_result(None)
