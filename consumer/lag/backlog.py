"""What is pending in a partition, from the records themselves: how many, how long, and how many are not due yet.

Between two offsets lie records, but also markers, aborted copies and what compaction left out; and above the committed
offset some are finished already. So the first records are fetched and looked at. Where there are more, the rest is
counted in offsets: never too few, perhaps too many.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumer.kafka.client import answered_within

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from consumer.delivery.ports import Partition
    from consumer.delivery.retry import RetryPolicy
    from consumer.jobs import Record
    from consumer.kafka.partition_reader import PartitionReader, SpanRecords

PEEK = 32
"""Offsets of each partition that are looked at; more only while nothing pending was found."""

PEEK_SECONDS = 2.0
"""Time after which what was not read stays unknown."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Where the group stands in a partition: `committed`, what is `finished` above it, and the last stable `end`."""

    committed: int
    finished: Collection[int]
    end: int

    def first_from(self, offset: int) -> int:
        """Return the first offset from this one on that is not finished."""
        while offset in self.finished:
            offset += 1
        return offset

    def left_from(self, offset: int) -> int:
        """Return how many offsets from this one on are not finished."""
        return max(0, self.end - offset) - sum(offset <= done < self.end for done in self.finished)


@dataclass(frozen=True, slots=True)
class Pending:
    """What is not finished: `due` records that can be worked on now, and `not_due` ones that wait for their time.

    `since_ms` is when the oldest due one could first be worked on, in milliseconds since 1970: the time of its record,
    or for a retry when it was due; None if nothing is due, or it was not read in time. `exact`: all were looked at.
    """

    due: int
    not_due: int
    since_ms: int | None
    exact: bool


NOTHING_PENDING = Pending(0, 0, None, exact=True)


async def read_pending(
    reader: PartitionReader, marks: Mapping[Partition, Mark], retries: RetryPolicy, now_ms: int
) -> dict[Partition, Pending]:
    """Look at the first pending records of each partition.

    `consumer` is in no group, reads what is committed, resets to the earliest, and is assigned these partitions from
    here on. Raises `BusError` when no broker answers.
    """
    peeks = {tp: _Peek(mark, retries, now_ms) for tp, mark in marks.items()}
    end = asyncio.get_running_loop().time() + PEEK_SECONDS
    while (left := end - asyncio.get_running_loop().time()) > 0:
        spans = {tp: peek.wanted for tp, peek in peeks.items() if peek.wanted}
        if not spans:
            break
        for tp, read in (await reader.side_by_side(spans, left)).items():
            peeks[tp].take(read)
    times = {
        tp: now_ms - retries.delay_ms(tp.topic)
        for tp, peek in peeks.items()
        if peek.left and not peek.not_due and retries.is_retry(tp.topic)
    }
    bounds = await _offsets_at(reader, times)
    return {tp: peek.pending(bounds.get(tp)) for tp, peek in peeks.items()}


async def _offsets_at(reader: PartitionReader, times: Mapping[Partition, int]) -> dict[Partition, int]:
    """Return the first offset of each partition that is not older than its time, where there is one."""
    if not times:
        return {}
    async with answered_within(PEEK_SECONDS):
        found = await reader.first_since(times)
    return {tp: at for tp, at in found.items() if at is not None}


class _Peek:
    """The first pending records of one partition, as far as they were read."""

    def __init__(self, mark: Mark, retries: RetryPolicy, now_ms: int) -> None:
        self._mark = mark
        self._retries = retries
        self._now_ms = now_ms
        self._position = mark.first_from(mark.committed)
        self._due = 0
        self._since_ms: int | None = None
        self.not_due = 0

    @property
    def wanted(self) -> range:
        """What to read next; empty once something pending was found, or there is nothing."""
        if self._due or self.not_due:
            return range(0)
        return range(self._position, min(self._mark.end, self._position + PEEK))

    @property
    def left(self) -> int:
        """Offsets that were not looked at and are not finished."""
        return self._mark.left_from(self._position)

    def take(self, read: SpanRecords) -> None:
        for record in read.records:
            if record.offset >= self._position and record.offset not in self._mark.finished:
                self._count(record)
        self._position = self._mark.first_from(max(self._position, read.stop))

    def pending(self, bound: int | None) -> Pending:
        """Return the figures; a retry lane's records from the offset `bound` on were put there too late to be due."""
        # A lane stands still behind the first record that is not due.
        late = self.left if self.not_due else 0 if bound is None else self._mark.left_from(max(self._position, bound))
        due = self._due + self.left - late
        return Pending(due, self.not_due + late, self._since_ms, exact=not self.left)

    def _count(self, record: Record) -> None:
        due_ms = self._due_ms(record)
        if self.not_due or due_ms > self._now_ms:
            self.not_due += 1
            return
        self._due += 1
        if self._since_ms is None:
            self._since_ms = max(record.timestamp_ms, due_ms)

    def _due_ms(self, record: Record) -> int:
        return self._retries.unwrap(record).due_ms
