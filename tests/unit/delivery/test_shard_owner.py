"""The delivery promise, on the in-memory twin: each trap of the protocol has a test that fails without its step."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise

import pytest

from consumer.delivery import engine_exposure
from consumer.delivery.batch_limit import MAX_BATCH_BYTES
from consumer.delivery.controls import NO_CONTROLS, Selector, controls_key
from consumer.delivery.heads import Heads
from consumer.delivery.in_flight import InFlightRecord
from consumer.delivery.offset_metadata import Exposure, OffsetMetadata, read_metadata, write_metadata
from consumer.delivery.own_offsets import ForeignCommit, offsets_key
from consumer.delivery.ports import UNCOMMITTED, BusError, CommittedOffset, OutgoingRecord, RecordRefused, RecordResult
from consumer.delivery.restore import OwnerTiming, pause
from consumer.delivery.shard_owner import ShardOwner
from consumer.errors import Fatal
from consumer.jobs import Record
from consumer.testing.bus import MemoryBroker, MemoryBus
from consumer.testing.line import Journey
from schemas import Reason

LANE = "requested"
SECOND = "backfill"
OUT = "outcome"
QUICK = OwnerTiming(
    tick=0.005, reread=0.001, rereads=20, transaction=1.0, backoff=0.001, max_backoff=0.01, recheck=0.01
)
BOUND = 5.0


class Work:
    """Work that only counts its cancellation."""

    def __init__(self, offset: int, cancelled: list[int]) -> None:
        self._offset = offset
        self._cancelled = cancelled
        self.painting = False

    def cancel(self, *, running: bool) -> None:
        del running
        self._cancelled.append(self._offset)


class Handler:
    """A handler that works on demand, and the observer beside it."""

    def __init__(self) -> None:
        self.begun: Counter[int] = Counter()
        self.records: dict[int, InFlightRecord] = {}
        self.complete: dict[int, Callable[[RecordResult], None]] = {}
        self.cancelled: list[int] = []
        self.committed_offsets: list[int] = []
        self.errors: list[BusError] = []
        self.deleted: list[tuple[str, int]] = []
        self.automatic = True
        self.outage = ""
        self.admitting = True
        self.waits: dict[int, float] = {}
        self.foreign: list[ForeignCommit] = []

    def admits(self) -> bool:
        return self.admitting

    def seconds_until_due(self, record: Record) -> float:
        return self.waits.get(record.offset, 0.0)

    def begin(self, in_flight: InFlightRecord) -> Work:
        offset = in_flight.record.offset
        self.begun[offset] += 1
        self.records[offset] = in_flight
        self.complete[offset] = in_flight.complete
        if self.automatic:
            asyncio.get_running_loop().call_soon(in_flight.complete, outcome(offset))
        return Work(offset, self.cancelled)

    def announced(self, record: Record, result: RecordResult, seconds: float) -> None:
        assert result.records
        assert seconds >= 0
        self.committed_offsets.append(record.offset)

    def foreign_commit(self, commit: ForeignCommit) -> None:
        self.foreign.append(commit)

    def records_deleted(self, topic: str, shard: int, records: int) -> None:
        assert shard == 0
        self.deleted.append((topic, records))

    def epoch_ended(self, shard: int, error: BusError) -> None:
        assert shard == 0
        self.errors.append(error)

    def committed(self, shard: int, seconds: float, records: int) -> None:
        assert (shard, seconds >= 0, records >= 0) == (0, True, True)


def request(value: bytes = b"{}", topic: str = LANE) -> OutgoingRecord:
    return OutgoingRecord(topic, 0, b"a-1", value, ())


def outcome(offset: int, *, topic: str = OUT, fallback: str | None = None) -> RecordResult:
    short = RecordResult((OutgoingRecord(fallback or OUT, 0, b"a-1", b"short %d" % offset, ()),))
    return RecordResult((OutgoingRecord(topic, 0, b"a-1", b"%d" % offset, ()),), (lambda: short) if fallback else None)


class Bench:
    """One shard, its broker, and a poll loop."""

    def __init__(
        self, broker: MemoryBroker | None = None, timing: OwnerTiming = QUICK, holdable: Sequence[str] = ()
    ) -> None:
        self.broker = broker or MemoryBroker()
        for topic in (LANE, SECOND):
            self.broker.offsets.setdefault((topic, 0), CommittedOffset(0, "v1:0:"))
        self.handler = Handler()
        self.bus = MemoryBus(self.broker, (LANE, SECOND))
        self.owner = ShardOwner(
            0,
            (LANE, SECOND),
            bus=self.bus,
            handler=self.handler,
            observer=self.handler,
            heads=Heads("heads", "group", 0),
            timing=timing,
            holdable=holdable,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        async with asyncio.TaskGroup() as tasks:
            polling = tasks.create_task(self._poll())
            run = tasks.create_task(self.owner.run())
            yield run
            self.owner.stop()
            await asyncio.wait([run], timeout=BOUND)
            polling.cancel()

    async def _poll(self) -> None:
        while True:
            self.bus.poll(self.owner)
            await asyncio.sleep(0)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(BOUND):
            while not condition():
                await asyncio.sleep(0.001)

    def visible(self) -> list[bytes]:
        return [record.value or b"" for record in self.broker.visible(OUT, 0)]


def fail_once(broker: MemoryBroker, step: str, error: Exception | None = None) -> None:
    """Make the broker fail at the next such step."""

    def faults(name: str) -> None:
        if name == step:
            broker.faults = lambda _: None
            raise error or BusError(f"{step} failed")

    broker.faults = faults


async def test_every_record_gets_one_outcome_and_the_offset_follows() -> None:
    """Each completed record is visible once, and the group's offset is past it."""
    bench = Bench()
    for _ in range(20):
        bench.broker.publish(request())
    async with bench.running():
        await bench.until(lambda: len(bench.handler.committed_offsets) == 20)

    assert Counter(bench.visible()) == Counter(b"%d" % offset for offset in range(20))
    assert bench.broker.offsets[LANE, 0] == CommittedOffset(20, "v1:20:")


@pytest.mark.parametrize("step", ["init", "offsets", "begin", "send", "answer", "send_offsets", "commit", "committed"])
async def test_a_failure_at_any_step_neither_loses_nor_doubles(step: str) -> None:
    """Whichever step breaks, be it the answer to a commit that went through, each record has one visible outcome."""
    bench = Bench()
    for _ in range(5):
        bench.broker.publish(request())
    fail_once(bench.broker, step)
    async with bench.running():
        await bench.until(lambda: bench.broker.offsets[LANE, 0].offset == 5)
        await bench.until(lambda: len(bench.visible()) == 5)

    assert Counter(bench.visible()) == Counter(b"%d" % offset for offset in range(5))
    assert bench.handler.errors
    assert set(bench.handler.begun.values()) == {1}, "work was redone instead of adopted"


async def test_a_refused_record_does_not_let_the_offset_pass() -> None:
    """(!) Every send's answer is awaited before the offsets: a refused record must not be committed away."""
    bench = Bench()
    bench.broker.publish(request())
    fail_once(bench.broker, "answer")
    async with bench.running():
        await bench.until(lambda: bool(bench.handler.errors))
        assert bench.broker.offsets[LANE, 0].offset == 0 or bench.visible() == [b"0"]
        await bench.until(lambda: bench.visible() == [b"0"])


async def test_bits_above_unread_records_survive_a_reopen() -> None:
    """(!) After a reopen the commit is the next offset not yet delivered, not the one after the highest bit."""
    bench = Bench()
    for _ in range(3):
        bench.broker.publish(request())
    bench.broker.offsets[LANE, 0] = CommittedOffset(0, write_metadata(0, OffsetMetadata({2})))
    bench.handler.automatic = False
    async with bench.running():
        await bench.until(lambda: set(bench.handler.complete) == {0, 1})
        bench.handler.complete[1](outcome(1))
        await bench.until(lambda: bench.visible() == [b"1"])
        assert bench.broker.offsets[LANE, 0] == CommittedOffset(0, write_metadata(0, OffsetMetadata({1, 2})))
        bench.handler.complete[0](outcome(0))
        await bench.until(lambda: bench.broker.offsets[LANE, 0] == CommittedOffset(3, "v1:3:"))

    assert bench.visible() == [b"1", b"0"]


async def test_a_missing_answer_is_not_taken_for_no_commit() -> None:
    """(!) A lane missing from the offsets' answer means that the call failed; it is repeated."""
    bench = Bench()
    bench.broker.publish(request())
    bench.broker.offsets[LANE, 0] = CommittedOffset(1, "v1:1:")
    fail_once(bench.broker, "offsets_missing")
    async with bench.running():
        await bench.until(lambda: bench.owner.open)

    assert bench.handler.begun == Counter()


async def test_answers_that_stay_missing_end_the_epoch_not_the_worker() -> None:
    """An answer that never comes is an outage of the bus: the owner begins again, and nothing is guessed."""
    bench = Bench()

    def faults(name: str) -> None:
        if name == "offsets_missing":
            raise BusError("coordinator is loading")

    bench.broker.faults = faults
    async with bench.running():
        await bench.until(lambda: bool(bench.handler.errors))
        assert not bench.owner.open


async def test_a_group_that_never_committed_is_told_how_to_begin() -> None:
    """(!) Only an explicit -1 means no commit: the shard stands still, names the command, and goes on after it."""
    bench = Bench()
    bench.broker.publish(request())
    bench.broker.offsets[SECOND, 0] = CommittedOffset(UNCOMMITTED, "")
    async with bench.running():
        await bench.until(lambda: "leadart topics apply --start" in bench.owner.stuck)
        assert f"{SECOND}:0" in bench.owner.stuck
        assert not bench.owner.open
        bench.broker.offsets[SECOND, 0] = CommittedOffset(0, "")
        await bench.until(lambda: bench.visible() == [b"0"])

    assert bench.owner.stuck == ""


@pytest.mark.parametrize("metadata", ["", "kgo-0a1b"])
async def test_a_commit_by_somebody_else_skips_nothing(metadata: str) -> None:
    """(!) The shard goes on where this fleet stood, finished records included, says so once, and commits its own."""
    first = Bench()
    for _ in range(4):
        first.broker.publish(request())
    first.handler.automatic = False
    async with first.running():
        await first.until(lambda: set(first.handler.complete) == {0, 1, 2, 3})
        for offset in (0, 2):
            first.handler.complete[offset](outcome(offset))
        await first.until(lambda: len(first.visible()) == 2)
    ours = first.broker.offsets[LANE, 0]

    first.broker.offsets[LANE, 0] = CommittedOffset(4, metadata)
    second = Bench(first.broker)
    second.handler.automatic = False
    async with second.running():
        await second.until(lambda: set(second.handler.complete) == {1, 3})
        await second.until(lambda: second.broker.offsets[LANE, 0] == ours)
        for offset in (1, 3):
            second.handler.complete[offset](outcome(offset))
        await second.until(lambda: len(second.visible()) == 4)

    assert Counter(second.visible()) == Counter(b"%d" % offset for offset in range(4))
    assert second.handler.foreign == [ForeignCommit(LANE, 0, ours, 4)]
    assert second.broker.offsets[LANE, 0] == CommittedOffset(4, "v1:4:")


async def test_an_offset_that_a_tool_set_back_is_gone_by() -> None:
    """An operator who moves the group back wants its requests processed again."""
    first = Bench()
    for _ in range(3):
        first.broker.publish(request())
    async with first.running():
        await first.until(lambda: len(first.visible()) == 3)

    first.broker.offsets[LANE, 0] = CommittedOffset(1, "")
    second = Bench(first.broker)
    async with second.running():
        await second.until(lambda: len(second.visible()) == 5)

    assert second.handler.begun == Counter({1: 1, 2: 1})
    assert second.handler.foreign == []


@pytest.mark.parametrize(
    "committed", [CommittedOffset(3, "somebody else's"), CommittedOffset(3, write_metadata(2, OffsetMetadata({4})))]
)
async def test_unreadable_metadata_is_refused(committed: CommittedOffset) -> None:
    """(!) Unreadable metadata, or one whose base is not the offset, stops the shard and names the reset command."""
    bench = Bench()
    bench.broker.leave_gap(LANE, 0, 5)
    bench.broker.offsets[LANE, 0] = committed
    async with bench.running():
        await bench.until(lambda: f"reset-offset-metadata {LANE}:0" in bench.owner.stuck)


async def test_an_offset_beyond_the_logs_end_is_the_operators_to_decide() -> None:
    """(!) After a topic was made anew, its shard stands still instead of waiting for the old offset to come again."""
    bench = Bench()
    bench.broker.publish(request())
    for lane in (LANE, SECOND):
        bench.broker.offsets[lane, 0] = CommittedOffset(500, "")
    async with bench.running():
        await bench.until(lambda: bool(bench.owner.stuck))

    assert f"--only {SECOND}:0 --only {LANE}:0 --force --start earliest" in bench.owner.stuck
    assert "(500, and the log ends at 1)" in bench.owner.stuck
    assert bench.broker.offsets[LANE, 0].offset == 500


async def test_records_deleted_while_the_shard_was_closed_are_skipped_and_counted_once() -> None:
    """(!) It goes on from the log's start, says how many are gone besides those finished, and commits that."""
    bench = Bench()
    for _ in range(8):
        bench.broker.publish(request())
    bench.broker.offsets[LANE, 0] = CommittedOffset(1, write_metadata(1, OffsetMetadata({3, 6})))
    bench.broker.delete_records(LANE, 0, before=5)
    for _ in range(2):
        async with bench.running():
            await bench.until(lambda: bench.broker.offsets[LANE, 0].offset == 8)

    assert bench.visible() == [b"5", b"7"]
    assert bench.handler.deleted == [(LANE, 3)]


async def test_records_deleted_under_a_running_shard_cost_no_work_in_flight() -> None:
    """(!) What was read goes on to its outcome; the lane is read on from the log's start, the others all along."""
    bench = Bench()
    bench.handler.automatic = False
    bench.broker.publish(request())
    async with bench.running():
        await bench.until(lambda: 0 in bench.handler.complete)
        bench.broker.leave_gap(LANE, 0, 9)
        bench.handler.admitting = False
        bench.broker.delete_records(LANE, 0, before=10)
        bench.handler.admitting = True
        assert bench.broker.publish(request()) == 10
        await bench.until(lambda: 10 in bench.handler.complete)
        assert bench.handler.deleted == [(LANE, 9)]
        for offset in (10, 0):
            bench.handler.complete[offset](outcome(offset))
        await bench.until(lambda: bench.broker.offsets[LANE, 0].offset == 11)

    assert sorted(bench.visible()) == [b"0", b"10"]
    assert bench.handler.errors == []


async def test_a_topic_made_anew_under_a_running_shard_stops_only_that_shard() -> None:
    """(!) Where the log ends before what was read, nothing of the shard is left in the engine, and it stands still."""
    bench = Bench()
    bench.handler.automatic = False
    for _ in range(3):
        bench.broker.publish(request())
    async with bench.running() as run:
        await bench.until(lambda: bench.owner.in_flight(LANE) == 3)
        with bench.handler.records[0].engine.entering():
            await bench.until(lambda: bool(exposures(bench)))
            bench.broker.logs[LANE, 0].clear()
            await bench.until(lambda: bool(bench.owner.stuck))
        assert not run.done()

    assert f"{LANE}:0 (3, and the log ends at 0)" in bench.owner.stuck
    assert exposures(bench) == {}


async def test_a_fenced_owner_writes_nothing() -> None:
    """(!) What an owner wrote after a newer one began is seen by nobody, and it reads the state before it goes on."""
    broker = MemoryBroker()
    old, new = Bench(broker), Bench(broker)
    broker.publish(request())
    old.handler.automatic = new.handler.automatic = False
    async with old.running():
        await old.until(lambda: 0 in old.handler.complete)
        async with new.running():
            await new.until(lambda: 0 in new.handler.complete)
            old.handler.complete[0](outcome(0))
            await old.until(lambda: bool(old.handler.errors))
            new.handler.complete[0](outcome(0))
            await new.until(lambda: broker.offsets[LANE, 0].offset == 1)

    assert len(old.visible()) == 1


async def test_work_survives_a_reopened_shard() -> None:
    """A record delivered again finds its own work and adopts it, even when that was completed in between."""
    bench = Bench()
    bench.handler.automatic = False
    bench.broker.publish(request())
    async with bench.running():
        await bench.until(lambda: 0 in bench.handler.complete)
    bench.handler.complete[0](outcome(0))
    async with bench.running():
        await bench.until(lambda: bench.visible() == [b"0"])

    assert bench.handler.begun == Counter({0: 1})


async def test_work_of_an_earlier_epoch_does_not_fill_the_lane() -> None:
    """Admission counts what this epoch delivered: a lane that was full when an epoch broke is read again."""
    bench = Bench()
    bench.handler.automatic = False
    for _ in range(5):
        bench.broker.publish(request())
    async with bench.running():
        await bench.until(lambda: bench.owner.in_flight(LANE) == 5)
    assert bench.owner.in_flight(LANE) == 0
    for offset in range(5):
        bench.handler.complete[offset](outcome(offset))
    async with bench.running():
        await bench.until(lambda: len(bench.visible()) == 5)

    assert set(bench.handler.begun.values()) == {1}


async def test_a_stop_before_the_first_step_is_not_lost() -> None:
    """A shard revoked in the same event-loop turn in which it was assigned ends at once."""
    bench = Bench()
    running = asyncio.ensure_future(bench.owner.run())
    bench.owner.stop()

    await asyncio.wait_for(running, BOUND)


async def test_what_is_completed_first_is_announced_first() -> None:
    """When a commit has to choose, outcomes go out in the order of their completion, whatever their lane."""
    bench = Bench()
    bench.handler.automatic = False
    bench.broker.publish(request(topic=LANE))
    bench.broker.publish(request(topic=LANE))
    async with bench.running():
        await bench.until(lambda: len(bench.handler.complete) == 2)
    for offset in (1, 0):
        bench.handler.complete[offset](outcome(offset))
    async with bench.running():
        await bench.until(lambda: len(bench.visible()) == 2)

    assert bench.visible() == [b"1", b"0"]


async def test_missing_rights_are_fatal_not_an_articles_fault() -> None:
    """When the bus refuses the worker itself, it stops with that error and completes no record by it."""
    bench = Bench()
    bench.broker.publish(request())
    fail_once(bench.broker, "begin", Fatal(Reason.MISCONFIGURED, "Check its ACLs."))
    with pytest.raises(ExceptionGroup) as raised:
        async with bench.running() as run:
            await bench.until(run.done)

    assert raised.group_contains(Fatal, match="ACLs")
    assert bench.broker.offsets[LANE, 0].offset == 0


async def test_work_that_another_owner_finished_is_dropped() -> None:
    """When the shard comes back with a record finished by another, its work is cancelled and never announced."""
    bench = Bench()
    bench.handler.automatic = False
    bench.broker.publish(request())
    async with bench.running():
        await bench.until(lambda: 0 in bench.handler.complete)
    bench.broker.offsets[LANE, 0] = CommittedOffset(1, "v1:1:")
    async with bench.running():
        await bench.until(lambda: bench.owner.open)
        bench.handler.complete[0](outcome(0))

    assert bench.handler.cancelled == [0]
    assert bench.visible() == []


async def test_another_record_at_the_same_offset_is_not_adopted() -> None:
    """After a topic was recreated, old work must not answer the record that took its offset."""
    bench = Bench()
    bench.handler.automatic = False
    bench.broker.publish(request(b"old"))
    async with bench.running():
        await bench.until(lambda: 0 in bench.handler.complete)
    bench.broker.logs[LANE, 0].clear()
    bench.broker.publish(request(b"new"))
    async with bench.running():
        await bench.until(lambda: bench.handler.begun[0] == 2)

    assert bench.handler.cancelled == [0]


async def test_records_before_the_shard_is_open_are_dropped() -> None:
    """(!) What is delivered before the opening is read again after it, from the committed offset."""
    bench = Bench()
    bench.broker.publish(request())
    bench.owner.deliver(Record(LANE, 0, 0, b"a-1", b"{}", (), 0))
    assert bench.handler.begun == Counter()
    async with bench.running():
        await bench.until(lambda: bench.visible() == [b"0"])


async def test_one_poisonous_outcome_is_found_and_replaced() -> None:
    """A record whose outcome the broker refuses is singled out and gets its short fallback; the others are unharmed."""
    bench = Bench()
    bench.broker.refused_topics.add("too-large")
    bench.handler.automatic = False
    for _ in range(10):
        bench.broker.publish(request())
    async with bench.running():
        await bench.until(lambda: len(bench.handler.complete) == 10)
        for offset, complete in bench.handler.complete.items():
            complete(outcome(offset, topic="too-large" if offset == 6 else OUT, fallback=OUT))
        await bench.until(lambda: bench.broker.offsets[LANE, 0].offset == 10)

    assert Counter(bench.visible()) == Counter({b"short 6": 1, **{b"%d" % n: 1 for n in range(10) if n != 6}})


async def test_an_outcome_that_cannot_be_announced_at_all_is_fatal() -> None:
    """When even the short outcome is refused the worker stops with an error; it does not loop or skip the record."""
    bench = Bench()
    bench.broker.refused_topics.add("no")
    bench.handler.automatic = False
    bench.broker.publish(request())

    async def work() -> None:
        async with bench.running() as run:
            await bench.until(lambda: 0 in bench.handler.complete)
            bench.handler.complete[0](outcome(0, topic="no", fallback="no"))
            await bench.until(run.done)

    with pytest.raises(ExceptionGroup) as raised:
        await work()

    assert raised.group_contains(Fatal, match="refuses even a short outcome")
    assert bench.broker.offsets[LANE, 0].offset == 0


async def test_sizes_are_checked_before_a_transaction_begins() -> None:
    """An outcome over the limit is replaced by its fallback without costing an epoch."""
    bench = Bench()
    bench.handler.automatic = False
    bench.broker.publish(request())
    short = RecordResult((OutgoingRecord(OUT, 0, b"a-1", b"short", ()),))
    huge = RecordResult((OutgoingRecord(OUT, 0, b"a-1", b"x" * 2_000_000, ()),), lambda: short)
    async with bench.running():
        await bench.until(lambda: 0 in bench.handler.complete)
        bench.handler.complete[0](huge)
        await bench.until(lambda: bench.visible() == [b"short"])

    assert bench.handler.errors == []


async def test_a_transaction_is_bounded_in_bytes() -> None:
    """Many dead letters of the largest size go out in several transactions, each small enough for its time."""
    bench, count, size = Bench(), 20, 900_000
    bench.handler.automatic = False
    for _ in range(count):
        bench.broker.publish(request())
    committed = [0]
    bench.broker.transaction_ended = lambda _shard: committed.append(len(bench.visible()))
    async with bench.running():
        await bench.until(lambda: len(bench.handler.complete) == count)
        for complete in bench.handler.complete.values():
            complete(RecordResult((OutgoingRecord(OUT, 0, b"a-1", b"x" * size, ()),)))
        await bench.until(lambda: len(bench.handler.committed_offsets) == count)

    assert max(after - before for before, after in pairwise(committed)) == MAX_BATCH_BYTES // size
    assert bench.handler.errors == []


async def test_a_broker_too_slow_for_a_whole_batch_is_asked_for_less() -> None:
    """A transaction that got no answer in time is retried in halves, until the broker keeps up."""
    bench = Bench(timing=replace(QUICK, transaction=0.05))
    bench.handler.automatic = False
    for _ in range(20):
        bench.broker.publish(request())

    def journey(_owner: str, step: str, answered: str) -> Journey:
        slow = step == "commit" and len(bench.broker.open[0].entries) > 3
        return Journey(60.0 if slow else 0.0, lambda: bench.broker.faults(step), lambda: bench.broker.faults(answered))

    async with bench.running():
        await bench.until(lambda: len(bench.handler.complete) == 20)
        bench.broker.journey = journey
        for offset, complete in bench.handler.complete.items():
            complete(outcome(offset))
        await bench.until(lambda: len(bench.handler.committed_offsets) == 20)

    assert Counter(bench.visible()) == Counter(b"%d" % offset for offset in range(20))


async def test_an_idle_lane_that_ends_in_a_marker_shows_no_lag() -> None:
    """The owner's transaction moves the commit past control markers at the end of a lane."""
    bench = Bench()
    bench.broker.publish(request())
    bench.broker.leave_gap(LANE, 0, 2)
    async with bench.running():
        await bench.until(lambda: bench.broker.offsets[LANE, 0] == CommittedOffset(3, "v1:3:"))

    assert bench.visible() == [b"0"]


async def test_an_idle_shard_commits_nothing() -> None:
    """Where nothing changed nothing is committed, after the one that keeps its offsets: monitors count commits."""
    bench = Bench()
    begins = 0

    def faults(name: str) -> None:
        nonlocal begins
        begins += name == "begin"

    bench.broker.faults = faults
    async with bench.running():
        await bench.until(lambda: bench.owner.open)
        await pause(5 * QUICK.tick, asyncio.Event())

    assert begins == 1
    assert [record.key for record in bench.broker.visible("heads", 0)] == [offsets_key("group", 0)]


async def test_stop_commits_what_is_complete() -> None:
    """The last thing an owner does before it ends is to commit what is complete."""
    bench = Bench()
    bench.handler.automatic = False
    for _ in range(3):
        bench.broker.publish(request())
    async with bench.running():
        await bench.until(lambda: len(bench.handler.complete) == 3)
        for offset in (0, 2):
            bench.handler.complete[offset](outcome(offset))

    assert sorted(bench.visible()) == [b"0", b"2"]
    assert bench.broker.offsets[LANE, 0] == CommittedOffset(1, write_metadata(1, OffsetMetadata({2})))


async def test_a_refusal_is_a_bus_error_too() -> None:
    """A refusal is a bus error to code that does not distinguish them."""
    assert issubclass(RecordRefused, BusError)


async def test_a_record_that_is_not_due_is_not_begun() -> None:
    """A lane pauses at its first record that is not due, keeps its order, and delays no other lane."""
    bench = Bench()
    bench.handler.waits = {1: 60.0}
    for _ in range(3):
        bench.broker.publish(request())
    async with bench.running():
        await bench.until(lambda: bench.visible() == [b"0"])
        bench.broker.publish(request(topic=SECOND))
        await bench.until(lambda: len(bench.visible()) == 2)
        assert not bench.owner.accepts(LANE)
        assert bench.owner.accepts(SECOND)
        await bench.until(lambda: bench.broker.offsets[LANE, 0] == CommittedOffset(1, "v1:1:"))

    assert bench.handler.begun == Counter({0: 2})


async def test_a_lane_goes_on_when_its_record_is_due() -> None:
    """What was postponed is begun once, in order, when it is due."""
    bench = Bench()
    bench.handler.waits = {0: 0.02}
    for _ in range(3):
        bench.broker.publish(request())
    async with bench.running():
        await bench.until(lambda: not bench.owner.accepts(LANE) and bench.owner.open)
        bench.handler.waits = {}
        await bench.until(lambda: len(bench.visible()) == 3)

    assert bench.visible() == [b"0", b"1", b"2"]


async def enter(bench: Bench, offset: int, leave: asyncio.Event) -> None:
    with bench.handler.records[offset].engine.entering() as announced:
        await announced()
        await asyncio.wait_for(leave.wait(), BOUND)


def exposures(bench: Bench) -> Mapping[int, Exposure]:
    return read_metadata(bench.broker.offsets[LANE, 0]).exposures


async def test_the_group_knows_who_is_in_the_engine() -> None:
    """A record enters the engine only after a commit that announces it; leaving is committed as well."""
    bench, leave = Bench(), asyncio.Event()
    bench.handler.automatic = False
    bench.broker.publish(request())
    async with bench.running(), asyncio.TaskGroup() as tasks:
        await bench.until(lambda: 0 in bench.handler.complete)
        tasks.create_task(enter(bench, 0, leave))
        await bench.until(lambda: exposures(bench) == {0: Exposure(0, in_engine=True)})
        leave.set()
        await bench.until(lambda: exposures(bench) == {})


async def test_a_bus_that_is_down_does_not_keep_the_engine_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """When no commit can announce it in time, a record enters the engine unannounced."""
    monkeypatch.setattr(engine_exposure, "ANNOUNCE_SECONDS", 0.01)
    bench, leave = Bench(), asyncio.Event()
    bench.handler.automatic = False
    bench.broker.publish(request())
    async with bench.running():
        await bench.until(lambda: 0 in bench.handler.complete)

        def away(_step: str) -> None:
            raise BusError("away")

        bench.broker.faults = away
        leave.set()
        await enter(bench, 0, leave)
        bench.broker.faults = lambda _step: None

    assert exposures(bench) == {}


async def test_a_death_in_the_engine_is_counted_by_the_next_owner() -> None:
    """When a process dies, the records in its engine carry the death with them until they are finished."""
    bench, leave = Bench(), asyncio.Event()
    bench.handler.automatic = False
    bench.broker.publish(request())
    bench.broker.publish(request())
    bench.broker.offsets[LANE, 0] = CommittedOffset(
        0, write_metadata(0, OffsetMetadata(exposures={1: Exposure(1, in_engine=True)}))
    )
    async with bench.running(), asyncio.TaskGroup() as tasks:
        await bench.until(lambda: set(bench.handler.complete) == {0, 1})
        assert [bench.handler.records[offset].engine.deaths for offset in (0, 1)] == [0, 2]
        tasks.create_task(enter(bench, 0, leave))
        await bench.until(lambda: exposures(bench) == {0: Exposure(0, in_engine=True), 1: Exposure(2, in_engine=False)})
        bench.handler.complete[1](outcome(1))
        await bench.until(lambda: bench.visible() == [b"1"])
        assert exposures(bench) == {0: Exposure(0, in_engine=True)}
        leave.set()


async def test_an_owner_that_leaves_in_order_blames_nobody() -> None:
    """A rebalance or a stop is no death: the last commit says that nothing is in the engine."""
    bench, leave = Bench(), asyncio.Event()
    bench.handler.automatic = False
    bench.broker.publish(request())
    async with asyncio.TaskGroup() as tasks:
        async with bench.running():
            await bench.until(lambda: 0 in bench.handler.complete)
            tasks.create_task(enter(bench, 0, leave))
            await bench.until(lambda: exposures(bench) == {0: Exposure(0, in_engine=True)})
        assert exposures(bench) == {}
        leave.set()


async def test_a_cancelled_owner_leaves_in_order_too() -> None:
    """When another part of the worker fails, the records in its engine are not to blame."""
    bench, leave = Bench(), asyncio.Event()
    bench.handler.automatic = False
    bench.broker.publish(request())
    async with asyncio.TaskGroup() as tasks, bench.running() as run:
        await bench.until(lambda: 0 in bench.handler.complete)
        tasks.create_task(enter(bench, 0, leave))
        presence = bench.handler.records[0].engine
        await bench.until(lambda: presence.exposed and not presence.unannounced)  # the commit has been answered
        assert exposures(bench) == {0: Exposure(0, in_engine=True)}
        run.cancel()
        await asyncio.wait([run], timeout=BOUND)
        assert exposures(bench) == {}
        leave.set()


async def test_a_broken_epoch_is_no_death() -> None:
    """A worker that reopens its shard still has its records in the engine; nobody died."""
    bench, leave = Bench(), asyncio.Event()
    bench.handler.automatic = False
    bench.broker.publish(request())
    bench.broker.publish(request())
    async with bench.running(), asyncio.TaskGroup() as tasks:
        await bench.until(lambda: set(bench.handler.complete) == {0, 1})
        tasks.create_task(enter(bench, 0, leave))
        await bench.until(lambda: exposures(bench) == {0: Exposure(0, in_engine=True)})
        fail_once(bench.broker, "begin")
        bench.handler.complete[1](outcome(1))
        await bench.until(lambda: bench.visible() == [b"1"])
        assert exposures(bench) == {0: Exposure(0, in_engine=True)}
        leave.set()


async def test_an_outage_is_reported_to_the_group() -> None:
    """What keeps a worker from working stands in its commits while it lasts, so that the lag can be explained."""
    bench = Bench()
    async with bench.running():
        await bench.until(lambda: bench.owner.open)
        bench.handler.outage = "engine_failed"
        await bench.until(lambda: read_metadata(bench.broker.offsets[SECOND, 0]).outage == "engine_failed")
        bench.handler.outage = ""
        await bench.until(lambda: bench.broker.offsets[SECOND, 0] == CommittedOffset(0, "v1:0:"))


async def test_a_handler_that_admits_nothing_stops_every_lane() -> None:
    """While the handler takes no more, no lane is read on."""
    bench = Bench()
    bench.handler.admitting = False
    async with bench.running():
        await bench.until(lambda: bench.owner.open)
        assert not bench.owner.accepts(LANE)
        assert not bench.owner.accepts(SECOND)


@pytest.mark.parametrize("step", ["seconds_until_due", "begin"])
async def test_records_that_were_read_but_not_delivered_are_not_passed(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """(!) When a worker fails between reading and delivering, its owner's last commit stays before those records."""
    bench = Bench()
    for topic in (LANE, LANE, SECOND):
        bench.broker.publish(request(topic=topic))

    def defect(*_: object) -> None:
        raise RuntimeError(step)

    monkeypatch.setattr(bench.handler, step, defect)
    run = asyncio.ensure_future(bench.owner.run())
    await bench.until(lambda: bench.owner.open)
    with pytest.raises(RuntimeError):
        bench.bus.poll(bench.owner)
    run.cancel()
    await asyncio.wait([run], timeout=BOUND)

    assert {bench.broker.offsets[topic, 0].offset for topic in (LANE, SECOND)} == {0}


async def test_released_work_does_not_wait_for_the_group() -> None:
    """A picture of a record that is another owner's by now enters the engine at once: no commit will announce it."""
    released = InFlightRecord(Record(LANE, 0, 0, b"a-1", b"{}", (), 0), 0, lambda: None)
    released.release(cancel_running=False)
    with released.engine.entering() as announced:
        await asyncio.wait_for(announced(), engine_exposure.ANNOUNCE_SECONDS / 2)


async def test_an_owner_that_only_waits_for_work_learns_of_a_newer_one() -> None:
    """With a record in flight and nothing to commit, it finds out soon that it was fenced; its offset does not move."""
    bench = Bench(timing=replace(QUICK, fence_check=0.01))
    bench.handler.automatic = False
    bench.broker.publish(request())
    async with bench.running():
        await bench.until(lambda: bool(bench.handler.begun))
        before, known = bench.broker.offsets[LANE, 0], len(bench.broker.logs["heads", 0])
        await bench.until(lambda: len(bench.broker.logs["heads", 0]) > known + 2)
        assert bench.handler.errors == []
        assert bench.broker.offsets[LANE, 0] == before
        bench.broker.init(0)
        await bench.until(lambda: bool(bench.handler.errors))
        await bench.until(lambda: bench.owner.open)
        bench.handler.complete[0](outcome(0))
        await bench.until(lambda: bench.visible() == [b"0"])

    assert bench.handler.begun == {0: 1}


async def test_an_idle_owner_learns_that_a_lane_was_resumed() -> None:
    """Nothing is in flight, because the only lane with records is paused: resuming it is noticed all the same."""
    bench = Bench(timing=replace(QUICK, held_check=0.01), holdable=[SECOND])
    held = NO_CONTROLS.pause(Selector(lane=SECOND), 1)
    bench.broker.publish(OutgoingRecord("heads", 0, controls_key("group"), held.encode(), ()))
    bench.broker.publish(request(topic=SECOND))
    async with bench.running():
        await bench.until(lambda: bench.owner.open)
        await asyncio.sleep(0.05)
        assert bench.handler.begun == {}
        bench.broker.publish(OutgoingRecord("heads", 0, controls_key("group"), NO_CONTROLS.encode(), ()))
        bench.broker.init(0)
        await bench.until(lambda: bench.visible() == [b"0"])


async def test_an_owner_without_work_writes_nothing() -> None:
    """An idle shard costs no transaction, however long it is idle."""
    bench = Bench(timing=replace(QUICK, fence_check=0.01))
    async with bench.running():
        await bench.until(lambda: bench.owner.open and bool(bench.broker.logs["heads", 0]))
        known = len(bench.broker.logs["heads", 0])
        await asyncio.sleep(0.1)

    assert len(bench.broker.logs["heads", 0]) == known
