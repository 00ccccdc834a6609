"""Adding partitions: articles move between shards, so nothing may be on its way while it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiokafka.admin import NewPartitions
from aiokafka.errors import TopicAuthorizationFailedError

from consumer.admin.heads import move_heads
from consumer.delivery.ports import UNCOMMITTED, Partition
from consumer.errors import Fatal
from consumer.kafka.client import answered_within, open_admin
from consumer.kafka.topics import Start, apply, await_count, partition_counts, whole_offsets
from consumer.lag.reader import open_lag_reader
from schemas import Reason
from schemas.topics import load_topics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiokafka.admin import AIOKafkaAdminClient

    from consumer.settings import Settings


async def grow_topics(settings: Settings) -> dict[str, int]:
    """Bring every topic to `settings.topics.partitions`; return the topics that grew and their count.

    New partitions of the lanes begin at their first record; heads move with their articles. Raises `Fatal` when a lane
    still has records to be worked on, when the workers run, or when a topic has more partitions already: Kafka never
    takes one away.
    """
    wanted, seconds = settings.topics.partitions, settings.kafka.request_timeout_seconds
    async with open_admin(settings.kafka) as admin:
        counts = await partition_counts(admin, [settings.topics.named(spec.name) for spec in load_topics()], seconds)
        if (most := max(counts.values(), default=0)) > wanted:
            raise Fatal(
                Reason.TOPICS_MISMATCH,
                f"A topic has {most} partitions and none can be taken away: set LEADART_TOPICS__PARTITIONS={most}.",
            )
        await _refuse_while_running(admin, settings)
        await _refuse_unless_drained(admin, settings)
        small = {name: count for name, count in counts.items() if count < wanted}
        if small:
            await _add_partitions(admin, list(small), settings)
            await await_count(admin, list(small), wanted, seconds)
    await apply(settings, Start.EARLIEST)
    await move_heads(settings)
    return dict.fromkeys(small, wanted)


async def _add_partitions(admin: AIOKafkaAdminClient, topics: Sequence[str], settings: Settings) -> None:
    async with answered_within(settings.kafka.request_timeout_seconds):
        try:
            await admin.create_partitions({name: NewPartitions(settings.topics.partitions) for name in topics})
        except TopicAuthorizationFailedError as error:
            raise Fatal(
                Reason.MISCONFIGURED,
                f"Kafka refuses this user: no right to add partitions to {', '.join(topics)}. It is Alter, which the "
                "standing rights leave out: docs/operations/access.md.",
            ) from error


async def _refuse_while_running(admin: AIOKafkaAdminClient, settings: Settings) -> None:
    group = settings.kafka.group_id
    async with answered_within(settings.kafka.request_timeout_seconds):
        answers = await admin.describe_consumer_groups([group])
    states = {state for answer in answers for _, _, state, *_ in answer.groups}
    if not states <= {"Empty", "Dead"}:
        raise Fatal(Reason.MISCONFIGURED, f"Stop the workers first: group {group} has members.")


async def _refuse_unless_drained(admin: AIOKafkaAdminClient, settings: Settings) -> None:
    """Only where the group stands at the end of every partition it ever worked on does no article change its shard."""
    async with open_lag_reader(settings) as reader:
        lags = (await reader.read(outcomes=False)).partitions
    # Asked for apart: to the lag, an offset that could not be read is as unknown as one that was never committed.
    committed = await whole_offsets(admin, settings, [Partition(lag.topic, lag.partition) for lag in lags])
    ends = {Partition(lag.topic, lag.partition): lag.end for lag in lags}
    behind = {tp: ends[tp] - at.offset for tp, at in committed.items() if at.offset not in {UNCOMMITTED, ends[tp]}}
    if behind:
        where = ", ".join(f"{tp.topic}:{tp.number} ({records})" for tp, records in list(behind.items())[:5])
        raise Fatal(
            Reason.TOPICS_MISMATCH,
            f"The lanes are not drained: {where}. Stop the publishers, let the workers finish, stop them, then grow.",
        )
