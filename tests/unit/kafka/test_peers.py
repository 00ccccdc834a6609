"""What the group and its committed offsets say of the other workers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from consumer.delivery.ports import CommittedOffset, Partition
from consumer.kafka.admin_client import ConsumerGroup, GroupMember, KafkaAdmin
from consumer.kafka.peers import GroupPeers
from schemas.names import BACKFILL, REQUESTED

LANES = frozenset({REQUESTED, BACKFILL})
DOWN, FINE = "v1:7:::store_unavailable", ""


@dataclass
class FakeGroup:
    """The coordinator, the committed metadata by shard, and our shards."""

    metadata: Mapping[int, str]
    ours: Collection[int] = (0,)
    members: int | None = 3
    strangers: int = 0
    state: str = "Stable"
    asked: list[Partition] = field(default_factory=list)

    @property
    def assignment(self) -> frozenset[Partition]:
        return frozenset(Partition(REQUESTED, shard) for shard in self.ours)

    async def group(self) -> ConsumerGroup:
        reading = [LANES] * (self.members or 0) + [frozenset({REQUESTED})] * self.strangers
        members = tuple(GroupMember("leadart", "/10.0.0.1", topics) for topics in reading)
        return ConsumerGroup(self.state, None if self.members is None else members)

    async def committed_offsets(self, partitions: Collection[Partition]) -> Mapping[Partition, CommittedOffset]:
        self.asked += partitions
        return {at: CommittedOffset(7, self.metadata[at.number]) for at in partitions if at.number in self.metadata}


def peers(group: FakeGroup, partitions: int = 3) -> GroupPeers:
    return GroupPeers(cast("KafkaAdmin", group), cast("Any", group), (REQUESTED, BACKFILL), partitions)


@pytest.mark.parametrize(
    ("group", "member", "expected"),
    [
        (FakeGroup({1: FINE, 2: DOWN}), True, True),
        (FakeGroup({1: DOWN, 2: DOWN}), True, False),
        (FakeGroup({1: FINE, 2: FINE}, members=1), True, False),
        (FakeGroup({1: FINE, 2: FINE}, members=1, strangers=2), True, False),
        (FakeGroup({1: FINE, 2: FINE}, members=None), True, False),
        (FakeGroup({1: FINE, 2: FINE}, state="PreparingRebalance"), True, False),
        (FakeGroup({1: "not ours", 2: DOWN}), True, False),
        (FakeGroup({2: DOWN}), True, False),
        (FakeGroup({1: DOWN, 2: DOWN}, members=4), True, True),
        (FakeGroup({0: DOWN, 1: DOWN, 2: DOWN}, ours=(), members=4), True, False),
        (FakeGroup({0: FINE, 1: DOWN, 2: DOWN}, ours=(), members=1), False, True),
        (FakeGroup({0: FINE, 1: FINE, 2: FINE}, ours=(), members=0), False, False),
    ],
)
async def test_another_can_work_only_if_that_is_certain(group: FakeGroup, *, member: bool, expected: bool) -> None:
    """A member whose shard shows no outage can, and one without a shard; what is not known does not count."""
    assert await peers(group).any_can_work(member=member) is expected
    assert {at.number for at in group.asked}.isdisjoint(group.ours)


async def test_a_single_shard_may_go_to_the_member_that_has_none() -> None:
    """With more workers than shards the idle one takes over, though no commit shows it."""
    assert await peers(FakeGroup({}, members=2), partitions=1).any_can_work(member=True)
    assert not await peers(FakeGroup({}, members=1), partitions=1).any_can_work(member=True)


async def test_trouble_is_what_others_committed() -> None:
    """A worker's own outage is no news to it, and unreadable metadata is no outage."""
    assert await peers(FakeGroup({1: FINE, 2: DOWN})).any_in_trouble()
    assert not await peers(FakeGroup({0: DOWN, 1: FINE, 2: "not ours"})).any_in_trouble()
