"""How far the group is with a record, from its committed offset and what lies above that."""

from __future__ import annotations

import pytest

from consumer.admin.trace.group import GroupView, count_workers
from consumer.admin.trace.timeline import Place, RecordState, Standing
from consumer.delivery.offset_metadata import Exposure, OffsetMetadata
from consumer.delivery.ports import Partition
from consumer.delivery.positions import Obstacle, StuckPartition
from consumer.kafka.admin_client import ConsumerGroup, GroupMember
from schemas import names

LANE = Partition(names.REQUESTED, 3)
METADATA = OffsetMetadata(
    {12, 14}, {11: Exposure(1, in_engine=True), 15: Exposure(2, in_engine=False)}, "engine_failed"
)
VIEW = GroupView(
    "leadart",
    2,
    offsets={LANE: 10},
    metadata={LANE: METADATA},
    stuck={Partition(names.BACKFILL, 3): StuckPartition(Partition(names.BACKFILL, 3), Obstacle.UNSET)},
)


@pytest.mark.parametrize(
    ("offset", "standing"),
    [
        (9, Standing(RecordState.FINISHED)),
        (12, Standing(RecordState.FINISHED)),
        (10, Standing(RecordState.WAITING, 0)),
        (11, Standing(RecordState.IN_ENGINE, 1, 1)),
        (13, Standing(RecordState.WAITING, 2)),
        (15, Standing(RecordState.WAITING, 3, 2)),
    ],
)
def test_a_record_stands_where_the_offsets_say(offset: int, standing: Standing) -> None:
    """Below the commit and in its bitmap it is finished; what is finished above is not waited for."""
    assert VIEW.standing(Place(*LANE, offset)) == standing
    assert VIEW.standing(Place(names.BACKFILL, 3, offset)) == Standing(RecordState.UNKNOWN)


def test_only_what_concerns_the_article_is_said() -> None:
    """A partition that stands still, or an outage, of another shard is not its affair."""
    mine, other = VIEW.facts({3}), VIEW.facts({4})

    assert (mine.workers, mine.outage, "The group has no committed offset" in mine.stuck) == (2, "engine_failed", True)
    assert (other.outage, other.stuck) == ("", "")


WORKER = GroupMember("w", "host", frozenset({"a", "b"}))


@pytest.mark.parametrize(
    ("state", "members", "count"),
    [
        ("Stable", (WORKER, GroupMember("x", "host", frozenset({"z"}))), 1),
        ("Empty", (), 0),
        ("Dead", (), 0),
        ("Stable", (), None),
        ("PreparingRebalance", (WORKER._replace(topics=frozenset()),), None),
        ("Stable", None, None),
    ],
)
def test_workers_are_counted_or_unknown(state: str, members: tuple[GroupMember, ...] | None, count: int | None) -> None:
    """Members that read other topics do not count; what a rebalance or a newer protocol hides is unknown."""
    assert count_workers(ConsumerGroup(state, members), ["a", "b"]) == count
