"""Held requests over the twin: each gets exactly one end, in the transaction that takes it out of its slot's head."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.delivery.editorial import Editorial, Held, Position, Withdrawal
from consumer.delivery.heads import NO_HEAD, Claim, Head, Heads, Slot, read_head, slot_of, write_head
from consumer.delivery.held import HeldEnd
from consumer.delivery.in_flight import InFlightRecord, Release
from consumer.delivery.own_offsets import ForeignCommit
from consumer.delivery.ports import BusError, CommittedOffset, OutgoingRecord, RecordResult
from consumer.delivery.restore import OwnerTiming
from consumer.delivery.ruling import Verdict
from consumer.delivery.shard_owner import ShardOwner
from consumer.jobs import Record
from consumer.testing.bus import MemoryBroker, MemoryBus

LANE, OUT, HEADS = "requested", "outcome", "heads"
TIMING = OwnerTiming(tick=0.005, reread=0.001, rereads=20, transaction=1.0, backoff=0.001, max_backoff=0.01)
BOUND = 5.0
SLOT = Slot("a-1", "hero")
FAR = 2**50


def said(text: str) -> RecordResult:
    return RecordResult((OutgoingRecord(OUT, 0, b"a-1", text.encode(), ()),), facts={"outcome": text})


def held(revision: int, until_ms: int = FAR, request_id: str = "") -> Held:
    name = request_id or f"r-{revision}"
    return Held(
        source="/cms",
        request_id=name,
        revision=revision,
        ordinal=1,
        variation=0,
        until_ms=until_ms,
        topic=LANE,
        offset=0,
        key=b"\xff",
        value=b"\x00\xfe",
        headers=(("ce_id", name.encode()), ("empty", None)),
    )


def end(shard: int, ended: Held, how: HeldEnd) -> RecordResult:
    assert shard == 0
    return said(f"{ended.request_id} {how.reason} {how.revision or how.ordinal or ''}".strip())


def once(step: str) -> Callable[[str], None]:
    """Return faults that break one request of that kind."""
    left = [step]

    def faults(at: str) -> None:
        if at in left:
            left.clear()
            raise BusError("no answer")

    return faults


class Work:
    painting = False

    def cancel(self, *, running: bool) -> None:
        assert running in {True, False}


class Desk:
    """A handler that does as a record's value says: `save 3`, `hold 3`, `approve 3`, `withdraw`."""

    outage = ""

    def __init__(self, until_ms: int = FAR, *, automatic: bool = False) -> None:
        self.until_ms = until_ms
        self.automatic = automatic
        self.painting: dict[str, InFlightRecord] = {}

    def admits(self) -> bool:
        return True

    def seconds_until_due(self, record: Record) -> float:
        del record
        return 0.0

    def begin(self, in_flight: InFlightRecord) -> Work:
        asyncio.get_running_loop().call_soon(self._do, in_flight, (in_flight.record.value or b"").decode())
        return Work()

    def _do(self, in_flight: InFlightRecord, command: str) -> None:
        verb, _, number = command.partition(" ")
        getattr(self, verb)(in_flight, int(number or 0))

    def _claim(self, in_flight: InFlightRecord, revision: int, request_id: str) -> bool:
        claim = Claim(SLOT, revision, "/cms", request_id)
        ruling = in_flight.register_claim(
            claim,
            lambda newer: said(f"{request_id} superseded {newer}"),
            lambda ruling: said(f"{request_id} withdrawn {ruling.ordinal}"),
        )
        return ruling.verdict is Verdict.PAINT

    def save(self, in_flight: InFlightRecord, revision: int) -> None:
        if self._claim(in_flight, revision, f"r-{revision}"):
            in_flight.complete(said(f"r-{revision} ready"))

    def hold(self, in_flight: InFlightRecord, revision: int) -> None:
        name = f"r-{revision}" if in_flight.record.offset < 9 else f"again-{revision}"
        if self._claim(in_flight, revision, name):
            in_flight.holds = in_flight.ruling.held or held(revision, self.until_ms, name)
            in_flight.complete(said(f"{name} held"))

    def approve(self, in_flight: InFlightRecord, revision: int) -> None:
        in_flight.decides = True
        editorial = in_flight.editorial(SLOT)
        if editorial is None:
            return
        if editorial.held is None or editorial.held.revision != revision:
            in_flight.complete(said("nothing held"))
            return
        in_flight.decides = False
        in_flight.releases = Release(editorial.held, RecordResult((), facts={"outcome": "late"}))
        if self._claim(in_flight, revision, editorial.held.request_id):
            self.painting[editorial.held.request_id] = in_flight
            if self.automatic:
                in_flight.complete(said(f"{editorial.held.request_id} ready"))

    def withdraw(self, in_flight: InFlightRecord, _number: int) -> None:
        at = Position(topic=LANE, partition=0, offset=in_flight.record.offset)
        by = Withdrawal(source="/cms", request_id="w")
        assert in_flight.withdraw_slots("a-1", None, at, by) is not None
        in_flight.complete(said("taken down"))

    def announced(self, record: Record, result: RecordResult, seconds: float) -> None:
        assert (record.partition, seconds >= 0, "outcome" in result.facts) == (0, True, True)

    def foreign_commit(self, commit: ForeignCommit) -> None:
        raise AssertionError(commit)

    def records_deleted(self, topic: str, shard: int, records: int) -> None:
        raise AssertionError(topic, shard, records)

    def epoch_ended(self, shard: int, error: Exception) -> None:
        assert (shard, bool(str(error))) == (0, True)

    def committed(self, shard: int, seconds: float, records: int) -> None:
        assert (shard, seconds >= 0, records >= 0) == (0, True, True)


class Shard:
    """One shard, of which owners take turns."""

    def __init__(self) -> None:
        self.broker = MemoryBroker()
        self.broker.offsets[LANE, 0] = CommittedOffset(0, "v1:0:")

    @asynccontextmanager
    async def owned(self, desk: Desk) -> AsyncIterator[Desk]:
        bus = MemoryBus(self.broker, (LANE,))
        heads = Heads(HEADS, "group", 0)
        owner = ShardOwner(0, (LANE,), bus=bus, handler=desk, observer=desk, heads=heads, timing=TIMING, end_held=end)
        async with asyncio.TaskGroup() as tasks:
            polling, run = tasks.create_task(self._poll(bus, owner)), tasks.create_task(owner.run())
            yield desk
            owner.stop()
            await asyncio.wait([run], timeout=BOUND)
            polling.cancel()

    async def _poll(self, bus: MemoryBus, owner: ShardOwner) -> None:
        while True:
            bus.poll(owner)
            await asyncio.sleep(0.001)

    def publish(self, command: str) -> None:
        self.broker.publish(OutgoingRecord(LANE, 0, b"a-1", command.encode(), ()))

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(BOUND):
            while not condition():
                await asyncio.sleep(0.001)

    async def says(self, command: str, *expected: str) -> None:
        """Publish a record, and wait for what is announced of it."""
        before = self.outcomes()
        self.publish(command)
        await self.until(lambda: sorted(self.outcomes()) == sorted([*before, *expected]))

    def outcomes(self) -> list[str]:
        return [(record.value or b"").decode() for record in self.broker.visible(OUT, 0)]

    def editorial(self) -> Editorial:
        stored = [each for each in self.broker.visible(HEADS, 0) if slot_of(each.key or b"", "group") == SLOT]
        head = read_head(stored[-1].value or b"")
        assert head is not None
        return head.editorial


def test_a_held_request_is_stored_with_its_record_byte_by_byte() -> None:
    """Keys and values are any bytes, and a header may have no value."""
    head = Head(3, "/cms", "r-3", editorial=Editorial(held=held(3), approved=("/cms", "r-2")))
    assert read_head(write_head(head)) == head
    assert read_head(write_head(NO_HEAD)) == NO_HEAD


async def test_an_approval_ends_the_held_request_and_is_remembered() -> None:
    """Across owners: what is held lies in the head, and so does that the event was approved."""
    shard = Shard()
    async with shard.owned(Desk()):
        await shard.says("hold 3", "r-3 held")
    assert shard.editorial().held == held(3)
    async with shard.owned(Desk()) as desk:
        shard.publish("approve 3")
        await shard.until(lambda: "r-3" in desk.painting)
        desk.painting["r-3"].complete(said("r-3 ready"))
        await shard.until(lambda: "r-3 ready" in shard.outcomes())
        await shard.says("approve 3", "nothing held")
    assert (shard.editorial().held, shard.editorial().approved) == (None, ("/cms", "r-3"))
    assert shard.outcomes() == ["r-3 held", "r-3 ready", "nothing held"]


async def test_a_newer_save_supersedes_what_is_held_in_its_own_transaction() -> None:
    """One end, with the newer one's outcome; approving it afterwards finds nothing."""
    shard = Shard()
    async with shard.owned(Desk()):
        await shard.says("hold 3", "r-3 held")
        await shard.says("save 4", "r-4 ready", "r-3 superseded 4")
        await shard.says("approve 3", "nothing held")
    assert shard.editorial().held is None


async def test_a_save_that_comes_while_an_approved_one_is_painted_gives_it_one_end() -> None:
    """The approval's work ends, and its result is that end; the newer one does not announce it again."""
    shard = Shard()
    async with shard.owned(Desk()) as desk:
        await shard.says("hold 3", "r-3 held")
        shard.publish("approve 3")
        await shard.until(lambda: "r-3" in desk.painting)
        await shard.says("save 4", "r-3 superseded 4", "r-4 ready")
        desk.painting["r-3"].complete(said("r-3 ready"))
        await shard.says("save 5", "r-5 ready")
    assert shard.outcomes().count("r-3 superseded 4") == 1


async def test_two_approvals_give_one_end() -> None:
    """An editor clicked twice: the second one's work says nothing."""
    shard = Shard()
    async with shard.owned(Desk()) as desk:
        await shard.says("hold 3", "r-3 held")
        shard.publish("approve 3")
        await shard.until(lambda: "r-3" in desk.painting)
        first = desk.painting.pop("r-3")
        shard.publish("approve 3")
        await shard.until(lambda: "r-3" in desk.painting)
        first.complete(said("r-3 ready"))
        desk.painting["r-3"].complete(said("r-3 ready"))
        await shard.says("save 3", "r-3 ready", "r-3 ready")
    assert shard.outcomes() == ["r-3 held", "r-3 ready", "r-3 ready"]


async def test_a_withdrawal_ends_what_is_held() -> None:
    """Together with the slot's pictures."""
    shard = Shard()
    async with shard.owned(Desk()):
        await shard.says("hold 3", "r-3 held")
        await shard.says("withdraw", "taken down", "r-3 withdrawn 2")
        await shard.says("approve 3", "nothing held")


@pytest.mark.parametrize(
    ("then", "outcomes"),
    [("save 4", ["r-3 superseded 4", "r-4 ready"]), ("withdraw", ["r-3 withdrawn 2", "taken down"])],
)
async def test_what_is_overruled_before_its_hold_is_written_has_one_end(then: str, outcomes: list[str]) -> None:
    """It is not held any more: what overruled it announced its end already."""
    shard = Shard()
    shard.publish("hold 3")
    shard.publish(then)
    async with shard.owned(Desk()):
        await shard.until(lambda: len(shard.outcomes()) >= len(outcomes))
        await shard.says("approve 3", "nothing held")
    assert sorted(shard.outcomes()) == sorted(["nothing held", *outcomes])
    assert shard.editorial().held is None


async def test_what_nobody_approves_expires() -> None:
    """By the owner's tick, without any record; so it does after all owners were away."""
    shard = Shard()
    async with shard.owned(Desk(until_ms=int(time.time() * 1000) + 50)):
        await shard.says("hold 3", "r-3 held")
        await shard.until(lambda: "r-3 expired" in shard.outcomes())
        await shard.says("save 3", "r-3 ready")
    assert shard.outcomes() == ["r-3 held", "r-3 expired", "r-3 ready"]


async def test_what_is_being_painted_does_not_expire() -> None:
    """An editor approved it in time."""
    shard = Shard()
    async with shard.owned(Desk(until_ms=int(time.time() * 1000) + 50)) as desk:
        await shard.says("hold 3", "r-3 held")
        shard.publish("approve 3")
        await shard.until(lambda: "r-3" in desk.painting)
        await shard.until(lambda: time.time() * 1000 > desk.until_ms + 50)
        desk.painting["r-3"].complete(said("r-3 ready"))
        await shard.until(lambda: len(shard.outcomes()) == 2)
    assert shard.outcomes() == ["r-3 held", "r-3 ready"]


async def test_a_second_request_of_the_revision_takes_the_place_of_the_one_held() -> None:
    """A slot holds one; the same event again is held as before."""
    shard = Shard()
    async with shard.owned(Desk()):
        await shard.says("hold 3", "r-3 held")
        await shard.says("hold 3", "r-3 held")
        for _ in range(7):
            await shard.says("approve 1", "nothing held")
        await shard.says("hold 3", "again-3 held", "r-3 superseded 3")
    held_now = shard.editorial().held
    assert held_now is not None
    assert held_now.request_id == "again-3"


@pytest.mark.parametrize("step", ["commit", "committed"])
async def test_a_commit_whose_answer_is_lost_doubles_no_end(step: str) -> None:
    """Whether it went through or not, the next epoch reads what is held, and ends it once."""
    shard = Shard()
    async with shard.owned(Desk()):
        await shard.says("hold 3", "r-3 held")
        shard.broker.faults = once(step)
        shard.publish("save 4")
        await shard.until(lambda: "r-3 superseded 4" in shard.outcomes())
        await shard.says("save 5", "r-5 ready")
    assert sorted(shard.outcomes()) == ["r-3 held", "r-3 superseded 4", "r-4 ready", "r-5 ready"]


STEPS = ["init", "begin", "send", "answer", "send_offsets", "commit", "committed"]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from(["hold", "save", "approve", "restart"]), min_size=1, max_size=8),
    st.lists(st.tuples(st.sampled_from(STEPS), st.integers(1, 6)), max_size=3),
)
def test_each_held_request_has_exactly_one_end(commands: list[str], faults: list[tuple[str, int]]) -> None:
    """Whatever is held, saved and approved in whatever order, and whichever request to the broker fails."""
    asyncio.run(asyncio.wait_for(_play(commands, faults), 4 * BOUND))


async def _play(commands: list[str], faults: list[tuple[str, int]]) -> None:
    shard = Shard()
    shard.broker.faults = counted(faults)
    revision = 0
    for owned in "\n".join(commands).split("restart"):
        async with shard.owned(Desk(automatic=True)):
            for command in owned.split():
                revision += command != "approve"
                shard.publish(f"{command} {revision}")
                await asyncio.sleep(0.002)
    shard.broker.faults = lambda _step: None
    async with shard.owned(Desk(automatic=True)):
        shard.publish(f"save {revision + 1}")
        await shard.until(lambda: f"r-{revision + 1} ready" in shard.outcomes())
    outcomes = [outcome.split() for outcome in shard.outcomes()]
    requests = {name for name, *_ in outcomes if name != "nothing"}
    for name in requests:
        ends = [kind for of, kind, *_ in outcomes if of == name and kind != "held"]
        assert len(ends) == 1, (name, outcomes)
    assert shard.editorial().held is None


def counted(faults: list[tuple[str, int]]) -> Callable[[str], None]:
    """Return faults: each breaks the broker's n-th request of its kind."""
    seen: Counter[str] = Counter()

    def fault(step: str) -> None:
        seen[step] += 1
        if (step, seen[step]) in faults:
            raise BusError(f"{step} failed")

    return fault
