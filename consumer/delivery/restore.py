"""Opening a shard: reading what the group has committed, until the answer can be trusted."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumer.delivery.offset_metadata import MetadataUnreadable
from consumer.delivery.offset_tracker import OffsetTracker
from consumer.delivery.ports import UNCOMMITTED, BusError
from consumer.errors import Fatal
from schemas import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from consumer.delivery.ports import Bus, CommittedOffset


@dataclass(frozen=True, slots=True)
class OwnerTiming:
    """How long the owner waits, in seconds; tests shorten it."""

    tick: float = 1.0
    """Between looks for an idle lane whose position moved past control markers."""
    reread: float = 0.2
    """Before committed offsets are read again after an answer that cannot be trusted."""
    rereads: int = 100
    """Such answers in a row after which the epoch is given up."""
    transaction: float = 10.0
    """Bound on one transaction, begin to commit."""
    backoff: float = 0.5
    """Before the next epoch after a broken one; doubles with each, up to `backoff_most`."""
    backoff_most: float = 10.0


async def restore_offsets(
    bus: Bus, shard: int, topics: Sequence[str], pace: OwnerTiming, stopping: asyncio.Event
) -> dict[str, OffsetTracker]:
    """Open the books of every lane where the group left them.

    Call it only after the epoch began: what is read before may be changed by the owner that was fenced. Raises
    `BusError` when no whole answer comes, `Fatal` where only an operator knows how to go on.
    """
    committed = await _read_progress(bus, shard, topics, pace, stopping)
    return {topic: _ledger(f"{topic}:{shard}", committed[topic]) for topic in topics}


async def _read_progress(
    bus: Bus, shard: int, topics: Sequence[str], pace: OwnerTiming, stopping: asyncio.Event
) -> Mapping[str, CommittedOffset]:
    """Read the committed offsets of every lane; a lane missing from the answer means that the call failed."""
    for _ in range(pace.rereads):
        committed = await bus.committed_offsets(shard)
        if all(topic in committed for topic in topics):
            return committed
        if stopping.is_set():
            break
        await pause(pace.reread, stopping)
    raise BusError(f"the committed offsets of shard {shard} could not be read")


def _ledger(tp: str, committed: CommittedOffset) -> OffsetTracker:
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
            f"The progress committed for {tp} cannot be read: {error}. Stop the workers and run: leadart topics "
            f"forget-progress {tp}; records finished above offset {committed.offset} are then announced once more, "
            "under the same ids.",
        ) from error


async def pause(seconds: float, stopping: asyncio.Event) -> None:
    """Wait, but not past a stop."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stopping.wait()
