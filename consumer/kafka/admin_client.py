"""aiokafka's admin client behind our own types: topics, configurations, offsets and the group."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata
from aiokafka.errors import TopicAlreadyExistsError, TopicAuthorizationFailedError, for_code
from aiokafka.structs import OffsetAndMetadata

from consumer.delivery.offset_metadata import OffsetMetadata, write_metadata
from consumer.delivery.ports import BusError, CommittedOffset, Partition
from consumer.errors import Fatal
from consumer.kafka.client import access_denied, answered_within, connection
from consumer.kafka.contact import first_contact
from consumer.kafka.producer_close import CLOSE_SECONDS
from consumer.settings import KafkaSettings
from schemas import Reason

POLL_SECONDS = 0.3
"""Pause before a broker is asked again for what it does not know yet."""


class TopicsMissing(Fatal):
    """Topics that are needed do not exist, or not yet; the message names them and the remedy."""

    def __init__(self, topics: Collection[str]) -> None:
        super().__init__(Reason.MISCONFIGURED, f"There is no topic {', '.join(topics)}: run `leadart topics apply`.")


class TopicRequest(NamedTuple):
    """A topic to create. `replicas` -1 means the broker's default."""

    name: str
    partitions: int
    replicas: int
    config: Mapping[str, str]


class GroupMember(NamedTuple):
    """A member of a group. `topics` are those it subscribed to, empty while the group rebalances."""

    client_id: str
    host: str
    topics: frozenset[str]


class ConsumerGroup(NamedTuple):
    """The group as its coordinator describes it. `members` None: not allowed to see, or still loading."""

    state: str
    members: tuple[GroupMember, ...] | None


class KafkaAdmin:
    """An admin client. Every call is bounded in time and raises `BusError`, or `Fatal` where access is denied.

    `client` is aiokafka's own, for requests without a method here.
    """

    def __init__(self, settings: KafkaSettings, client: AIOKafkaAdminClient) -> None:
        self.client = client
        self.seconds = settings.request_timeout_seconds
        self._group_id = settings.group_id

    async def partition_counts(self, topics: Collection[str]) -> dict[str, int]:
        """Return the partition count of each topic that exists."""
        return {topic["topic"]: len(topic["partitions"]) for topic in await self._described(topics)}

    async def fewest_replicas(self, topics: Collection[str]) -> int:
        """Return the least number of replicas of any partition."""
        described = await self._described(topics)
        return min(len(partition["replicas"]) for topic in described for partition in topic["partitions"])

    async def _described(self, topics: Collection[str]) -> list[dict[str, Any]]:
        async with answered_within(self.seconds):
            described = await self.client.describe_topics(list(topics))
        hidden = [topic["topic"] for topic in described if topic["error_code"] == TopicAuthorizationFailedError.errno]
        if hidden:
            raise access_denied(TopicAuthorizationFailedError(hidden))
        return [topic for topic in described if not topic["error_code"]]

    async def await_partitions(self, topics: Collection[str], count: int) -> None:
        """Wait until the broker that answers knows `count` partitions: the controller agrees before all have heard."""
        async with answered_within(self.seconds):
            while True:
                counts = await self.partition_counts(topics)
                if all(counts.get(topic, 0) >= count for topic in topics):
                    return
                await asyncio.sleep(POLL_SECONDS)

    async def create_topics(self, topics: Collection[TopicRequest]) -> None:
        """Create topics, unless they exist, and wait until they are known."""
        wanted = []
        for topic in topics:
            wanted.append(new := NewTopic(topic.name, topic.partitions, 1, topic_configs=dict(topic.config)))
            # The protocol knows -1 for the broker's default; only aiokafka's constructor does not.
            new.replication_factor = topic.replicas
        async with answered_within(self.seconds):
            answer = await self.client.create_topics(wanted)
        for name, code, *message in answer.topic_errors:
            if code == TopicAuthorizationFailedError.errno:
                raise _denied(f"create topic {name}")
            if code and for_code(code) is not TopicAlreadyExistsError:
                raise Fatal(Reason.TOPICS_MISMATCH, f"Kafka did not create {name}: {for_code(code).__name__} {message}")
        await self.await_partitions([topic.name for topic in topics], 1)

    async def add_partitions(self, topics: Collection[str], count: int) -> None:
        """Grow topics to `count` partitions and wait until that is known."""
        async with answered_within(self.seconds):
            try:
                await self.client.create_partitions({name: NewPartitions(count) for name in topics})
            except TopicAuthorizationFailedError as error:
                raise Fatal(
                    Reason.MISCONFIGURED,
                    f"Kafka denies this user access, not authorized: add partitions to {', '.join(topics)}. That takes "
                    "Alter, which the standing ACLs leave out: docs/operations/access.md.",
                ) from error
        await self.await_partitions(topics, count)

    async def delete_topics(self, topics: Collection[str]) -> None:
        """Delete topics."""
        async with answered_within(self.seconds):
            await self.client.delete_topics(list(topics))

    async def delete_records(self, partition: Partition, before: int) -> None:
        """Delete a partition's records below an offset."""
        async with answered_within(self.seconds):
            try:
                await self.client.delete_records({TopicPartition(*partition): RecordsToDelete(before)})
            except TopicAuthorizationFailedError as error:
                raise TopicAuthorizationFailedError(partition.topic) from error  # aiokafka does not say which

    async def topic_configs(self, topics: Collection[str]) -> dict[str, dict[str, str | None]]:
        """Return the effective configuration of each topic."""
        resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in topics]
        async with answered_within(self.seconds):
            answers = await self.client.describe_configs(resources)
        hidden = [name for answer in answers for code, _message, _kind, name, _entries in answer.resources if code]
        if hidden:
            raise _denied(f"describe the configuration (DescribeConfigs) of topic {', '.join(hidden)}")
        return {
            name: {entry[0]: entry[1] for entry in entries}
            for answer in answers
            for _code, _message, _kind, name, entries in answer.resources
        }

    async def broker_config(self) -> dict[str, str | None] | None:
        """Return the configuration of any one broker, None where access is denied."""
        async with answered_within(self.seconds):
            broker = next(iter((await self.client.describe_cluster())["brokers"]))["node_id"]
            (answer,) = await self.client.describe_configs([ConfigResource(ConfigResourceType.BROKER, str(broker))])
        if any(code for code, *_ in answer.resources):
            return None
        return {entry[0]: entry[1] for *_, entries in answer.resources for entry in entries}

    async def group(self) -> ConsumerGroup:
        """Describe the group."""
        async with answered_within(self.seconds):
            (answer,) = await self.client.describe_consumer_groups([self._group_id])
        ((code, _name, state, _type, _protocol, members, *_),) = answer.groups
        return ConsumerGroup(state, None if code else tuple(_member(*member) for member in members))

    async def committed_offsets(
        self, partitions: Collection[Partition], group_id: str | None = None
    ) -> dict[Partition, CommittedOffset]:
        """Return the committed offsets, with their metadata, of this worker's group or another one.

        A partition missing from the answer means that the call failed: aiokafka ignores the error that stands for the
        whole group.
        """
        asked = [TopicPartition(*partition) for partition in partitions]
        async with answered_within(self.seconds):
            answer = await self.client.list_consumer_group_offsets(group_id or self._group_id, partitions=asked)
        return {Partition(*tp): CommittedOffset(at.offset, at.metadata or "") for tp, at in answer.items()}

    async def all_committed_offsets(self, partitions: Collection[Partition]) -> dict[Partition, CommittedOffset]:
        """Ask until no partition is missing: a young cluster first has to create the group's coordinator."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.seconds):
                while True:
                    with suppress(BusError):
                        answer = await self.committed_offsets(partitions)
                        if all(partition in answer for partition in partitions):
                            return answer
                    await asyncio.sleep(POLL_SECONDS)
        raise BusError(f"the coordinator of group {self._group_id} gave no offsets within {self.seconds} s")


def _member(_member_id: str, client_id: str, host: str, metadata: bytes, *_rest: object) -> GroupMember:
    """Decode a member; one that is not a consumer, such as a Connect worker, subscribes to no topic."""
    try:
        topics = frozenset(ConsumerProtocolMemberMetadata.decode(metadata).subscription) if metadata else frozenset()
    except ValueError:
        topics = frozenset()
    return GroupMember(client_id, host.removeprefix("/"), topics)


def _denied(what: str) -> Fatal:
    return Fatal(
        Reason.MISCONFIGURED,
        f"Kafka denies this user access, not authorized: {what}. Check its ACLs: docs/operations/access.md.",
    )


@asynccontextmanager
async def open_admin(settings: KafkaSettings) -> AsyncIterator[KafkaAdmin]:
    """Open an admin client. Raises `BusError` when no broker answers, `Fatal` when one rejects this worker."""
    client = AIOKafkaAdminClient(**connection(settings))
    try:
        await first_contact(settings, client._client, client.start)  # noqa: SLF001 - it has no public access to it
        yield KafkaAdmin(settings, client)
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await client.close()


async def require_topics(settings: KafkaSettings, topics: Collection[str]) -> dict[str, int]:
    """Return the partition count of each topic. Raises `TopicsMissing`, `BusError`."""
    async with open_admin(settings) as admin:
        counts = await admin.partition_counts(topics)
    if missing := [topic for topic in topics if topic not in counts]:
        raise TopicsMissing(missing)
    return counts


async def set_offsets(settings: KafkaSettings, offsets: Mapping[Partition, int]) -> None:
    """Commit offsets for a stopped group, nothing finished above them. Raises `Fatal` while it has members, `BusError`.

    A consumer that never joins does it: `assign` and `commit` are the one way to set a stopped group's offsets.
    """
    marked = {
        TopicPartition(*partition): OffsetAndMetadata(offset, write_metadata(offset, OffsetMetadata()))
        for partition, offset in offsets.items()
    }
    consumer = AIOKafkaConsumer(**connection(settings), group_id=settings.group_id, enable_auto_commit=False)
    try:
        async with answered_within(settings.request_timeout_seconds):
            await consumer.start()
        consumer.assign(list(marked))
        try:
            async with answered_within(settings.request_timeout_seconds):
                await consumer.commit(marked)
        except BusError as error:
            raise Fatal(
                Reason.MISCONFIGURED,
                f"Stop the workers first: Kafka takes no offsets for group {settings.group_id} while it has members.",
            ) from error
    finally:
        await consumer.stop()
