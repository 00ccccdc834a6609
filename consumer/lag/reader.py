"""Consumer lag: what the group has not finished, from committed offsets and log ends; usable with all workers down."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumer.delivery.offset_metadata import MetadataUnreadable, OffsetMetadata, read_metadata
from consumer.delivery.ports import UNCOMMITTED, BusError, Partition
from consumer.kafka.admin_client import POLL_SECONDS, open_admin
from consumer.kafka.partition_reader import open_partition_reader
from consumer.kafka.topics import lane_topics, retry_policy
from consumer.lag.backlog import NOTHING_PENDING, Mark, Pending, read_pending
from consumer.lag.throughput import NOTHING_MEASURED, Measured, measure
from schemas.names import OUTCOME

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping, Sequence

    from consumer.delivery.ports import CommittedOffset
    from consumer.kafka.admin_client import KafkaAdmin
    from consumer.kafka.partition_reader import PartitionReader
    from consumer.settings import Settings

PEEK_BYTES = 64 * 1024
"""Read of each partition at a time: the oldest records are wanted, not the backlog."""

COORDINATOR_SECONDS = 5.0
"""How long a group may be without a coordinator before the lag is unknown."""


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """One partition's lag. None is unknown: never committed, unreadable metadata, or not read in time.

    `trouble` is the reason code of what keeps its worker from working, as that worker told the group; mostly empty.
    `hidden` is how many offsets lie behind the first open transaction, where no worker sees them.
    """

    topic: str
    partition: int
    committed: int | None
    end: int
    finished_above: int | None
    trouble: str = ""
    hidden: int | None = None
    pending: Pending | None = None

    @property
    def records(self) -> int | None:
        """Offsets between the commit and the last stable one: what Burrow and KEDA see."""
        return None if self.committed is None else max(0, self.end - self.committed)

    @property
    def incomplete(self) -> int | None:
        """Records not finished that could be worked on now; those not due are apart."""
        return self.pending.due if self.pending else None

    @property
    def not_due(self) -> int | None:
        """Records of a retry lane that wait for their time."""
        return self.pending.not_due if self.pending else None

    def waited(self, at_ms: int) -> float | None:
        """Seconds that the oldest of the incomplete records has waited at that time."""
        if self.pending is None or self.pending.since_ms is None:
            return None
        return max(0, at_ms - self.pending.since_ms) / 1000


@dataclass(frozen=True, slots=True)
class Look:
    """All that one look at the group found, at a time in milliseconds since 1970. `members` None: could not be told."""

    at_ms: int
    members: int | None
    measured: Measured
    partitions: tuple[PartitionLag, ...]


class LagReader:
    """Reads the lag of all lanes over connections it keeps. Every read is bounded in time.

    `committed` reads committed records only and resets to the earliest, `everything` reads all; neither is in a group.
    """

    def __init__(
        self,
        settings: Settings,
        admin: KafkaAdmin,
        committed: PartitionReader,
        everything: PartitionReader,
    ) -> None:
        self._settings = settings
        self._admin = admin
        self._committed = committed
        self._everything = everything
        self._retries = retry_policy(settings)

    async def read(self, shards: Collection[int] | None = None, *, outcomes: bool = True) -> Look:
        """Read committed offsets first, log ends after: lag may look larger than it is, never smaller.

        `shards` are the partition numbers wanted, all without it; `outcomes` whether to measure by them, which takes
        the right to read them. Raises `BusError`, and `Fatal` for missing rights; an unanswered question is never a lag
        of 0.
        """
        counts = await self._admin.partition_counts(self._topics(outcomes=outcomes))
        for reader in (self._committed, self._everything):
            # Only those that are there: asking for one creates it where brokers are set to.
            await reader.load_metadata(list(counts))
        outcome_partitions = counts.pop(self._settings.topics.named(OUTCOME), 0)
        tps = [
            Partition(topic, number)
            for topic, count in counts.items()
            for number in range(count)
            if shards is None or number in shards
        ]
        lags = await self._partitions(tps) if tps else ()
        measured = await measure(self._settings, self._committed, outcome_partitions) if outcomes else NOTHING_MEASURED
        return Look(_now_ms(), await self._members(), measured, lags)

    def _topics(self, *, outcomes: bool) -> list[str]:
        return [*lane_topics(self._settings), *([self._settings.topics.named(OUTCOME)] if outcomes else [])]

    async def _partitions(self, tps: Sequence[Partition]) -> tuple[PartitionLag, ...]:
        committed = await self._offsets(tps)
        # Under read-committed the end is the last stable offset. Not `highwater`: it stands still while paused.
        ends, tops = await self._committed.ends(tps), await self._everything.ends(tps)
        notes = {tp: note for tp, progress in committed.items() if (note := _note(progress)) is not None}
        pending = await self._pending(committed, notes, ends)
        return tuple(
            PartitionLag(
                topic=tp.topic,
                partition=tp.number,
                committed=_offset(committed.get(tp)),
                end=ends[tp],
                finished_above=len(notes[tp].finished) if tp in notes else None,
                trouble=notes[tp].outage if tp in notes else "",
                hidden=max(0, tops[tp] - ends[tp]),
                pending=pending.get(tp),
            )
            for tp in sorted(tps)
        )

    async def _offsets(self, tps: Sequence[Partition]) -> dict[Partition, CommittedOffset]:
        """Read the offsets; a young cluster, or one that lost a broker, first has to find the group a coordinator."""
        end = asyncio.get_running_loop().time() + COORDINATOR_SECONDS
        while asyncio.get_running_loop().time() < end:
            with suppress(BusError):
                return await self._admin.committed_offsets(tps)
            await asyncio.sleep(POLL_SECONDS)
        return await self._admin.committed_offsets(tps)

    async def _pending(
        self,
        committed: Mapping[Partition, CommittedOffset],
        notes: Mapping[Partition, OffsetMetadata],
        ends: Mapping[Partition, int],
    ) -> dict[Partition, Pending]:
        marks = {tp: Mark(committed[tp].offset, note.finished, ends[tp]) for tp, note in notes.items()}
        behind = {tp: mark for tp, mark in marks.items() if mark.left_from(mark.committed)}
        found = await read_pending(self._committed, behind, self._retries, _now_ms()) if behind else {}
        return {tp: found.get(tp, NOTHING_PENDING) for tp in marks}

    async def _members(self) -> int | None:
        """Count the group's members; None where that may not be looked at, or its coordinator is loading."""
        with suppress(BusError):
            return (await self._admin.group()).members
        return None


def _offset(progress: CommittedOffset | None) -> int | None:
    return None if progress is None or progress.offset == UNCOMMITTED else progress.offset


def _note(progress: CommittedOffset) -> OffsetMetadata | None:
    if progress.offset == UNCOMMITTED:
        return None
    try:
        return read_metadata(progress)
    except MetadataUnreadable:
        return None


def _now_ms() -> int:
    return int(time.time() * 1000)


@asynccontextmanager
async def open_lag_reader(settings: Settings, admin: KafkaAdmin | None = None) -> AsyncIterator[LagReader]:
    """Open the connections; `admin` is used if given. Raises `BusError` when no broker answers."""
    async with AsyncExitStack() as stack:
        if admin is None:
            admin = await stack.enter_async_context(open_admin(settings.kafka))
        committed = await stack.enter_async_context(open_partition_reader(settings.kafka, fetch_bytes=PEEK_BYTES))
        everything = await stack.enter_async_context(
            open_partition_reader(settings.kafka, committed=False, fetch_bytes=PEEK_BYTES)
        )
        yield LagReader(settings, admin, committed, everything)


def total(lags: Sequence[PartitionLag]) -> int | None:
    """Return the lag of all partitions together, None if that of any is unknown."""
    records = [lag.records for lag in lags]
    return None if any(count is None for count in records) else sum(count for count in records if count is not None)
