"""Which lanes are read on: what is early or paused waits, and is read again from the same record."""

from __future__ import annotations

from typing import cast

from consumer.delivery.controls import NO_CONTROLS, Selector
from consumer.delivery.in_flight import RecordHandler
from consumer.delivery.lane_gate import LaneGate
from consumer.delivery.ports import Bus
from consumer.jobs import Record

BACKFILL, REQUESTED = "backfill", "requested"
PAUSED = NO_CONTROLS.pause(Selector(lane=BACKFILL), 1).pause(Selector(lane=REQUESTED), 1)


class Cursor:
    """The bus and the handler as far as the gate needs them."""

    def __init__(self) -> None:
        self.at = 0
        self.seconds = 0.0

    def seek(self, _topic: str, _shard: int, offset: int) -> None:
        self.at = offset

    def position(self, _topic: str, _shard: int) -> int:
        return self.at

    def seconds_until_due(self, _record: Record) -> float:
        return self.seconds

    def read(self, gate: LaneGate, topic: str, *offsets: int) -> list[int]:
        """Read a batch as a client does: the cursor is behind it before any is delivered; return what need not wait."""
        self.at = max(offsets) + 1
        records = [Record(topic, 0, offset, b"", b"", (), 0) for offset in offsets]
        return [record.offset for record in records if not gate.must_wait(record)]


def gate(cursor: Cursor) -> LaneGate:
    return LaneGate(cast("Bus", cursor), 0, cast("RecordHandler", cursor), [BACKFILL])


async def test_a_paused_lane_is_not_read() -> None:
    """Nothing of it is in flight: it is closed at once, and what a poll under way returns is read again later."""
    cursor = Cursor()
    waiting = gate(cursor)
    waiting.begin_epoch(PAUSED, [])

    assert not waiting.open(BACKFILL, 0)
    assert cursor.read(waiting, BACKFILL, 3, 4) == []
    assert cursor.at == 3


async def test_a_paused_lane_is_read_as_far_as_work_is_in_flight() -> None:
    """Work under way is found again; the lane goes on behind it once it is resumed, in another epoch."""
    cursor = Cursor()
    waiting = gate(cursor)
    waiting.begin_epoch(PAUSED, [(BACKFILL, 5), (BACKFILL, 4), (REQUESTED, 9)])

    assert waiting.open(BACKFILL, 4)
    assert cursor.read(waiting, BACKFILL, 4, 5, 7, 8) == [4, 5]
    assert cursor.at == 7
    assert not waiting.open(BACKFILL, 4)
    waiting.begin_epoch(NO_CONTROLS, [])
    assert waiting.open(BACKFILL, 6)


async def test_a_lane_with_decisions_of_editors_is_read_on() -> None:
    """A withdrawal must not wait behind a pause: the requests of that lane are held one by one."""
    cursor = Cursor()
    waiting = gate(cursor)
    waiting.begin_epoch(PAUSED, [])

    assert waiting.open(REQUESTED, 0)
    assert cursor.read(waiting, REQUESTED, 0, 1) == [0, 1]


async def test_a_lane_waits_for_its_first_record_that_is_not_due() -> None:
    """All behind it wait too; the cursor is set back to it once."""
    cursor = Cursor()
    waiting = gate(cursor)
    waiting.begin_epoch(NO_CONTROLS, [])
    cursor.seconds = 60.0

    assert cursor.read(waiting, "retry", 3, 4, 5) == []
    assert cursor.at == 3
    assert not waiting.open("retry", 3)
