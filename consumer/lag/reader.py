"""Consumer lag: what the group has not finished, from committed offsets and log ends; works with all workers down."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar

from consumer.delivery.controls import NO_CONTROLS, Controls
from consumer.delivery.offset_metadata import MetadataUnreadable, OffsetMetadata, read_metadata
from consumer.delivery.ports import UNCOMMITTED, BusError, CommittedOffset, Partition
from consumer.delivery.positions import StuckPartition
from consumer.kafka.admin_client import POLL_SECONDS, KafkaAdmin, open_admin
from consumer.kafka.partition_reader import PartitionReader, open_partition_reader
from consumer.kafka.topics import lane_topics, retry_policy
from consumer.lag.backlog import NO_BACKLOG, Backlog, GroupPosition, read_backlogs
from consumer.lag.controls import ControlsReader
from consumer.lag.own_offsets import foreign_commits
from consumer.lag.positions import GroupPositions
from consumer.lag.throughput import NO_THROUGHPUT, Throughput, read_throughput
from consumer.settings import Settings
from schemas.names import BACKFILL, HEADS, OUTCOME

PEEK_BYTES = 64 * 1024
"""Fetched of each partition at a time: the oldest records are wanted, not the backlog."""

COORDINATOR_SECONDS = 5.0
"""How long a group may be without a coordinator before the lag is unknown."""

Number = TypeVar("Number", int, float)


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """One partition's lag. None is unknown: never committed, unreadable metadata, or not read in time.

    `outage` is the reason code of what keeps its worker from working, as that worker committed it; mostly empty.
    `hidden` is the number of offsets behind the first open transaction, where no worker sees them. `foreign` is the
    offset that somebody else committed for the group, at or ahead of `committed`, which is leadart's own then. `stuck`
    says what an operator has to decide before the partition can be worked on; `deleted` is how many offsets were
    deleted unread. `held`: its lane is not read, because it is paused.
    """

    topic: str
    partition: int
    committed: int | None
    end: int
    finished_above: int | None
    outage: str = ""
    hidden: int | None = None
    backlog: Backlog | None = None
    foreign: int | None = None
    stuck: StuckPartition | None = None
    deleted: int | None = None
    held: bool = False

    @property
    def skipped(self) -> range:
        """The offsets that somebody else's commit would skip."""
        return range(self.committed or 0, self.foreign or 0)

    @property
    def records(self) -> int | None:
        """Offsets from the commit to the last stable one: what Burrow and KEDA see, unless others committed."""
        return None if self.committed is None else max(0, self.end - self.committed)

    @property
    def incomplete(self) -> int | None:
        """Unfinished records that could be worked on now."""
        return None if self.backlog is None else 0 if self.held else self.backlog.due

    @property
    def paused(self) -> int | None:
        """Unfinished records that wait until their lane is resumed."""
        return None if self.backlog is None else self.backlog.due if self.held else 0

    @property
    def not_due(self) -> int | None:
        """Records of a retry lane that wait for their time."""
        return self.backlog.not_due if self.backlog else None

    def waited(self, at_ms: int) -> float | None:
        """Return the seconds that the oldest incomplete record has waited at that time."""
        if self.backlog is None or self.backlog.since_ms is None or self.held:
            return None
        return max(0, at_ms - self.backlog.since_ms) / 1000


def skipped_by_topic(lags: Iterable[PartitionLag]) -> dict[str, dict[int, range]]:
    """Return what others' commits would skip, by topic and partition number."""
    skipped: dict[str, dict[int, range]] = {}
    for lag in lags:
        if lag.skipped:
            skipped.setdefault(lag.topic, {})[lag.partition] = lag.skipped
    return skipped


@dataclass(frozen=True, slots=True)
class LagSnapshot:
    """The group's lag at a time in milliseconds since 1970. None is unknown, of `members` and of `controls`."""

    at_ms: int
    members: int | None
    throughput: Throughput
    partitions: tuple[PartitionLag, ...]
    controls: Controls | None = NO_CONTROLS


class LagReader:
    """Reads the lag of all lanes over connections it keeps. Every read is bounded in time.

    `committed` reads committed records only, `everything` reads all.
    """

    def __init__(
        self, settings: Settings, admin: KafkaAdmin, committed: PartitionReader, everything: PartitionReader
    ) -> None:
        self._settings = settings
        self._admin = admin
        self._committed = committed
        self._everything = everything
        self._retries = retry_policy(settings)
        self._holdable = settings.topics.named(BACKFILL)
        self._controls = ControlsReader(settings.topics.named(HEADS), settings.kafka.group_id)

    async def read(self, shards: Collection[int] | None = None, *, outcomes: bool = True) -> LagSnapshot:
        """Read committed offsets first, log ends after: lag may be overestimated, never underestimated.

        `shards` are the partition numbers wanted, None for all; `outcomes`: read the throughput too, which takes the
        ACL to read outcomes. Raises `BusError`, and `Fatal` where access is denied; no answer is never a lag of 0.
        """
        outcome_topic = self._settings.topics.named(OUTCOME)
        lanes = lane_topics(self._settings)
        counts = await self._load([*lanes, *([outcome_topic] if outcomes else [])])
        partitions = _partitions({lane: counts[lane] for lane in lanes if lane in counts}, shards)
        controls = await self._controls.read(self._committed) if partitions else NO_CONTROLS
        lags = await self._lags(partitions, controls or NO_CONTROLS) if partitions else ()
        throughput = NO_THROUGHPUT
        if outcomes:
            throughput = await read_throughput(self._settings, self._committed, counts.get(outcome_topic, 0))
        return LagSnapshot(_now_ms(), await self._members(), throughput, lags, controls)

    async def positions(self) -> GroupPositions:
        """Compare the offsets with what the logs of all lanes hold. Raises `BusError`, `Fatal` for denied access."""
        return await self._positions(_partitions(await self._load(lane_topics(self._settings)), None))

    async def _load(self, topics: Collection[str]) -> Mapping[str, int]:
        """Return the partition counts of the topics that exist, and let both readers know of those.

        Asking them for another would create it where brokers are set to.
        """
        counts = await self._admin.partition_counts(topics)
        for reader in (self._committed, self._everything):
            await reader.load_metadata(list(counts))
        return counts

    async def _positions(self, partitions: Sequence[Partition]) -> GroupPositions:
        offsets = await self._offsets(partitions)
        own = await self._foreign(offsets)
        foreign = {partition: offsets[partition].offset for partition in own}
        return GroupPositions(offsets | own, await self._everything.spans(partitions), foreign)

    async def _lags(self, partitions: Sequence[Partition], controls: Controls) -> tuple[PartitionLag, ...]:
        positions = await self._positions(partitions)
        offsets, spans, stuck, deleted = positions.offsets, positions.spans, positions.stuck, positions.deleted
        # Read-committed, the end is the last stable offset. Not `highwater`: it stands still while paused.
        ends = await self._committed.ends(partitions)
        metadata = {partition: read for partition, at in offsets.items() if (read := _metadata(at)) is not None}
        backlogs = await self._backlogs(offsets, metadata, ends)
        return tuple(
            PartitionLag(
                topic=partition.topic,
                partition=partition.number,
                committed=_offset(offsets.get(partition)),
                end=ends[partition],
                finished_above=len(metadata[partition].finished) if partition in metadata else None,
                outage=metadata[partition].outage if partition in metadata else "",
                hidden=max(0, spans[partition].stop - ends[partition]),
                backlog=backlogs.get(partition),
                foreign=positions.foreign.get(partition),
                stuck=stuck.get(partition),
                deleted=deleted.get(partition),
                held=partition.topic == self._holdable and controls.lane_paused(partition.topic),
            )
            for partition in sorted(partitions)
        )

    async def _offsets(self, partitions: Sequence[Partition]) -> dict[Partition, CommittedOffset]:
        """Read the offsets; a young cluster, or one that lost a broker, first has to find the group a coordinator."""
        end = asyncio.get_running_loop().time() + COORDINATOR_SECONDS
        while asyncio.get_running_loop().time() < end:
            with suppress(BusError):
                return await self._admin.committed_offsets(partitions)
            await asyncio.sleep(POLL_SECONDS)
        return await self._admin.committed_offsets(partitions)

    async def _foreign(self, offsets: Mapping[Partition, CommittedOffset]) -> dict[Partition, CommittedOffset]:
        heads, group_id = self._settings.topics.named(HEADS), self._settings.kafka.group_id
        return await foreign_commits(self._committed, heads, group_id, offsets)

    async def _backlogs(
        self,
        offsets: Mapping[Partition, CommittedOffset],
        metadata: Mapping[Partition, OffsetMetadata],
        ends: Mapping[Partition, int],
    ) -> dict[Partition, Backlog]:
        positions = {at: GroupPosition(offsets[at].offset, read.finished, ends[at]) for at, read in metadata.items()}
        behind = {at: position for at, position in positions.items() if position.left_from(position.committed)}
        found = await read_backlogs(self._committed, behind, self._retries, _now_ms()) if behind else {}
        return {at: found.get(at, NO_BACKLOG) for at in positions}

    async def _members(self) -> int | None:
        with suppress(BusError):
            members = (await self._admin.group()).members
            return None if members is None else len(members)
        return None


def _partitions(counts: Mapping[str, int], shards: Collection[int] | None) -> list[Partition]:
    return [
        Partition(topic, number)
        for topic, count in counts.items()
        for number in range(count)
        if shards is None or number in shards
    ]


def _offset(committed: CommittedOffset | None) -> int | None:
    return None if committed is None or committed.offset == UNCOMMITTED else committed.offset


def _metadata(committed: CommittedOffset) -> OffsetMetadata | None:
    if committed.offset == UNCOMMITTED:
        return None
    try:
        return read_metadata(committed)
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


def known_sum(figures: Iterable[Number | None]) -> Number | None:
    """Return the sum, None if there are no figures or one is unknown."""
    given = list(figures)
    known = [figure for figure in given if figure is not None]
    return sum(known[1:], known[0]) if known and len(known) == len(given) else None
