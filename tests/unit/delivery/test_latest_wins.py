"""Latest wins, over the twin: whatever comes in whatever order, the newest valid revision gets its pictures."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.delivery import latest_wins
from consumer.delivery.heads import Claim, Heads, Slot, head_key, read_head, slot_of
from consumer.delivery.ordinals import accept
from consumer.delivery.own_offsets import ForeignCommit
from consumer.delivery.ports import CommittedOffset, OutgoingRecord, RecordResult
from consumer.delivery.restore import OwnerTiming
from consumer.delivery.ruling import Verdict
from consumer.delivery.shard_owner import ShardOwner
from consumer.testing.bus import MemoryBroker, MemoryBus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    import pytest

    from consumer.delivery.in_flight import InFlightRecord
    from consumer.jobs import Record

LANE, BACKFILL, OUT, HEADS = "requested", "backfill", "outcome", "heads"
TIMING = OwnerTiming(tick=0.005, reread=0.001, rereads=20, transaction=1.0, backoff=0.001, max_backoff=0.01)
BOUND = 5.0
SLOT = Slot("a-1", "hero")


class Work:
    """Work that only counts its cancellation while running."""

    def __init__(self, revision: int, cancelled: list[int]) -> None:
        self._revision = revision
        self._cancelled = cancelled
        self.painting = False

    def cancel(self, *, running: bool) -> None:
        if running:
            self._cancelled.append(self._revision)


class Handler:
    """Claims the revision that a record holds, and completes it on demand."""

    outage = ""

    def __init__(self) -> None:
        self.records: dict[int, InFlightRecord] = {}
        self.cancelled: list[int] = []
        self.wanted: list[int] = []
        self.automatic = False

    def admits(self) -> bool:
        return True

    def seconds_until_due(self, record: Record) -> float:
        del record
        return 0.0

    def begin(self, in_flight: InFlightRecord) -> Work:
        revision = int(in_flight.record.value or b"0")
        self.records[revision] = in_flight
        asyncio.get_running_loop().call_soon(self._claim, in_flight, revision)
        return Work(revision, self.cancelled)

    def _claim(self, in_flight: InFlightRecord, revision: int) -> None:
        claim = Claim(SLOT, revision, "/cms", f"r-{revision}")
        if in_flight.register_claim(claim, lambda newer: superseded(revision, newer)).verdict is Verdict.PAINT:
            self.wanted.append(revision)
            if self.automatic:
                in_flight.complete(ready(revision))

    def finish(self, revision: int) -> None:
        self.records[revision].complete(ready(revision))

    def announced(self, record: Record, result: RecordResult, seconds: float) -> None:
        assert (record.topic in {LANE, BACKFILL}, bool(result.records), seconds >= 0) == (True, True, True)

    def foreign_commit(self, commit: ForeignCommit) -> None:
        raise AssertionError(f"taken for somebody else's: {commit}")

    def records_deleted(self, topic: str, shard: int, records: int) -> None:
        raise AssertionError(topic, shard, records)

    def epoch_ended(self, shard: int, error: Exception) -> None:
        assert (shard, bool(str(error))) == (0, True)

    def committed(self, shard: int, seconds: float, records: int) -> None:
        assert (shard, seconds >= 0, records >= 0) == (0, True, True)


def outgoing(value: bytes) -> OutgoingRecord:
    return OutgoingRecord(OUT, 0, b"a-1", value, ())


def ready(revision: int) -> RecordResult:
    return RecordResult((outgoing(b"ready %d" % revision),), announces=True)


def superseded(revision: int, newer: int) -> RecordResult:
    return RecordResult((outgoing(b"superseded %d by %d" % (revision, newer)),))


class Shard:
    """One shard, and a newsroom that saves articles."""

    def __init__(self, broker: MemoryBroker | None = None) -> None:
        self.broker = broker or MemoryBroker()
        for lane in (LANE, BACKFILL):
            self.broker.offsets.setdefault((lane, 0), CommittedOffset(0, "v1:0:"))
        self.handler = Handler()
        self.bus = MemoryBus(self.broker, (LANE, BACKFILL))
        heads = Heads(HEADS, "group", 0)
        self.owner = ShardOwner(
            0,
            (LANE, BACKFILL),
            bus=self.bus,
            handler=self.handler,
            observer=self.handler,
            heads=heads,
            timing=TIMING,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            polling = tasks.create_task(self._poll())
            run = tasks.create_task(self.owner.run())
            yield
            self.owner.stop()
            await asyncio.wait([run], timeout=BOUND)
            polling.cancel()

    async def _poll(self) -> None:
        while True:
            self.bus.poll(self.owner)
            await asyncio.sleep(0)

    def save(self, revision: int, lane: str = LANE) -> None:
        self.broker.publish(OutgoingRecord(lane, 0, b"a-1", b"%d" % revision, ()))

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(BOUND):
            while not condition():
                await asyncio.sleep(0.001)

    async def saved(self, revision: int, lane: str = LANE) -> None:
        """Save, and wait until the handler has it."""
        self.save(revision, lane)
        await self.until(lambda: revision in self.handler.records)
        await asyncio.sleep(0)

    def outcomes(self) -> list[str]:
        return [(record.value or b"").decode() for record in self.broker.visible(OUT, 0)]

    def made(self) -> int | None:
        heads = [record for record in self.broker.visible(HEADS, 0) if slot_of(record.key or b"", "group")]
        values = [record.value for record in heads]
        head = read_head(values[-1] or b"") if values else None
        return head.made if head else None


async def test_a_newer_save_ends_the_older_ones_work() -> None:
    """Work on an older revision is cancelled at once, running or not, and announced as superseded by the newer one."""
    shard = Shard()
    async with shard.running():
        await shard.saved(1)
        await shard.saved(2)
        shard.handler.finish(2)
        await shard.until(lambda: len(shard.outcomes()) == 2)

    assert shard.outcomes() == ["superseded 1 by 2", "ready 2"]
    assert shard.handler.cancelled == [1]
    assert shard.made() == 2


async def test_an_older_save_that_comes_late_is_superseded() -> None:
    """Revisions decide, not the order of arrival, nor the lane."""
    shard = Shard()
    async with shard.running():
        await shard.saved(7)
        await shard.saved(6, BACKFILL)
        shard.handler.finish(7)
        await shard.until(lambda: len(shard.outcomes()) == 2)

    assert sorted(shard.outcomes()) == ["ready 7", "superseded 6 by 7"]
    assert shard.handler.wanted == [7]


async def test_the_next_owner_decides_by_what_was_announced() -> None:
    """After a restart a late older save meets the head that its newer one left."""
    shard = Shard()
    shard.handler.automatic = True
    async with shard.running():
        await shard.saved(7)
        await shard.until(lambda: shard.outcomes() == ["ready 7"])
    after = Shard(shard.broker)
    async with after.running():
        await after.saved(3)
        await after.until(lambda: len(after.outcomes()) == 2)

    assert after.outcomes()[-1] == "superseded 3 by 7"


async def test_equal_revisions_leave_each_other_alone() -> None:
    """Another variation of a revision, or the same request again, is worked on like any other."""
    shard = Shard()
    shard.handler.automatic = True
    async with shard.running():
        await shard.saved(7)
        await shard.until(lambda: len(shard.outcomes()) == 1)
        shard.save(7)
        await shard.until(lambda: len(shard.outcomes()) == 2)

    assert shard.outcomes() == ["ready 7", "ready 7"]


async def test_work_that_was_superseded_elsewhere_is_not_announced() -> None:
    """Work that outlives an epoch is decided again, by the heads that another owner wrote meanwhile."""
    shard = Shard()
    async with shard.running():
        await shard.saved(1)
        newer = Heads(HEADS, "group", 0)
        newer.set(SLOT, accept(None, Claim(SLOT, 2, "/cms", "r-2"))[0])
        async with shard.bus.epoch(0) as other:  # fences the owner, like a worker that believes it owns the shard
            await other.begin()
            await other.write(newer.records(newer.unwritten([SLOT])))
            await other.commit()
        shard.handler.finish(1)
        await shard.until(lambda: len(shard.outcomes()) == 1)

    assert shard.outcomes() == ["superseded 1 by 2"]


async def test_a_head_that_is_reset_lets_smaller_revisions_in_again() -> None:
    """Resetting a mistaken head fences the owner, which decides anew on what it had superseded."""
    shard = Shard()
    shard.handler.automatic = True
    async with shard.running():
        await shard.saved(10**12)
        await shard.until(lambda: len(shard.outcomes()) == 1)
        async with shard.bus.epoch(0) as mending:
            await mending.begin()
            await mending.write([OutgoingRecord(HEADS, 0, head_key("group", SLOT), None, ())])
            await mending.commit()
        shard.save(8)
        await shard.until(lambda: len(shard.outcomes()) == 2)

    assert shard.outcomes()[-1] == "ready 8"


async def test_a_fast_typist_gets_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a few saves in a row that were superseded, one may finish though newer ones are in flight."""
    monkeypatch.setattr(latest_wins, "WAITED_SECONDS", 0.0)
    shard = Shard()
    last = latest_wins.IN_A_ROW + 3
    async with shard.running():
        for revision in range(1, last + 1):
            await shard.saved(revision)
        protected = latest_wins.IN_A_ROW + 1
        shard.handler.finish(protected)
        await shard.until(lambda: f"ready {protected}" in shard.outcomes())
        shard.handler.finish(last)
        await shard.until(lambda: f"ready {last}" in shard.outcomes())

    gone = [revision for revision in range(1, last) if revision != protected]
    assert {outcome.split(" by ")[0] for outcome in shard.outcomes()} == {
        f"ready {protected}",
        f"ready {last}",
        *(f"superseded {revision}" for revision in gone),
    }


async def test_a_protected_save_does_not_follow_a_newer_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A protected save that is ready only after a newer one is superseded after all."""
    monkeypatch.setattr(latest_wins, "WAITED_SECONDS", 0.0)
    shard = Shard()
    last = latest_wins.IN_A_ROW + 2
    async with shard.running():
        for revision in range(1, last + 1):
            await shard.saved(revision)
        shard.handler.finish(last)
        await shard.until(lambda: f"ready {last}" in shard.outcomes())
        shard.handler.finish(last - 1)
        await shard.until(lambda: len(shard.outcomes()) == last)

    assert shard.outcomes()[-1] == f"superseded {last - 1} by {last}"


async def test_an_outcome_being_committed_is_not_changed() -> None:
    """A newer save that arrives while an older one's outcome is being refused leaves that its short outcome."""
    shard = Shard()
    shard.broker.refused_topics = {"takes-nothing"}
    async with shard.running():
        await shard.saved(1)
        short = RecordResult((outgoing(b"short 1"),))
        save_next = [True]

        def faults(step: str) -> None:
            if step == "send" and save_next:
                save_next.clear()
                shard.save(2)

        shard.broker.faults = faults
        shard.handler.records[1].complete(
            RecordResult((OutgoingRecord("takes-nothing", 0, b"a-1", b"", ()),), fallback=lambda: short, announces=True)
        )
        await shard.until(lambda: 2 in shard.handler.records and len(shard.outcomes()) >= 1)
        shard.handler.finish(2)
        await shard.until(lambda: len(shard.outcomes()) == 2)

    assert shard.outcomes()[-1] == "ready 2"


async def test_a_protected_save_is_not_announced_behind_a_newer_one_of_the_same_commit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """When the newest and then a protected save complete between two commits, only the newest is ready."""
    monkeypatch.setattr(latest_wins, "WAITED_SECONDS", 0.0)
    shard = Shard()
    last = latest_wins.IN_A_ROW + 2
    async with shard.running():
        for revision in range(1, last + 1):
            await shard.saved(revision)
        await shard.until(lambda: len(shard.outcomes()) == last - 2)
        shard.handler.finish(last)
        shard.handler.finish(last - 1)
        await shard.until(lambda: len(shard.outcomes()) == last)

    assert [outcome for outcome in shard.outcomes() if outcome.startswith("ready")] == [f"ready {last}"]


async def test_a_superseded_request_delays_nobody_at_the_engine() -> None:
    """Its painting may go on for another one: it enters at once, without a commit to announce it."""
    shard = Shard()
    async with shard.running():
        await shard.saved(1)
        await shard.saved(2)
        await shard.until(lambda: len(shard.outcomes()) == 1)
        with shard.handler.records[1].engine.entering() as announced:
            await asyncio.wait_for(announced(), 1.0)
        shard.handler.finish(2)
        await shard.until(lambda: len(shard.outcomes()) == 2)


async def test_of_a_backlog_only_the_newest_is_worked_on() -> None:
    """Many saves of one article read at once, as after an outage, cost one picture."""
    shard = Shard()
    shard.handler.automatic = False
    for revision in range(1, 21):
        shard.save(revision)
    async with shard.running():
        await shard.until(lambda: len(shard.outcomes()) == 19)
        shard.handler.finish(20)
        await shard.until(lambda: len(shard.outcomes()) == 20)

    assert [outcome for outcome in shard.outcomes() if outcome.startswith("ready")] == ["ready 20"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 6), st.sampled_from([LANE, BACKFILL])), min_size=1, max_size=12))
def test_the_newest_revision_always_gets_its_pictures(saves: list[tuple[int, str]]) -> None:
    """In any order over any lanes: one outcome for each save, the newest ready, none superseded by an older one."""

    async def play() -> list[str]:
        shard = Shard()
        shard.handler.automatic = True
        for revision, lane in saves:
            shard.save(revision, lane)
        async with shard.running():
            await shard.until(lambda: len(shard.outcomes()) == len(saves))
        return shard.outcomes()

    outcomes = asyncio.run(play())
    newest = max(revision for revision, _ in saves)

    assert f"ready {newest}" in outcomes
    superseded_by = [text.split() for text in outcomes if text.startswith("superseded")]
    assert all(int(older) < int(newer) for _, older, _, newer in superseded_by)
    assert f"superseded {newest}" not in {outcome.split(" by ")[0] for outcome in outcomes}


async def test_a_save_that_waits_for_a_newer_one_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many follow each other within their settle time, none of them is protected: the last one is painted."""
    monkeypatch.setattr(latest_wins, "WAITED_SECONDS", 0.0)
    shard = Shard()
    async with shard.running():
        for revision in range(1, 9):
            await shard.saved(revision)
            shard.handler.records[revision].settle(60)
        shard.handler.finish(8)
        await shard.until(lambda: len(shard.outcomes()) == 8)

    assert [outcome for outcome in shard.outcomes() if outcome.startswith("ready")] == ["ready 8"]
    assert shard.handler.cancelled == [1, 2, 3, 4, 5, 6, 7]
