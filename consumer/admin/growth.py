"""Add partitions. Articles move between shards, so no request may be in flight meanwhile."""

from consumer.admin.controls import copy_pauses
from consumer.admin.heads import move_heads
from consumer.delivery.ports import UNCOMMITTED, Partition
from consumer.errors import Fatal
from consumer.kafka.admin_client import KafkaAdmin, open_admin
from consumer.kafka.topics import StartPosition, apply
from consumer.lag.reader import open_lag_reader
from consumer.settings import Settings
from schemas import Reason
from schemas.topics import load_topics


async def grow_topics(settings: Settings) -> dict[str, int]:
    """Grow every topic to `settings.topics.partitions`; return the topics that grew and their count.

    New partitions of the lanes start at their first record; heads move with their articles, and pauses hold for all
    partitions. Raises `Fatal` when a lane still has unfinished records, when workers are running, or when a topic has
    more partitions already: Kafka never removes one.
    """
    wanted = settings.topics.partitions
    async with open_admin(settings.kafka) as admin:
        counts = await admin.partition_counts([settings.topics.named(spec.name) for spec in load_topics()])
        if (most := max(counts.values(), default=0)) > wanted:
            raise Fatal(
                Reason.TOPICS_MISMATCH,
                f"A topic has {most} partitions and Kafka removes none: set LEADART_TOPICS__PARTITIONS={most}.",
            )
        await _refuse_while_running(admin, settings)
        await _refuse_unless_drained(admin, settings)
        small = {name: count for name, count in counts.items() if count < wanted}
        if small:
            await admin.add_partitions(list(small), wanted)
    await apply(settings, StartPosition.EARLIEST)
    await move_heads(settings)
    await copy_pauses(settings)
    return dict.fromkeys(small, wanted)


async def _refuse_while_running(admin: KafkaAdmin, settings: Settings) -> None:
    group = settings.kafka.group_id
    if (await admin.group()).state not in {"Empty", "Dead"}:
        raise Fatal(Reason.MISCONFIGURED, f"Stop the workers first: group {group} has members.")


async def _refuse_unless_drained(admin: KafkaAdmin, settings: Settings) -> None:
    """Refuse unless the group is at the end of every partition it has read: else a request would change its shard."""
    async with open_lag_reader(settings) as reader:
        lags = (await reader.read(outcomes=False)).partitions
    # Not from the lag, to which an unreadable offset and one never committed are both unknown.
    committed = await admin.all_committed_offsets([Partition(lag.topic, lag.partition) for lag in lags])
    ends = {Partition(lag.topic, lag.partition): lag.end for lag in lags}
    behind = {tp: ends[tp] - at.offset for tp, at in committed.items() if at.offset not in {UNCOMMITTED, ends[tp]}}
    if behind:
        where = ", ".join(f"{tp.topic}:{tp.number} ({records})" for tp, records in list(behind.items())[:5])
        raise Fatal(
            Reason.TOPICS_MISMATCH,
            f"The lanes are not drained: {where}. Stop the publishers, let the workers finish, stop them, then grow.",
        )
