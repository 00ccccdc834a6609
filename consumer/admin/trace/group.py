"""How far the workers' group is with each record, asked of the coordinator: nothing joins the group."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from consumer.admin.trace.timeline import GroupFacts, Place, RecordState, Standing
from consumer.delivery.offset_metadata import MetadataUnreadable, OffsetMetadata, read_metadata
from consumer.delivery.ports import UNCOMMITTED, BusError, Partition
from consumer.delivery.positions import StuckPartition, explain
from consumer.errors import LeadartError
from consumer.kafka.admin_client import ConsumerGroup, KafkaAdmin
from consumer.kafka.group import workers
from consumer.kafka.topics import lane_topics
from consumer.lag.positions import GroupPositions
from consumer.lag.reader import open_lag_reader
from consumer.processing.policy import PAINT_EVERYTHING, Policy, load_policy
from consumer.processing.styles import load_styles
from consumer.settings import Settings

_NOBODY = frozenset({"Empty", "Dead"})
"""States of a group without members; any other without a member that is listed has members of the newer protocol."""


@dataclass(frozen=True, slots=True)
class GroupView:
    """The group's positions in all lanes, and how many of its members read them. `problem`: why they are unknown.

    `policy` is the editorial policy that these settings name; `policy_problem`: why it is unknown.
    """

    name: str
    workers: int | None = None
    problem: str = ""
    offsets: Mapping[Partition, int] = field(default_factory=dict)
    metadata: Mapping[Partition, OffsetMetadata] = field(default_factory=dict)
    spans: Mapping[Partition, range] = field(default_factory=dict)
    stuck: Mapping[Partition, StuckPartition] = field(default_factory=dict)
    policy: Policy = PAINT_EVERYTHING
    policy_problem: str = ""

    def standing(self, place: Place) -> Standing:
        """Return how far the group is with the record at a place."""
        partition = Partition(place.topic, place.partition)
        metadata, committed = self.metadata.get(partition), self.offsets.get(partition, UNCOMMITTED)
        if metadata is None:
            return Standing(RecordState.UNKNOWN)
        if place.offset < committed or place.offset in metadata.finished:
            return Standing(RecordState.FINISHED)
        before = place.offset - committed - sum(offset < place.offset for offset in metadata.finished)
        exposure = metadata.exposures.get(place.offset)
        inside = exposure is not None and exposure.in_engine
        state = RecordState.IN_ENGINE if inside else RecordState.WAITING
        return Standing(state, before, exposure.deaths if exposure else 0)

    def facts(self, partitions: Collection[int]) -> GroupFacts:
        """Return what is to be said of the group, as far as it concerns these partitions of the lanes."""
        stuck = [each for partition, each in self.stuck.items() if partition.number in partitions]
        outages = [each.outage for at, each in self.metadata.items() if at.number in partitions and each.outage]
        return GroupFacts(
            name=self.name,
            workers=self.workers,
            stuck=explain(stuck).message if stuck else "",
            outage=outages[0] if outages else "",
            problem=self.problem,
            policy_problem=self.policy_problem,
        )


async def view_group(settings: Settings, admin: KafkaAdmin) -> GroupView:
    """Read the group's positions. Never raises for a group that cannot be asked: its `problem` says why."""
    name = settings.kafka.group_id
    policy, policy_problem = await asyncio.to_thread(_policy, settings)
    try:
        async with open_lag_reader(settings, admin) as reader:
            positions = await reader.positions()
        members = await admin.group()
    except (BusError, LeadartError) as error:
        return GroupView(name, problem=str(error), policy=policy, policy_problem=policy_problem)
    return GroupView(
        name,
        count_workers(members, lane_topics(settings)),
        offsets={partition: at.offset for partition, at in positions.offsets.items()},
        metadata=_metadata(positions),
        spans=positions.spans,
        stuck=positions.stuck,
        policy=policy,
        policy_problem=policy_problem,
    )


def _policy(settings: Settings) -> tuple[Policy, str]:
    """Return the policy, or why it cannot be read: the workers' settings may name files of their own machine."""
    if settings.policy.file is None:
        return PAINT_EVERYTHING, ""
    try:
        return load_policy(settings.policy.file, load_styles(settings.styles.file)), ""
    except LeadartError as error:
        return PAINT_EVERYTHING, error.message.partition("\n")[0]


def count_workers(group: ConsumerGroup, lanes: Collection[str]) -> int | None:
    """Return the number of workers; None while a rebalance or members of the newer protocol hide who reads what."""
    members = group.members
    if members is None or any(not member.topics for member in members) or (not members and group.state not in _NOBODY):
        return None
    return len(workers(group, lanes))


def _metadata(positions: GroupPositions) -> dict[Partition, OffsetMetadata]:
    found = {}
    for partition, at in positions.offsets.items():
        if at.offset == UNCOMMITTED:
            continue
        try:
            found[partition] = read_metadata(at)
        except MetadataUnreadable:
            continue
    return found
