"""A partition's backlog, read from the records themselves: how many, since when, and how many are not due yet.

Between two offsets lie records, but also control markers, aborted copies and what compaction left out; and above the
committed offset some records are finished already. So the first records are fetched and counted. Beyond them offsets
are counted: never too few, perhaps too many.
"""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from consumer.delivery.ports import Partition
from consumer.delivery.retry import RetryPolicy
from consumer.jobs import Record
from consumer.kafka.client import answered_within
from consumer.kafka.partition_reader import PartitionReader, SpanRecords

PEEK = 32
"""Offsets fetched of each partition at a time; more only while no unfinished record was among them."""

PEEK_SECONDS = 2.0
"""Time after which whatever was not read stays unknown."""


@dataclass(frozen=True, slots=True)
class GroupPosition:
    """Where the group stands in a partition: `committed`, what is `finished` above it, and the last stable `end`."""

    committed: int
    finished: Collection[int]
    end: int

    def first_from(self, offset: int) -> int:
        """Return the first unfinished offset from this one on."""
        while offset in self.finished:
            offset += 1
        return offset

    def left_from(self, offset: int) -> int:
        """Return how many offsets from this one on are not finished."""
        return max(0, self.end - offset) - sum(offset <= done < self.end for done in self.finished)


@dataclass(frozen=True, slots=True)
class Backlog:
    """Unfinished records: `due` ones can be worked on now, `not_due` ones wait for their time.

    `since_ms` is when the oldest due one could first be worked on, in milliseconds since 1970: its record's time, or
    for a retry the time it became due; None if nothing is due, or it was not read in time. `exact`: all were read.
    """

    due: int
    not_due: int
    since_ms: int | None
    exact: bool


NO_BACKLOG = Backlog(0, 0, None, exact=True)


async def read_backlogs(
    reader: PartitionReader, positions: Mapping[Partition, GroupPosition], retries: RetryPolicy, now_ms: int
) -> dict[Partition, Backlog]:
    """Read the first unfinished records of each partition with a reader of committed records. Raises `BusError`."""
    peeks = {partition: _Peek(position, retries, now_ms) for partition, position in positions.items()}
    end = asyncio.get_running_loop().time() + PEEK_SECONDS
    while (left := end - asyncio.get_running_loop().time()) > 0:
        spans = {partition: peek.next_span for partition, peek in peeks.items() if peek.next_span}
        if not spans:
            break
        for partition, read in (await reader.side_by_side(spans, left)).items():
            peeks[partition].add(read)
    # A retry is due one delay after it was written: what was written since cannot be due.
    times = {
        partition: now_ms - retries.delay_ms(partition.topic)
        for partition, peek in peeks.items()
        if peek.left and not peek.not_due and retries.is_retry(partition.topic)
    }
    bounds: Mapping[Partition, int | None] = {}
    if times:
        async with answered_within(PEEK_SECONDS):
            bounds = await reader.first_since(times)
    return {partition: peek.backlog(bounds.get(partition)) for partition, peek in peeks.items()}


class _Peek:
    """The first unfinished records of one partition, as far as they were read."""

    def __init__(self, position: GroupPosition, retries: RetryPolicy, now_ms: int) -> None:
        self._group = position
        self._retries = retries
        self._now_ms = now_ms
        self._offset = position.first_from(position.committed)
        self._due = 0
        self._since_ms: int | None = None
        self.not_due = 0

    @property
    def next_span(self) -> range:
        """What to read next; empty once an unfinished record was found, or at the end."""
        if self._due or self.not_due:
            return range(0)
        return range(self._offset, min(self._group.end, self._offset + PEEK))

    @property
    def left(self) -> int:
        """Offsets that were not read and are not finished."""
        return self._group.left_from(self._offset)

    def add(self, read: SpanRecords) -> None:
        for record in read.records:
            if record.offset >= self._offset and record.offset not in self._group.finished:
                self._count(record)
        self._offset = self._group.first_from(max(self._offset, read.stop))

    def backlog(self, bound: int | None) -> Backlog:
        """Return the figures; records of a retry lane from the offset `bound` on are not due."""
        # A lane stands still behind the first record that is not due.
        late = self.left if self.not_due else 0 if bound is None else self._group.left_from(max(self._offset, bound))
        due = self._due + self.left - late
        return Backlog(due, self.not_due + late, self._since_ms, exact=not self.left)

    def _count(self, record: Record) -> None:
        due_ms = self._retries.unwrap(record).due_ms
        if self.not_due or due_ms > self._now_ms:
            self.not_due += 1
            return
        self._due += 1
        if self._since_ms is None:
            self._since_ms = max(record.timestamp_ms, due_ms)
