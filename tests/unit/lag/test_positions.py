"""Where the group stands: what is stuck, what was deleted, and when a worker does not even join."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from consumer.delivery.offset_metadata import OffsetMetadata, write_metadata
from consumer.delivery.ports import UNCOMMITTED, CommittedOffset, Partition
from consumer.errors import Fatal
from consumer.lag.positions import GroupPositions, require_some_shard


def check(*offsets: int) -> None:
    """Check a group of one lane with these offsets, in logs from 10 to 20."""
    at = {Partition("requested", number): CommittedOffset(offset, "") for number, offset in enumerate(offsets)}
    require_some_shard(GroupPositions(at, dict.fromkeys(at, range(10, 20)), {}), len(offsets))


def test_what_was_deleted_unread_is_counted() -> None:
    """Offsets below the log's start count, unless they are finished; those of a stuck partition do not."""
    first, second, third = (Partition("requested", number) for number in range(3))
    committed = {
        first: CommittedOffset(4, write_metadata(4, OffsetMetadata({6, 12}))),
        second: CommittedOffset(15, ""),
        third: CommittedOffset(UNCOMMITTED, ""),
    }
    positions = GroupPositions(committed, dict.fromkeys(committed, range(10, 20)), {})

    assert positions.deleted == {first: 5, second: 0}
    assert list(positions.stuck) == [third]


def test_a_worker_joins_where_any_shard_can_be_worked_on() -> None:
    """What is stuck is logged, all of it at once; a group that is well says nothing."""
    with capture_logs() as logs:
        check(10, 20, 5)
    assert logs == []

    with capture_logs() as logs:
        check(500, 15, 700)
    assert [(line["event"], line["shards"]) for line in logs] == [("shards_stopped", [0, 2])]
    assert "--only requested:0 --only requested:2" in logs[0]["message"]


def test_a_worker_without_any_shard_to_work_on_ends_before_it_joins() -> None:
    """A new group has no offset anywhere: the worker says what to run, and moves no other member's partitions."""
    with pytest.raises(Fatal, match="leadart topics apply --start earliest"):
        check(UNCOMMITTED, UNCOMMITTED)
