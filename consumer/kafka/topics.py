"""Topics and starting offsets: created from `schemas/topics/*.yaml`, compared with what the cluster has."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from aiokafka.partitioner import murmur2

from consumer.delivery.ports import UNCOMMITTED, Partition
from consumer.delivery.retry import DELAYS, RetryPolicy
from consumer.errors import Fatal
from consumer.kafka.admin_client import POLL_SECONDS, KafkaAdmin, TopicRequest, open_admin, set_offsets
from consumer.kafka.group import check_former_group
from consumer.kafka.partition_reader import open_partition_reader
from consumer.settings import Settings
from schemas import Reason
from schemas.names import BACKFILL, REQUESTED, RETRY_1H, RETRY_1M, RETRY_10M
from schemas.topics import TopicSpec, load_topics, required_topics

LANES = (REQUESTED, RETRY_1M, RETRY_10M, RETRY_1H, BACKFILL)
"""Base names of the lanes this worker reads, most urgent first."""


class StartPosition(StrEnum):
    """Where a group without committed offsets starts."""

    EARLIEST = "earliest"
    LATEST = "latest"


KNOWN_SECONDS = 5.0
"""Time within which every broker of a healthy cluster knows a new topic."""


@dataclass(frozen=True, slots=True)
class AppliedTopics:
    """What `apply` did, or would do in a dry run."""

    created: tuple[str, ...]
    differing: tuple[str, ...]
    offsets: Mapping[str, int]


def lane_topics(settings: Settings) -> tuple[str, ...]:
    """Return the full names of the lanes this worker reads."""
    return tuple(settings.topics.named(base) for base in LANES)


def retry_policy(settings: Settings) -> RetryPolicy:
    """Return the configured retry policy, with the retry lanes' full names."""
    worker = settings.worker
    delays = {settings.topics.named(base): seconds * worker.retry_delay_scale for base, seconds in DELAYS.items()}
    return RetryPolicy(delays, attempts=worker.attempts, max_age_seconds=worker.retry_age_seconds)


def key_partition(key: bytes, count: int) -> int:
    """Return the partition, of `count`, that Kafka's Java client chooses for a key."""
    return int(murmur2(key) & 0x7FFFFFFF) % count


async def one_partition_count(admin: KafkaAdmin, settings: Settings) -> int:
    """Return the one partition count of a worker's topics. Raises `Fatal` when one is missing or they differ."""
    names = [settings.topics.named(spec.name) for spec in required_topics()]
    counts = await admin.partition_counts(names)
    missing = [name for name in names if name not in counts]
    if missing:
        raise Fatal(
            Reason.TOPICS_MISMATCH, f"Topics are missing: {', '.join(missing)}. Create them: leadart topics apply."
        )
    if len(set(counts.values())) > 1:
        raise Fatal(
            Reason.TOPICS_MISMATCH,
            f"Partition counts differ: {counts}. All topics need one count; growing moves articles between shards, so "
            "drain the lanes and stop the workers first: LEADART_TOPICS__PARTITIONS=N leadart topics apply --grow.",
        )
    return next(iter(counts.values()))


async def apply(
    settings: Settings,
    start: StartPosition | None,
    *,
    force: bool = False,
    only: frozenset[tuple[str, int]] = frozenset(),
    dry_run: bool = False,
) -> AppliedTopics:
    """Create missing topics and commit the group's starting offsets where it has none (`force`: everywhere).

    `only` limits the partitions whose offsets may be set; empty: all of the lanes. Existing topics are compared, never
    changed. A `dry_run` changes nothing; while topics are missing it knows no offsets. Raises `BusError`, and `Fatal`
    for offsets of a running group, for a partition of no lane, and where an upgrade would change the group.
    """
    async with open_admin(settings.kafka) as admin:
        missing = await _missing(admin, settings)
        created = tuple(topic.name for topic in missing)
        if missing and dry_run:
            return AppliedTopics(created, (), {})
        if missing:
            await admin.create_topics(missing)
        count = await _count_when_known(admin, settings, KNOWN_SECONDS if missing else 0)
        differing = await differing_configs(admin, settings, load_topics())
        require_lane_partitions(only, settings, count)
        lanes = (Partition(lane, number) for lane in lane_topics(settings) for number in range(count))
        chosen = [partition for partition in lanes if not only or partition in only]
        if start and not force:
            await check_former_group(admin, settings)
        offsets = await _start_offsets(admin, settings, chosen, start, force=force) if start else {}
    if offsets and not dry_run:
        await set_offsets(settings.kafka, offsets)
    starts = {f"{partition.topic}:{partition.number}": offset for partition, offset in sorted(offsets.items())}
    return AppliedTopics(created, tuple(differing), starts)


def require_lane_partitions(partitions: Collection[tuple[str, int]], settings: Settings, count: int) -> None:
    """Raise `Fatal` for a partition of no lane; each lane has `count`."""
    lanes = lane_topics(settings)
    for topic, number in sorted(partitions):
        if topic not in lanes or number >= count:
            raise Fatal(
                Reason.TOPICS_MISMATCH,
                f"{topic}:{number} is not a partition of a lane: those are 0 to {count - 1} of {', '.join(lanes)}.",
            )


async def _count_when_known(admin: KafkaAdmin, settings: Settings, seconds: float) -> int:
    """Ask again for `seconds`: each request may reach another broker, and not all know new topics yet."""
    end = asyncio.get_running_loop().time() + seconds
    while True:
        try:
            return await one_partition_count(admin, settings)
        except Fatal:
            if asyncio.get_running_loop().time() >= end:
                raise
        await asyncio.sleep(POLL_SECONDS)


async def _missing(admin: KafkaAdmin, settings: Settings) -> list[TopicRequest]:
    specs = load_topics()
    counts = await admin.partition_counts([settings.topics.named(spec.name) for spec in specs])
    return [_request(spec, settings) for spec in specs if settings.topics.named(spec.name) not in counts]


def _request(spec: TopicSpec, settings: Settings) -> TopicRequest:
    replicas = settings.topics.replication_factor
    config = spec.config_for(replicas) if replicas > 0 else spec.config
    return TopicRequest(settings.topics.named(spec.name), settings.topics.partitions, replicas, config)


async def differing_configs(admin: KafkaAdmin, settings: Settings, topics: Sequence[TopicSpec]) -> list[str]:
    """Return a line for each difference between the configuration of these topics and what `schemas/topics/` says."""
    specs = {settings.topics.named(spec.name): spec for spec in topics}
    lines = []
    for name, actual in (await admin.topic_configs(list(specs))).items():
        for key, value in specs[name].config.items():
            if actual.get(key) != value:
                lines.append(f"{name}: {key} is {actual.get(key)}, the contract says {value}")
    return lines


async def _start_offsets(
    admin: KafkaAdmin, settings: Settings, partitions: Sequence[Partition], start: StartPosition, *, force: bool
) -> dict[Partition, int]:
    """Return where partitions without a committed offset (`force`: all) are to start."""
    committed = await admin.all_committed_offsets(partitions)
    unset = [partition for partition in partitions if force or committed[partition].offset == UNCOMMITTED]
    if not unset:
        return {}
    async with open_partition_reader(settings.kafka, committed=False) as reader:
        spans = await reader.spans(unset)
    return {
        partition: span.start if start is StartPosition.EARLIEST else span.stop for partition, span in spans.items()
    }


async def reset_offset_metadata(settings: Settings, topic: str, number: int) -> int:
    """Commit a lane partition's offset again without metadata: what was finished above it will be announced once more.

    Returns the offset. Raises `Fatal` when the group is running.
    """
    partition = Partition(topic, number)
    async with open_admin(settings.kafka) as admin:
        require_lane_partitions([partition], settings, await one_partition_count(admin, settings))
        offset = (await admin.all_committed_offsets([partition]))[partition].offset
    if offset == UNCOMMITTED:
        raise Fatal(Reason.NO_STARTING_OFFSET, f"The group has no offset for {topic}:{number}: leadart topics apply.")
    await set_offsets(settings.kafka, {partition: offset})
    return offset
