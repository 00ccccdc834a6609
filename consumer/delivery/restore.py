"""Opening a shard: read what the group committed, until the answer can be trusted."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog

from consumer.delivery.in_flight import DeliveryObserver, InFlightRecord
from consumer.delivery.offset_tracker import OffsetTracker
from consumer.delivery.own_offsets import ForeignCommit, OwnOffsets
from consumer.delivery.ports import Bus, BusError, CommittedOffset, Partition
from consumer.delivery.positions import explain, find_obstacle

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class OwnerTiming:
    """How long an owner waits, in seconds; tests shorten it."""

    tick: float = 1.0
    """Between checks for an idle lane whose position moved past control markers."""
    reread: float = 0.2
    """Before committed offsets are read again after an answer that cannot be trusted."""
    rereads: int = 100
    """Such answers in a row after which the epoch is given up."""
    fence_check: float = 2.0
    """Without a transaction while records are in flight, after which one is made: a fence shows in nothing else."""
    held_check: float = 5.0
    """The same while nothing is in flight, but a lane is paused: resuming it fences the owner."""
    transaction: float = 10.0
    """Timeout of one transaction, begin to commit."""
    backoff: float = 0.5
    """Before the next epoch after a broken one; doubles with each, up to `max_backoff`."""
    max_backoff: float = 10.0
    recheck: float = 30.0
    """Before a shard that waits for an operator is tried again."""


async def restore_offsets(  # noqa: PLR0913 - what it asks, and whom it tells
    bus: Bus,
    own_offsets: OwnOffsets,
    topics: Sequence[str],
    timing: OwnerTiming,
    stopping: asyncio.Event,
    *,
    observer: DeliveryObserver,
) -> tuple[dict[str, OffsetTracker], list[ForeignCommit]]:
    """Return a tracker for each lane, at what the group committed, and the commits that were not ours.

    In lanes with such a commit the tracker is at our own offset; where the log begins further on, it is there. Call it
    only after the epoch began: what is read earlier may still be changed by the owner that was fenced. Raises
    `BusError` without a complete answer, `OperatorNeeded` where only an operator knows how to go on.
    """
    shard = own_offsets.shard
    committed = await _read_committed(bus, shard, topics, timing, stopping)
    spans = await bus.log_spans(shard)
    foreign = own_offsets.foreign({topic: committed[topic] for topic in topics})
    own = {commit.topic: commit.own for commit in foreign}
    offsets = {topic: own.get(topic, committed[topic]) for topic in topics}
    _require_no_obstacle(shard, offsets, spans)
    trackers = {topic: OffsetTracker.restore(at) for topic, at in offsets.items()}
    for commit in foreign:
        trackers[commit.topic].committed = committed[commit.topic]  # so that ours is committed again
    _skip(shard, trackers, spans, observer)
    return trackers, foreign


async def skip_deleted(bus: Bus, shard: int, trackers: Mapping[str, OffsetTracker], observer: DeliveryObserver) -> None:
    """Go on from the log's start in lanes whose next records were deleted, and set the cursor of each.

    Raises `BusError`, and `OperatorNeeded` for a lane whose log ends before what was already read.
    """
    spans = await bus.log_spans(shard)
    reached = {topic: CommittedOffset(tracker.next_offset, "") for topic, tracker in trackers.items()}
    _require_no_obstacle(shard, reached, spans)
    _skip(shard, trackers, spans, observer)
    for topic, tracker in trackers.items():
        bus.seek(topic, shard, tracker.next_offset)


def _require_no_obstacle(shard: int, offsets: Mapping[str, CommittedOffset], spans: Mapping[str, range]) -> None:
    found = [find_obstacle(Partition(topic, shard), at, spans[topic]) for topic, at in offsets.items()]
    if stuck := [each for each in found if each is not None]:
        raise explain(stuck)


def _skip(
    shard: int, trackers: Mapping[str, OffsetTracker], spans: Mapping[str, range], observer: DeliveryObserver
) -> None:
    for topic, tracker in trackers.items():
        if deleted := tracker.skip_deleted(spans[topic].start):
            observer.records_deleted(topic, shard, deleted)


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


def forget_finished(in_flight: dict[tuple[str, int], InFlightRecord], trackers: Mapping[str, OffsetTracker]) -> None:
    """Drop work whose outcome was committed: by a commit that looked lost, or by another owner."""
    for (topic, offset), each in list(in_flight.items()):
        tracker = trackers[topic]
        if offset < tracker.next_offset or offset in tracker.finished:
            each.release(cancel_running=True)
            del in_flight[topic, offset]


def blame(
    shard: int, in_flight: Mapping[tuple[str, int], InFlightRecord], trackers: Mapping[str, OffsetTracker]
) -> None:
    """Count a death against records left in an engine, except those this process still has in flight."""
    for topic, tracker in trackers.items():
        ours = {offset: each.engine for (lane, offset), each in in_flight.items() if lane == topic}
        for offset in tracker.exposure.blame(ours):
            deaths = tracker.exposure.deaths(offset)
            log.warning("died_in_engine", topic=topic, shard=shard, offset=offset, deaths=deaths)


async def pause(seconds: float, stopping: asyncio.Event) -> None:
    """Wait, but not past a stop."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stopping.wait()
