"""Topics and starting offsets: created from `schemas/topics/*.yaml`, compared with what the cluster has."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, TopicAuthorizationFailedError, for_code
from aiokafka.partitioner import murmur2
from aiokafka.structs import OffsetAndMetadata

from consumer.delivery.ports import UNCOMMITTED, BusError, Partition
from consumer.delivery.retry import DELAYS, RetryPolicy
from consumer.errors import Fatal
from consumer.kafka.client import answered_within, committed_offsets, connection, no_rights, open_admin
from schemas import Reason
from schemas.names import BACKFILL, REQUESTED, RETRY_1H, RETRY_1M, RETRY_10M
from schemas.topics import TopicSpec, load_topics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from aiokafka.admin import AIOKafkaAdminClient

    from consumer.delivery.ports import CommittedOffset
    from consumer.settings import Settings

LANES = (REQUESTED, RETRY_1M, RETRY_10M, RETRY_1H, BACKFILL)
"""Base names of the lanes this worker reads, most urgent first."""


class Start(StrEnum):
    """Where a group begins that never committed."""

    EARLIEST = "earliest"
    LATEST = "latest"


ASK_AGAIN_SECONDS = 0.3
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


async def partition_counts(admin: AIOKafkaAdminClient, topics: Sequence[str], seconds: float) -> dict[str, int]:
    """Return the partition count of each topic that exists. Raises `Fatal` when one may not be looked at."""
    async with answered_within(seconds):
        described = await admin.describe_topics(list(topics))
    hidden = [topic["topic"] for topic in described if topic["error_code"] == TopicAuthorizationFailedError.errno]
    if hidden:
        raise no_rights(TopicAuthorizationFailedError(hidden))
    return {topic["topic"]: len(topic["partitions"]) for topic in described if not topic["error_code"]}


def key_partition(key: bytes, count: int) -> int:
    """Return the partition, of `count`, that Kafka's Java client chooses for a key."""
    return int(murmur2(key) & 0x7FFFFFFF) % count


async def one_partition_count(admin: AIOKafkaAdminClient, settings: Settings) -> int:
    """Return the one partition count of all topics. Raises `Fatal` when one is missing or they differ."""
    names = [settings.topics.named(spec.name) for spec in load_topics()]
    counts = await partition_counts(admin, names, settings.kafka.request_timeout_seconds)
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


async def _count_when_known(admin: AIOKafkaAdminClient, settings: Settings, seconds: float) -> int:
    """Ask again for so long: each question may go to another broker, and not all have heard of new topics."""
    end = asyncio.get_running_loop().time() + seconds
    while True:
        try:
            return await one_partition_count(admin, settings)
        except Fatal:
            if asyncio.get_running_loop().time() >= end:
                raise
        await asyncio.sleep(ASK_AGAIN_SECONDS)


async def _create(admin: AIOKafkaAdminClient, settings: Settings, specs: Sequence[TopicSpec]) -> list[str]:
    seconds = settings.kafka.request_timeout_seconds
    counts = await partition_counts(admin, [settings.topics.named(spec.name) for spec in specs], seconds)
    wanted = [_new_topic(spec, settings) for spec in specs if settings.topics.named(spec.name) not in counts]
    if not wanted:
        return []
    async with answered_within(seconds):
        answer = await admin.create_topics(wanted)
    for name, code, *message in answer.topic_errors:
        if code == TopicAuthorizationFailedError.errno:
            raise _refused(f"create topic {name}")
        if code and for_code(code) is not TopicAlreadyExistsError:
            raise Fatal(Reason.TOPICS_MISMATCH, f"Kafka did not create {name}: {for_code(code).__name__} {message}")
    names = [topic.name for topic in wanted]
    await await_count(admin, names, 1, seconds)
    return names


def _refused(what: str) -> Fatal:
    return Fatal(
        Reason.MISCONFIGURED,
        f"Kafka refuses this user: no right to {what}. Check its ACLs: docs/operations/access.md.",
    )


async def await_count(admin: AIOKafkaAdminClient, topics: Sequence[str], count: int, seconds: float) -> None:
    """Wait until the broker that answers us knows so many partitions: the controller says yes before all have heard."""
    async with answered_within(seconds):
        while True:
            counts = await partition_counts(admin, topics, seconds)
            if all(counts.get(topic, 0) >= count for topic in topics):
                return
            await asyncio.sleep(ASK_AGAIN_SECONDS)


def _new_topic(spec: TopicSpec, settings: Settings) -> NewTopic:
    replicas = settings.topics.replication_factor
    config = spec.config_for(replicas) if replicas > 0 else dict(spec.config)
    topic = NewTopic(settings.topics.named(spec.name), settings.topics.partitions, 1, topic_configs=config)
    # The protocol knows -1 for the broker's default; only aiokafka's constructor does not.
    topic.replication_factor = replicas
    return topic


async def differing_configs(admin: AIOKafkaAdminClient, settings: Settings) -> list[str]:
    """Say, a line each, where a topic's configuration is not what `schemas/topics/` asks for."""
    specs = {settings.topics.named(spec.name): spec for spec in load_topics()}
    lines = []
    for name, actual in (await topic_configs(admin, settings, list(specs))).items():
        for key, value in specs[name].config.items():
            if actual.get(key) != value:
                lines.append(f"{name}: {key} is {actual.get(key)}, the contract says {value}")
    return lines


async def topic_configs(
    admin: AIOKafkaAdminClient, settings: Settings, topics: Sequence[str]
) -> dict[str, dict[str, str | None]]:
    """Return the effective configuration of each topic. Raises `Fatal` when one may not be looked at."""
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in topics]
    async with answered_within(settings.kafka.request_timeout_seconds):
        answers = await admin.describe_configs(resources)
    hidden = [name for answer in answers for code, _message, _kind, name, _entries in answer.resources if code]
    if hidden:
        raise _refused(f"describe the configuration (DescribeConfigs) of topic {', '.join(hidden)}")
    return {
        name: {entry[0]: entry[1] for entry in entries}
        for answer in answers
        for _code, _message, _kind, name, entries in answer.resources
    }


async def _start_offsets(
    admin: AIOKafkaAdminClient,
    settings: Settings,
    partitions: Sequence[Partition],
    start: Start,
    *,
    force: bool,
) -> dict[str, int]:
    seconds = settings.kafka.request_timeout_seconds
    committed = await whole_offsets(admin, settings, partitions)
    unset = [tp for tp in partitions if force or committed[tp].offset == UNCOMMITTED]
    if not unset:
        return {}
    async with _offset_writer(settings) as consumer:
        find = consumer.beginning_offsets if start is Start.EARLIEST else consumer.end_offsets
        async with answered_within(seconds):
            offsets: dict[TopicPartition, int] = await find([TopicPartition(*partition) for partition in unset])
        await _commit(consumer, settings, offsets)
    return {f"{tp.topic}:{tp.partition}": offset for tp, offset in sorted(offsets.items())}


async def whole_offsets(
    admin: AIOKafkaAdminClient, settings: Settings, partitions: Sequence[Partition]
) -> Mapping[Partition, CommittedOffset]:
    """Read committed offsets until the answer is whole: a young cluster first has to make its coordinator."""
    async with answered_within(settings.kafka.request_timeout_seconds):
        while True:
            with suppress(BusError):
                answer = await committed_offsets(admin, settings.kafka, partitions)
                if all(tp in answer for tp in partitions):
                    return answer
            await asyncio.sleep(ASK_AGAIN_SECONDS)


async def forget_progress(settings: Settings, topic: str, partition: int) -> int:
    """Commit the partition's offset again without metadata; what was finished above it will be announced once more.

    Returns the offset. Raises `Fatal` when the group is running.
    """
    tp = Partition(topic, partition)
    async with open_admin(settings.kafka) as admin:
        committed = await whole_offsets(admin, settings, [tp])
    if committed[tp].offset == UNCOMMITTED:
        raise Fatal(
            Reason.NO_STARTING_OFFSET, f"The group has no offset for {topic}:{partition}: leadart topics apply."
        )
    offset: int = committed[tp].offset
    async with _offset_writer(settings) as consumer:
        await _commit(consumer, settings, {tp: offset})
    return offset


@asynccontextmanager
async def _offset_writer(settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    """Open a consumer that never joins: `assign` and `commit` are the one way to set a stopped group's offsets."""
    group_id = settings.kafka.group_id
    consumer = AIOKafkaConsumer(**connection(settings.kafka), group_id=group_id, enable_auto_commit=False)
    try:
        async with answered_within(settings.kafka.request_timeout_seconds):
            await consumer.start()
        yield consumer
    finally:
        await consumer.stop()


async def _commit(
    consumer: AIOKafkaConsumer, settings: Settings, offsets: Mapping[Partition, int] | Mapping[TopicPartition, int]
) -> None:
    unnoted = {TopicPartition(*partition): OffsetAndMetadata(offset, "") for partition, offset in offsets.items()}
    consumer.assign(list(unnoted))
    try:
        async with answered_within(settings.kafka.request_timeout_seconds):
            await consumer.commit(unnoted)
    except BusError as error:
        raise Fatal(
            Reason.MISCONFIGURED,
            f"Stop the workers first: Kafka takes no offsets for group {settings.kafka.group_id} while it has members.",
        ) from error
