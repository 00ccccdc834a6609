"""Where the group stands in every lane, against what the logs still hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from consumer.delivery.offset_tracker import OffsetTracker
from consumer.delivery.ports import CommittedOffset, Partition
from consumer.delivery.positions import StuckPartition, explain, find_obstacle
from consumer.errors import Fatal

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class GroupPositions:
    """The offset at which workers go on in each partition, and what its log holds.

    `foreign` has the offsets that somebody else committed at or ahead of our own, which count then.
    """

    offsets: Mapping[Partition, CommittedOffset]
    spans: Mapping[Partition, range]
    foreign: Mapping[Partition, int]

    @property
    def stuck(self) -> dict[Partition, StuckPartition]:
        """The partitions that stand still until an operator decides."""
        found = (find_obstacle(partition, at, self.spans[partition]) for partition, at in self.offsets.items())
        return {each.partition: each for each in found if each is not None}

    @property
    def deleted(self) -> dict[Partition, int]:
        """How many offsets of each partition that is not stuck were deleted unread, at most."""
        stuck = self.stuck
        return {
            partition: OffsetTracker.restore(at).skip_deleted(self.spans[partition].start)
            for partition, at in self.offsets.items()
            if partition not in stuck
        }


def require_some_shard(positions: GroupPositions, shards: int) -> None:
    """Log all partitions that stand still until an operator decides. Raises `Fatal` if no shard is free of them."""
    if not (stuck := positions.stuck):
        return
    needed, closed = explain(stuck.values()), {partition.number for partition in stuck}
    if len(closed) == shards:
        raise Fatal(needed.reason, needed.message)
    log.error("shards_stopped", shards=sorted(closed), reason=needed.reason, message=needed.message)
