"""Who else is in the consumer group, and whether it is this fleet's at all.

Kafka lets anybody into a group who knows its name. Members that read other topics take partitions from each other, and
whoever reads a lane without being leadart commits offsets for requests that nobody painted.
"""

import asyncio
from collections.abc import Collection, Sequence

from consumer.delivery.ports import UNCOMMITTED, BusError, Partition
from consumer.delivery.retry import DELAYS
from consumer.errors import Fatal
from consumer.kafka.admin_client import POLL_SECONDS, ConsumerGroup, GroupMember, KafkaAdmin
from consumer.settings import DEFAULT_GROUP, Settings
from schemas import Reason

SETTLED_SECONDS = 10.0
"""How long a worker waits for a rebalance to end: until then the group does not say who reads what."""

LISTED = 5
"""Members that a sentence names."""

NEWER_PROTOCOL = "clients with group.protocol=consumer, which Kafka does not list"
"""Who is in a group that is in use, yet has no member to whoever asks by the older protocol, as we do."""

_REBALANCING = frozenset({"PreparingRebalance", "CompletingRebalance"})


async def check_group(admin: KafkaAdmin, settings: Settings, lanes: Sequence[str]) -> None:
    """Raise `Fatal` if the group is not this fleet's, before a worker joins it; `BusError` when no broker answers.

    `lanes` are the topics that this fleet reads. Strangers are no reason to stay away while workers of this fleet are
    in the group as well.
    """
    await check_former_group(admin, settings)
    group = await _settled_group(admin)
    if workers(group, lanes):
        return
    if others := strangers(group, lanes):
        raise Fatal(
            Reason.MISCONFIGURED,
            f"Group {settings.kafka.group_id} is in use by others: {described(others)}. This worker reads "
            f"{', '.join(lanes)}; if it joined, each would take partitions from the other. Give this fleet a group of "
            "its own with LEADART_KAFKA__GROUP_ID, or stop the others.",
        )


async def check_former_group(admin: KafkaAdmin, settings: Settings) -> None:
    """Raise `Fatal` if a fleet with a prefix would change its group by an upgrade, and so lose its offsets.

    The default group was once the same with every prefix. It is this fleet's former one if it has offsets in the retry
    lanes, whose names hold both prefixes.
    """
    group = settings.kafka.group_id
    if settings.group_is_set or group == DEFAULT_GROUP:
        return
    topics = [settings.topics.named(base) for base in DELAYS]
    counts = await admin.partition_counts(topics)
    partitions = [Partition(topic, number) for topic, count in counts.items() for number in range(count)]
    if not partitions or await has_offsets(admin, partitions, group):
        return
    try:
        former = await has_offsets(admin, partitions, DEFAULT_GROUP)
    except (BusError, Fatal):  # a user that may not see that group never was in it
        return
    if former:
        raise Fatal(
            Reason.NO_STARTING_OFFSET,
            f"This fleet's offsets are in group {DEFAULT_GROUP}; with a topic prefix the default group is now {group}, "
            f"which has none. Keep the former group: LEADART_KAFKA__GROUP_ID={DEFAULT_GROUP}. Or begin anew: "
            f"LEADART_KAFKA__GROUP_ID={group}, then leadart topics apply --start latest.",
        )


async def has_offsets(admin: KafkaAdmin, partitions: Sequence[Partition], group: str) -> bool:
    """Return whether a group has committed an offset in these partitions. Raises `BusError` without an answer."""
    committed = await admin.committed_offsets(partitions, group)
    if len(committed) < len(partitions):
        raise BusError(f"the coordinator of group {group} does not answer")
    return any(at.offset != UNCOMMITTED for at in committed.values())


async def _settled_group(admin: KafkaAdmin) -> ConsumerGroup:
    """Describe the group once it does not rebalance, or as it is after `SETTLED_SECONDS`."""
    end = asyncio.get_running_loop().time() + SETTLED_SECONDS
    while True:
        group = await admin.group()
        if group.state not in _REBALANCING or asyncio.get_running_loop().time() >= end:
            return group
        await asyncio.sleep(POLL_SECONDS)


def workers(group: ConsumerGroup, lanes: Collection[str]) -> list[GroupMember]:
    """Return the members that read just these lanes."""
    return [member for member in group.members or () if member.topics == frozenset(lanes)]


def strangers(group: ConsumerGroup, lanes: Collection[str]) -> list[GroupMember]:
    """Return the members that read other topics than these lanes, or only some; without those of unknown topics."""
    return [member for member in group.members or () if member.topics and member.topics != frozenset(lanes)]


def strangers_beside(group: ConsumerGroup, lanes: Collection[str]) -> str:
    """Name the strangers in a group that this worker is a member of; empty if there are none.

    Raises `BusError` when that is unknown: a group that rebalances does not say what its members read.
    """
    if others := strangers(group, lanes):
        return described(others)
    if group.members is None or any(not member.topics for member in group.members):
        raise BusError("the group rebalances")
    return "" if group.members else NEWER_PROTOCOL  # this worker is a member, so somebody should be listed


def described(members: Sequence[GroupMember]) -> str:
    """Return members as a phrase: client id, host, and what each reads."""
    phrases = [f"{one.client_id} at {one.host} (reads {', '.join(sorted(one.topics))})" for one in members[:LISTED]]
    rest = [f"{len(members) - LISTED} more"] if len(members) > LISTED else []
    return "; ".join([*phrases, *rest])
