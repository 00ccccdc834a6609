"""Opening a shard: read what the group committed, until the answer can be trusted."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from consumer.delivery.offset_metadata import MetadataUnreadable
from consumer.delivery.offset_tracker import OffsetTracker
from consumer.delivery.own_offsets import ForeignCommit, OwnOffsets
from consumer.delivery.ports import UNCOMMITTED, Bus, BusError, CommittedOffset
from consumer.errors import Fatal
from schemas import Reason


@dataclass(frozen=True, slots=True)
class OwnerTiming:
    """How long an owner waits, in seconds; tests shorten it."""

    tick: float = 1.0
    """Between checks for an idle lane whose position moved past control markers."""
    reread: float = 0.2
    """Before committed offsets are read again after an answer that cannot be trusted."""
    rereads: int = 100
    """Such answers in a row after which the epoch is given up."""
    transaction: float = 10.0
    """Timeout of one transaction, begin to commit."""
    backoff: float = 0.5
    """Before the next epoch after a broken one; doubles with each, up to `max_backoff`."""
    max_backoff: float = 10.0


async def restore_offsets(
    bus: Bus, own_offsets: OwnOffsets, topics: Sequence[str], timing: OwnerTiming, stopping: asyncio.Event
) -> tuple[dict[str, OffsetTracker], list[ForeignCommit]]:
    """Return a tracker for each lane, at what the group committed, and the commits that were not ours.

    In their lanes the tracker is at our own offset. Call it only after the epoch began: what is read earlier may still
    be changed by the owner that was fenced. Raises `BusError` without a complete answer, `Fatal` where only an operator
    knows how to go on.
    """
    shard = own_offsets.shard
    committed = await _read_committed(bus, shard, topics, timing, stopping)
    foreign = own_offsets.foreign({topic: committed[topic] for topic in topics})
    own = {commit.topic: commit.own for commit in foreign}
    trackers = {topic: _tracker(f"{topic}:{shard}", own.get(topic, committed[topic])) for topic in topics}
    for commit in foreign:
        trackers[commit.topic].committed = committed[commit.topic]  # so that ours is committed again
    return trackers, foreign


async def _read_committed(
    bus: Bus, shard: int, topics: Sequence[str], timing: OwnerTiming, stopping: asyncio.Event
) -> Mapping[str, CommittedOffset]:
    """Read the committed offset of every lane; a lane missing from the answer means that the call failed."""
    for _ in range(timing.rereads):
        committed = await bus.committed_offsets(shard)
        if all(topic in committed for topic in topics):
            return committed
        if stopping.is_set():
            break
        await pause(timing.reread, stopping)
    raise BusError(f"the committed offsets of shard {shard} could not be read")


def _tracker(tp: str, committed: CommittedOffset) -> OffsetTracker:
    if committed.offset == UNCOMMITTED:
        raise Fatal(
            Reason.NO_STARTING_OFFSET,
            f"The group has no committed offset for {tp} (never set, or expired while the group was empty). Say where "
            "to begin: leadart topics apply --start earliest, or --start latest.",
        )
    try:
        return OffsetTracker.restore(committed)
    except MetadataUnreadable as error:
        raise Fatal(
            Reason.PROGRESS_UNREADABLE,
            f"The offset metadata committed for {tp} cannot be read: {error}. Stop the workers and run: leadart topics "
            f"reset-offset-metadata {tp}; records finished above offset {committed.offset} are then announced once "
            "more, under the same ids.",
        ) from error


async def pause(seconds: float, stopping: asyncio.Event) -> None:
    """Wait, but not past a stop."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stopping.wait()
