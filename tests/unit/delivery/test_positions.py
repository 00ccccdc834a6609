"""What of the group's offsets only an operator can decide, and how it is said."""

from __future__ import annotations

import pytest

from consumer.delivery.offset_metadata import OffsetMetadata, write_metadata
from consumer.delivery.ports import UNCOMMITTED, CommittedOffset, Partition
from consumer.delivery.positions import Obstacle, explain, find_obstacle
from schemas import Reason

HERE = Partition("requested", 3)


@pytest.mark.parametrize(
    ("committed", "expected"),
    [
        (CommittedOffset(UNCOMMITTED, ""), Obstacle.UNSET),
        (CommittedOffset(21, ""), Obstacle.BEYOND_END),
        (CommittedOffset(15, "somebody else's"), Obstacle.UNREADABLE),
        (CommittedOffset(20, ""), None),
        (CommittedOffset(15, write_metadata(15, OffsetMetadata({17}))), None),
        (CommittedOffset(15, write_metadata(15, OffsetMetadata({17, 19}))), None),
        (CommittedOffset(15, write_metadata(15, OffsetMetadata({17, 20}))), Obstacle.UNREADABLE),
        (CommittedOffset(3, ""), None),
    ],
)
def test_only_what_the_log_cannot_answer_is_an_obstacle(committed: CommittedOffset, expected: Obstacle | None) -> None:
    """An offset within the log, at its end, or before its start needs nobody."""
    found = find_obstacle(HERE, committed, range(10, 20))

    assert (found.obstacle if found else None) is expected


def test_all_partitions_are_named_with_one_command_for_each_obstacle() -> None:
    """Whoever reads the sentence runs a command once, not once for each restart."""
    stuck = [
        found
        for number, committed in enumerate(
            [
                CommittedOffset(500, ""),
                CommittedOffset(700, ""),
                CommittedOffset(UNCOMMITTED, ""),
                CommittedOffset(UNCOMMITTED, ""),
            ]
        )
        if (found := find_obstacle(Partition("requested", number), committed, range(20)))
    ]
    error = explain(reversed(stuck))

    assert "--only requested:0 --only requested:1 --force --start earliest --execute" in error.message
    assert "no committed offset for requested:2,3 (" in error.message
    assert error.reason is Reason.NO_STARTING_OFFSET


def test_unreadable_metadata_has_a_reason_of_its_own() -> None:
    """Its remedy is another command, which keeps the offset."""
    found = find_obstacle(HERE, CommittedOffset(15, "?"), range(20))
    assert found is not None
    error = explain([found])

    assert "leadart topics reset-offset-metadata requested:3" in error.message
    assert error.reason is Reason.PROGRESS_UNREADABLE
