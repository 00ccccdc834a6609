"""Which lanes of a shard are read on: not one whose next record is not due yet, and not one that is paused."""

import asyncio
from collections.abc import Collection

from consumer.delivery.controls import Controls
from consumer.delivery.in_flight import RecordHandler
from consumer.delivery.ports import Bus
from consumer.jobs import Record


class LaneGate:
    """The lanes of one shard. `holdable` are those that are not read while they are paused.

    A lane that brings editors' decisions is read on, and the requests in it are held one by one.
    """

    def __init__(self, bus: Bus, shard: int, handler: RecordHandler, holdable: Collection[str]) -> None:
        self._bus = bus
        self._shard = shard
        self._handler = handler
        self._holdable = frozenset(holdable)
        self._due: dict[str, float] = {}
        self._last: dict[str, int] = {}

    def begin_epoch(self, controls: Controls, in_flight: Collection[tuple[str, int]]) -> None:
        """Go by these controls from now on; no record is known to be early.

        A paused lane is read up to the last record `in_flight` (lane and offset), so that work under way is found again
        and its outcome committed.
        """
        self._due = {}
        self._last = {
            topic: max((offset for lane, offset in in_flight if lane == topic), default=-1)
            for topic in self._holdable
            if controls.lane_paused(topic)
        }

    @property
    def holds(self) -> bool:
        """Whether a lane is not read because it is paused."""
        return bool(self._last)

    def open(self, topic: str, next_offset: int) -> bool:
        """Return whether the lane may be read on from an offset."""
        return not self._is_early(topic) and next_offset <= self._last.get(topic, next_offset)

    def must_wait(self, record: Record) -> bool:
        """Return True for a record that is not due or paused, and for all behind it: the lane is read on from here."""
        if self._is_early(record.topic):
            return True
        seconds = self._handler.seconds_until_due(record)
        if seconds > 0:
            self._due[record.topic] = asyncio.get_running_loop().time() + seconds
            self._bus.seek(record.topic, self._shard, record.offset)
        if record.offset > self._last.get(record.topic, record.offset):
            self._last[record.topic] = -1
            if (self._bus.position(record.topic, self._shard) or 0) > record.offset:  # else of one before it already
                self._bus.seek(record.topic, self._shard, record.offset)
            return True
        return seconds > 0

    def _is_early(self, topic: str) -> bool:
        return asyncio.get_running_loop().time() < self._due.get(topic, 0.0)
