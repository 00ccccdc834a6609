"""Where the group stands against what a lane's log still holds, and what only an operator can decide about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from itertools import groupby

from consumer.delivery.offset_metadata import MetadataUnreadable, read_metadata
from consumer.delivery.ports import UNCOMMITTED, CommittedOffset, Partition
from consumer.errors import OperatorNeeded
from schemas import Reason


class Obstacle(Enum):
    """Why a partition cannot be worked on as the group left it."""

    UNSET = "no committed offset"
    BEYOND_END = "committed offset beyond the log's end"
    UNREADABLE = "unreadable offset metadata"


@dataclass(frozen=True, slots=True)
class StuckPartition:
    """A partition that stands still until an operator decides; `detail` says how it is there."""

    partition: Partition
    obstacle: Obstacle
    detail: str = ""

    @property
    def name(self) -> str:
        """TOPIC:PARTITION, as commands take it."""
        return f"{self.partition.topic}:{self.partition.number}"


def find_obstacle(partition: Partition, committed: CommittedOffset, span: range) -> StuckPartition | None:
    """Return what keeps a partition from being worked on, None for nothing; `span` is what its log holds."""
    if committed.offset == UNCOMMITTED:
        return StuckPartition(partition, Obstacle.UNSET)
    if committed.offset > span.stop:
        return StuckPartition(partition, Obstacle.BEYOND_END, f"{committed.offset}, and the log ends at {span.stop}")
    try:
        _read_within(committed, span)
    except MetadataUnreadable as error:
        detail = f"{error}; records finished above offset {committed.offset} would be announced once more"
        return StuckPartition(partition, Obstacle.UNREADABLE, detail)
    return None


def _read_within(committed: CommittedOffset, span: range) -> None:
    """Raise `MetadataUnreadable` also for records that are finished and not in the log: others would come there."""
    last = max(read_metadata(committed).finished, default=UNCOMMITTED)
    if last >= span.stop:
        raise MetadataUnreadable(f"it calls offset {last} finished, but the log ends at {span.stop}")


def explain(stuck: Iterable[StuckPartition]) -> OperatorNeeded:
    """Return the error that names all of them with the commands that help."""
    found = sorted(stuck, key=lambda each: each.partition)
    groups = [(kind, [each for each in found if each.obstacle is kind]) for kind in Obstacle]
    sentences = [_SENTENCES[kind](group) for kind, group in groups if group]
    unreadable = all(each.obstacle is Obstacle.UNREADABLE for each in found)
    return OperatorNeeded(Reason.PROGRESS_UNREADABLE if unreadable else Reason.NO_STARTING_OFFSET, " ".join(sentences))


def _unset(stuck: list[StuckPartition]) -> str:
    return (
        f"The group has no committed offset for {_names(stuck)} (never set, or expired while the group was empty). Say "
        "where to begin, with the workers stopped: leadart topics apply --start earliest, or --start latest."
    )


def _beyond_end(stuck: list[StuckPartition]) -> str:
    only = " ".join(f"--only {each.name}" for each in stuck)
    return (
        f"The group's offset is beyond the end of the log: {_details(stuck)}. The topic was made anew, or a broker "
        f"lost records. Decide where to go on, with the workers stopped: leadart topics apply {only} --force --start "
        "earliest --execute, or --start latest."
    )


def _unreadable(stuck: list[StuckPartition]) -> str:
    commands = "; ".join(f"leadart topics reset-offset-metadata {each.name}" for each in stuck)
    return f"The committed offset's metadata cannot be read: {_details(stuck)}. Stop the workers and run: {commands}."


_SENTENCES = {Obstacle.UNSET: _unset, Obstacle.BEYOND_END: _beyond_end, Obstacle.UNREADABLE: _unreadable}


def _names(stuck: list[StuckPartition]) -> str:
    lanes = groupby((each.partition for each in stuck), lambda partition: partition.topic)
    return ", ".join(f"{topic}:{','.join(str(each.number) for each in of_lane)}" for topic, of_lane in lanes)


def _details(stuck: list[StuckPartition]) -> str:
    return ", ".join(f"{each.name} ({each.detail})" for each in stuck)
