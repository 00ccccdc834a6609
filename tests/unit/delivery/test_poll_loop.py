"""The poll loop: with a reader that fails on demand, and in and out of the group."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from consumer.delivery.heads import Heads
from consumer.delivery.in_flight import InFlightRecord
from consumer.delivery.poll_loop import PollLoop
from consumer.delivery.ports import BusError, CommittedOffset, Listener, OutgoingRecord, Partition, RecordResult
from consumer.delivery.shard_owner import ShardOwner
from consumer.jobs import Record
from consumer.testing.broker import MemoryBroker
from consumer.testing.bus import MemoryBus
from consumer.testing.group import MemoryGroup
from consumer.testing.reader import MemoryReader

BOUND = 5.0
LANE = "requested"
BROKEN = Partition("requested", 1)


class HalfReader:
    """Two partitions, one of which cannot be read."""

    failure: str | None = None
    awaits_assignment = False
    assignment = frozenset({Partition("requested", 0), BROKEN})

    def subscribe(self, topics: Sequence[str], listener: Listener) -> None:
        """Never rebalance."""

    async def unsubscribe(self) -> None:
        """Never leave."""
        raise AssertionError

    def pause(self, partition: Partition) -> None:
        """Do nothing."""

    def resume(self, partition: Partition) -> None:
        """Do nothing."""

    async def read(self, seconds: float, most: int, among: Sequence[Partition]) -> Mapping[Partition, Sequence[Record]]:
        assert (seconds >= 0, most > 0) == (True, True)
        await asyncio.sleep(0)
        if BROKEN in among:
            raise BusError("a batch that cannot be unpacked")
        return {}


class EagerOwner:
    """A shard that always takes more."""

    open = True

    def accepts(self, topic: str) -> bool:
        return topic == "requested"

    def in_flight(self, topic: str) -> int:
        return len(topic) - len("requested")


async def test_one_unreadable_partition_is_reported_and_is_no_standstill() -> None:
    """The others are read, which is a sign of life; the broken one is reported while it is broken."""
    beats = asyncio.Event()
    owners: Any = {0: EagerOwner(), 1: EagerOwner()}
    intake = PollLoop(
        HalfReader(),
        ["requested"],
        owners,
        wanted=lambda: True,
        max_in_flight=8,
        cancel_revoked=False,
        polled=beats.set,
        strangers=MemoryBus(MemoryBroker(), ["requested"]).strangers,
    )
    running = asyncio.ensure_future(intake.run())
    await asyncio.wait_for(beats.wait(), BOUND)
    running.cancel()
    await asyncio.wait([running], timeout=BOUND)

    assert intake.unreadable == {BROKEN: "a batch that cannot be unpacked"}


class Member:
    """A worker's poll loop over the in-memory group, whose jobs are done at once."""

    def __init__(self, broker: MemoryBroker, name: str) -> None:
        self.wanted, self.beats = False, 0
        self.reader = MemoryReader(broker, name, heartbeat_seconds=0.05)
        bus = MemoryBus(broker, [LANE], self.reader)
        self.handler = QuickHandler()
        handler: Any = self.handler
        owners = {
            shard: ShardOwner(
                shard, [LANE], bus=bus, handler=handler, observer=handler, heads=Heads("heads", "g", shard)
            )
            for shard in range(broker.partitions)
        }
        self.loop = PollLoop(
            self.reader,
            [LANE],
            owners,
            wanted=lambda: self.wanted,
            max_in_flight=8,
            cancel_revoked=False,
            polled=self._beat,
            strangers=bus.strangers,
        )

    def _beat(self) -> None:
        self.beats += 1

    @property
    def serves(self) -> frozenset[int]:
        return self.loop.assigned if self.loop.joined and self.loop.all_open else frozenset()


class QuickHandler:
    """Answers each record with an outcome."""

    outage = ""

    def __init__(self) -> None:
        self.deleted: list[tuple[str, int, int]] = []

    def records_deleted(self, topic: str, shard: int, records: int) -> None:
        self.deleted.append((topic, shard, records))

    def admits(self) -> bool:
        return True

    def seconds_until_due(self, record: Record) -> float:
        return -1.0 if record.topic == LANE else 1.0

    def begin(self, in_flight: InFlightRecord) -> Any:
        record = in_flight.record
        written = OutgoingRecord("outcome", record.partition, record.key, record.value, ())
        in_flight.complete(RecordResult((written,)))

    def announced(self, *_told: object) -> None:
        """Hear nothing."""

    epoch_ended = committed = announced


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(BOUND):
        while not condition():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def members(broker: MemoryBroker, count: int) -> AsyncIterator[list[Member]]:
    """Run poll loops, none of which is wanted in the group yet."""
    made = [Member(broker, f"member-{number}") for number in range(count)]
    running = [asyncio.ensure_future(member.loop.run()) for member in made]
    yield made
    for task in running:
        task.cancel()
    await asyncio.wait(running, timeout=BOUND)
    for member in made:
        await member.reader.close()


def two_shards() -> MemoryBroker:
    broker = MemoryBroker(2, MemoryGroup(session_seconds=1.0, rebalance_seconds=5.0))
    broker.offsets = {(LANE, shard): CommittedOffset(0, "") for shard in range(2)}
    return broker


async def test_a_worker_that_is_not_wanted_is_alive_and_no_member() -> None:
    """Outside the group it shows signs of life and takes no shard; the one that is wanted has them all."""
    async with members(two_shards(), 2) as (able, unable):
        able.wanted = True
        await until(lambda: able.serves == {0, 1} and unable.beats > 2)

        assert (unable.loop.joined, unable.serves) == (False, frozenset())
        assert len(able.reader._broker.group.members) == 1


async def test_a_member_that_is_no_longer_wanted_gives_its_shards_up() -> None:
    """The others have them within a rebalance, not after a session, and it comes back as a member like any other."""
    broker = two_shards()
    async with members(broker, 2) as (first, second):
        first.wanted = second.wanted = True
        await until(lambda: len(first.serves) == len(second.serves) == 1)
        first.wanted = False
        await until(lambda: second.serves == {0, 1})
        assert (first.loop.joined, first.loop.assigned, first.loop.open_shards) == (False, frozenset(), 0)
        for shard in range(2):
            broker.publish(OutgoingRecord(LANE, shard, b"a-1", b"{}", ()))
        await until(lambda: all(broker.offsets[LANE, shard].offset == 1 for shard in range(2)))
        first.wanted = True
        await until(lambda: len(first.serves) == len(second.serves) == 1)


async def test_a_worker_that_stops_does_not_join() -> None:
    """A stop that comes while it waits outside is not answered with a rebalance."""
    async with members(two_shards(), 1) as (worker,):
        await until(lambda: worker.beats > 0)
        worker.loop.stop()
        worker.wanted, beats = True, worker.beats
        await until(lambda: worker.beats > beats + 2)

        assert worker.reader._broker.group.members == {}


async def test_records_deleted_beneath_the_cursor_end_no_worker() -> None:
    """The shard is read on from the log's start, and what is gone is told once; the other shard goes on all along."""
    broker = two_shards()
    async with members(broker, 1) as (worker,):
        worker.wanted = True
        await until(lambda: worker.serves == {0, 1})
        broker.leave_gap(LANE, 0, 5)
        broker.delete_records(LANE, 0, before=5)
        for shard in range(2):
            broker.publish(OutgoingRecord(LANE, shard, b"a-1", b"{}", ()))
        await until(lambda: [broker.offsets[LANE, shard].offset for shard in range(2)] == [6, 1])

    assert worker.handler.deleted == [(LANE, 0, 5)]


async def test_a_shard_that_waits_for_an_operator_stops_no_other() -> None:
    """It says what is to be decided, and the worker stays in the group and works on the rest."""
    broker = two_shards()
    broker.offsets[LANE, 0] = CommittedOffset(500, "")
    async with members(broker, 1) as (worker,):
        worker.wanted = True
        await until(lambda: bool(worker.loop.stuck))
        broker.publish(OutgoingRecord(LANE, 1, b"a-1", b"{}", ()))
        await until(lambda: broker.offsets[LANE, 1].offset == 1)

        assert f"--only {LANE}:0 --force" in worker.loop.stuck
        assert (worker.loop.open_shards, worker.loop.assigned) == (1, frozenset({0, 1}))


LANES = ("requested", "retry")
BOTH = frozenset(Partition(lane, number) for lane in LANES for number in (0, 1))


class Owner:
    """A shard that can be given up."""

    open = False

    def accepts(self, topic: str) -> bool:
        return topic not in LANES

    def in_flight(self, topic: str) -> int:
        return len(topic) * 0

    def crowded(self, topic: str) -> bool:
        return topic == "crowded"

    def release(self, *, cancel_running: bool) -> None:
        assert not cancel_running


async def assigned(partitions: frozenset[Partition], answer: str | Exception) -> PollLoop:
    """Return a poll loop that was given these partitions, and the answer to who else is in the group."""

    async def strangers() -> str:
        if isinstance(answer, Exception):
            raise answer
        return answer

    owners: Any = {0: Owner(), 1: Owner()}
    loop = PollLoop(
        HalfReader(),
        LANES,
        owners,
        wanted=lambda: True,
        max_in_flight=8,
        cancel_revoked=False,
        polled=lambda: None,
        strangers=strangers,
    )
    await loop.on_assigned(partitions)
    return loop


@pytest.mark.parametrize("answer", ["kafka-ui at 10.0.0.7", BusError("the group rebalances"), TimeoutError()])
async def test_strangers_cost_only_the_shards_that_they_keep(answer: str | Exception) -> None:
    """Shards that are whole go on; who keeps the others is known, or is asked again with the next rebalance."""
    loop = await assigned(BOTH - {Partition("requested", 1)}, answer)

    assert (loop.assigned, loop.incomplete, loop._failure) == (frozenset({0}), frozenset({1}), None)
    assert loop.strangers

    await loop.on_assigned(BOTH)
    assert (loop.assigned, loop.incomplete, loop.strangers) == (frozenset({0, 1}), frozenset(), "")


async def test_incomplete_shards_without_strangers_end_the_worker() -> None:
    """Then the lanes' partition counts changed, or one is gone: only an operator can say what is right."""
    grown = await assigned(BOTH - {Partition("requested", 1)}, "")
    assert grown._failure is not None
    assert "partition counts changed" in grown._failure.message

    gone = await assigned(frozenset({Partition("retry", 0)}), "")
    assert gone._failure is not None
    assert "requested: no such topic any more" in gone._failure.message


async def test_half_of_a_shards_share_may_wait_for_newer_saves() -> None:
    """The other half is for what is worked on; none may wait where the lane would stop, or in a shard of others."""
    loop = await assigned(BOTH, "")
    assert loop.settling_room("requested", 0) == 2
    assert loop.settling_room("crowded", 0) == 0
    assert loop.settling_room("requested", 7) == 0
