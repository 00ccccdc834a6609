"""Topics and starting offsets: created from `schemas/topics/*.yaml`, compared with what the cluster has."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from aiokafka.partitioner import murmur2

from consumer.delivery.ports import UNCOMMITTED, Partition
from consumer.delivery.retry import DELAYS, RetryPolicy
from consumer.errors import Fatal
from consumer.kafka.admin_client import POLL_SECONDS, TopicRequest, open_admin, set_offsets
from consumer.kafka.partition_reader import open_partition_reader
from schemas import Reason
from schemas.names import BACKFILL, REQUESTED, RETRY_1H, RETRY_1M, RETRY_10M
from schemas.topics import TopicSpec, load_topics

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from consumer.kafka.admin_client import KafkaAdmin
    from consumer.settings import Settings

LANES = (REQUESTED, RETRY_1M, RETRY_10M, RETRY_1H, BACKFILL)
"""Base names of the lanes this worker reads, most urgent first."""


class Start(StrEnum):
    """Where a group begins that never committed."""

    EARLIEST = "earliest"
    LATEST = "latest"


KNOWN_SECONDS = 5.0
"""After this long every broker of a cluster that is well knows a new topic."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What `apply` did."""

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
    """Return the one partition count of all topics. Raises `Fatal` when one is missing or they differ."""
    names = [settings.topics.named(spec.name) for spec in load_topics()]
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
    settings: Settings, start: Start | None, *, force: bool = False, only: frozenset[tuple[str, int]] = frozenset()
) -> Applied:
    """Create what is missing and commit the group's starting offsets where it has none (`force`: everywhere).

    `only` names the partitions whose offsets may be set; none: all of the lanes. Existing topics are compared, never
    changed. Raises `Fatal` when the group is running and offsets are to be written and for what `only` names and is not
    there, `BusError` when no broker answers.
    """
    async with open_admin(settings.kafka) as admin:
        created = await _create(admin, settings, load_topics())
        count = await _count_when_known(admin, settings, KNOWN_SECONDS if created else 0)
        differing = await differing_configs(admin, settings)
        lanes = [settings.topics.named(spec.name) for spec in load_topics() if spec.kind == "lane"]
        partitions = [Partition(lane, number) for lane in lanes for number in range(count)]
        if strange := sorted(only - set(partitions)):
            topic, number = strange[0]
            raise Fatal(
                Reason.TOPICS_MISMATCH,
                f"{topic}:{number} is no partition of a lane: those are 0 to {count - 1} of {', '.join(lanes)}.",
            )
        chosen = [tp for tp in partitions if not only or tp in only]
        offsets = await _start_offsets(admin, settings, chosen, start, force=force) if start else {}
    return Applied(tuple(created), tuple(differing), offsets)


async def _count_when_known(admin: KafkaAdmin, settings: Settings, seconds: float) -> int:
    """Ask again for so long: each question may go to another broker, and not all have heard of new topics."""
    end = asyncio.get_running_loop().time() + seconds
    while True:
        try:
            return await one_partition_count(admin, settings)
        except Fatal:
            if asyncio.get_running_loop().time() >= end:
                raise
        await asyncio.sleep(POLL_SECONDS)


async def _create(admin: KafkaAdmin, settings: Settings, specs: Sequence[TopicSpec]) -> list[str]:
    counts = await admin.partition_counts([settings.topics.named(spec.name) for spec in specs])
    wanted = [_request(spec, settings) for spec in specs if settings.topics.named(spec.name) not in counts]
    if wanted:
        await admin.create_topics(wanted)
    return [topic.name for topic in wanted]


def _request(spec: TopicSpec, settings: Settings) -> TopicRequest:
    replicas = settings.topics.replication_factor
    config = spec.config_for(replicas) if replicas > 0 else spec.config
    return TopicRequest(settings.topics.named(spec.name), settings.topics.partitions, replicas, config)


async def differing_configs(admin: KafkaAdmin, settings: Settings) -> list[str]:
    """Say, a line each, where a topic's configuration is not what `schemas/topics/` asks for."""
    specs = {settings.topics.named(spec.name): spec for spec in load_topics()}
    lines = []
    for name, actual in (await admin.topic_configs(list(specs))).items():
        for key, value in specs[name].config.items():
            if actual.get(key) != value:
                lines.append(f"{name}: {key} is {actual.get(key)}, the contract says {value}")
    return lines


async def _start_offsets(
    admin: KafkaAdmin, settings: Settings, partitions: Sequence[Partition], start: Start, *, force: bool
) -> dict[str, int]:
    committed = await admin.all_committed_offsets(partitions)
    unset = [partition for partition in partitions if force or committed[partition].offset == UNCOMMITTED]
    if not unset:
        return {}
    async with open_partition_reader(settings.kafka, committed=False) as reader:
        spans = await reader.spans(unset)
    offsets = {partition: span.start if start is Start.EARLIEST else span.stop for partition, span in spans.items()}
    await set_offsets(settings.kafka, offsets)
    return {f"{partition.topic}:{partition.number}": offset for partition, offset in sorted(offsets.items())}


async def forget_progress(settings: Settings, topic: str, number: int) -> int:
    """Commit the partition's offset again without metadata; what was finished above it will be announced once more.

    Returns the offset. Raises `Fatal` when the group is running.
    """
    partition = Partition(topic, number)
    async with open_admin(settings.kafka) as admin:
        offset = (await admin.all_committed_offsets([partition]))[partition].offset
    if offset == UNCOMMITTED:
        raise Fatal(Reason.NO_STARTING_OFFSET, f"The group has no offset for {topic}:{number}: leadart topics apply.")
    await set_offsets(settings.kafka, {partition: offset})
    return offset
