"""What the poll loop relies on in a consumer group, checked on the in-memory twin and on Apache Kafka alike."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Protocol

import pytest

from consumer.delivery.ports import (
    Bus,
    BusError,
    CommittedOffset,
    Epoch,
    OutgoingRecord,
    Partition,
    PositionLost,
    Reader,
)
from consumer.jobs import Record
from consumer.kafka.admin_client import KafkaAdmin, open_admin
from consumer.kafka.bus import KafkaBus
from consumer.kafka.client import open_consumer
from consumer.kafka.consumer import KafkaReader
from consumer.kafka.topics import apply
from consumer.testing.broker import MemoryBroker
from consumer.testing.bus import MemoryBus
from consumer.testing.group import MemoryGroup
from consumer.testing.reader import MemoryReader
from schemas import names
from tests.support.harness import BOUND, Site

ELSEWHERE = 7
"""A shard whose transactions stand for those of other publishers."""


@dataclass
class Member:
    """One member of the group, the rebalances it saw, and its line to the broker."""

    reader: Reader
    bus: Bus
    hold: Callable[[], None]
    release: Callable[[], None]
    assignments: list[frozenset[Partition]] = field(default_factory=list)
    revocations: int = 0

    async def on_revoked(self) -> None:
        self.revocations += 1

    async def on_assigned(self, partitions: frozenset[Partition]) -> None:
        self.assignments.append(partitions)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(BOUND):
            while not condition():
                await asyncio.sleep(0.02)

    async def read(self, number: int) -> list[Record]:
        """Read `number` records of the lane."""
        taken: list[Record] = []
        async with asyncio.timeout(BOUND):
            while len(taken) < number:
                for records in (await self.reader.read(0.2, 500, sorted(self.reader.assignment))).values():
                    taken += records
        return taken

    async def rejoined(self, times: int) -> None:
        await self.until(lambda: len(self.assignments) >= times and not self.reader.awaits_assignment)


class World(Protocol):
    """A cluster with one group and a lane of one partition."""

    lane: str
    bus: Bus

    def member(self) -> AbstractAsyncContextManager[Member]: ...

    async def delete(self, before: int) -> None: ...


class MemoryWorld:
    def __init__(self) -> None:
        self.lane = names.REQUESTED
        self._broker = MemoryBroker(1, MemoryGroup(session_seconds=0.5, rebalance_seconds=5.0))
        self.bus: Bus = MemoryBus(self._broker, [self.lane])
        self._names = count()

    @asynccontextmanager
    async def member(self) -> AsyncIterator[Member]:
        reader = MemoryReader(self._broker, f"member-{next(self._names)}", heartbeat_seconds=0.1)
        bus = MemoryBus(self._broker, [self.lane], reader)
        member = Member(reader, bus, reader.line.hold, reader.line.release)
        reader.subscribe([self.lane], member)
        try:
            yield member
        finally:
            await reader.close()

    async def delete(self, before: int) -> None:
        self._broker.delete_records(self.lane, 0, before)


class KafkaWorld:
    def __init__(self, site: Site, admin: KafkaAdmin, bus: Bus) -> None:
        self.lane = site.topic(names.REQUESTED)
        self.bus = bus
        self._kafka = site.settings.kafka
        self._admin = admin

    @asynccontextmanager
    async def member(self) -> AsyncIterator[Member]:
        async with open_consumer(self._kafka) as consumer:
            gate = asyncio.Event()
            gate.set()
            send = consumer._client.send

            async def gated(*arguments: Any, **options: Any) -> Any:
                await gate.wait()
                return await send(*arguments, **options)

            consumer._client.send = gated
            bus = KafkaBus(self._kafka, consumer, self._admin, [self.lane])
            member = Member(KafkaReader(consumer), bus, gate.clear, gate.set)
            member.reader.subscribe([self.lane], member)
            yield member

    async def delete(self, before: int) -> None:
        await self._admin.delete_records(Partition(self.lane, 0), before)


@pytest.fixture(params=["twin", "kafka"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    if request.param == "twin":
        yield MemoryWorld()
        return
    site = Site.fresh(request.getfixturevalue("kafka"), request.getfixturevalue("s3"), TOPICS__PARTITIONS="1")
    await apply(site.settings, None)
    kafka = site.settings.kafka
    async with open_admin(kafka) as admin, open_consumer(kafka) as consumer:
        yield KafkaWorld(site, admin, KafkaBus(kafka, consumer, admin, [site.topic(names.REQUESTED)]))


async def commit(bus: Bus, *records: OutgoingRecord, shard: int = ELSEWHERE, **offsets: int) -> None:
    """Write records, and offsets by topic, in one transaction; return when the offsets can be read.

    Kafka answers a commit before its markers are written: a member that joins meanwhile finds no offset.
    """
    async with bus.epoch(shard) as epoch:
        await epoch.begin()
        await epoch.write(records)
        if offsets:
            await epoch.send_offsets({topic: CommittedOffset(offset, "") for topic, offset in offsets.items()})
        await epoch.commit()
    async with asyncio.timeout(BOUND):
        while offsets and not await readable(bus, shard, offsets):
            await asyncio.sleep(0.02)


async def readable(bus: Bus, shard: int, offsets: Mapping[str, int]) -> bool:
    with suppress(BusError):  # a broker without a coordinator yet
        return (
            offsets.items() <= {topic: at.offset for topic, at in (await bus.committed_offsets(shard)).items()}.items()
        )
    return False


@asynccontextmanager
async def left_open(bus: Bus, record: OutgoingRecord) -> AsyncIterator[Epoch]:
    """A transaction that its producer leaves open."""
    async with bus.epoch(ELSEWHERE) as epoch:
        await epoch.begin()
        await epoch.write([record])
        yield epoch


def outgoing(world: World, value: bytes) -> OutgoingRecord:
    return OutgoingRecord(world.lane, 0, b"a-1", value, ())


@asynccontextmanager
async def begun(world: World, records: int) -> AsyncIterator[Member]:
    """A member of a group that begins at 0, with that many records in its lane."""
    for number in range(records):
        await commit(world.bus, outgoing(world, b"%d" % number))
    await commit(world.bus, shard=0, **{world.lane: 0})
    async with world.member() as member:
        await member.rejoined(1)
        yield member


async def test_a_lone_member_is_given_the_lane_and_reads_from_the_commit(world: World) -> None:
    """The group assigns all partitions, and they are read from where it stopped."""
    async with begun(world, 3) as member:
        records = await member.read(3)

        assert member.assignments == [frozenset({Partition(world.lane, 0)})] == [member.reader.assignment]
    assert [record.value for record in records] == [b"0", b"1", b"2"]


async def test_a_group_that_never_committed_reads_nothing(world: World) -> None:
    """Without a committed offset a read fails; nobody guesses where to begin."""
    await commit(world.bus, outgoing(world, b"0"))
    async with world.member() as member:
        await member.rejoined(1)
        with pytest.raises(PositionLost) as raised:
            await member.read(1)

    assert raised.value.partitions == (Partition(world.lane, 0),)


async def test_records_deleted_beneath_the_cursor_are_a_lost_position(world: World) -> None:
    """A read says which partition lost its position; the log says where it begins, and reading goes on from there."""
    here = Partition(world.lane, 0)
    async with begun(world, 5) as member:
        member.reader.pause(here)
        assert await member.reader.read(0.2, 10, [here]) == {}
        await world.delete(before=4)
        member.reader.resume(here)
        with pytest.raises(PositionLost) as raised:
            await member.read(1)
        span = (await member.bus.log_spans(0))[world.lane]
        member.bus.seek(world.lane, 0, span.start)
        records = await member.read(3)

    assert raised.value.partitions == (here,)
    assert span.start == 4
    assert [record.value for record in records] == [b"2", b"3", b"4"]


async def test_a_rebalance_redelivers_what_is_in_flight(world: World) -> None:
    """When another member joins, all is revoked, and what was read and not committed is read again by its owner."""
    async with begun(world, 3) as first:
        await first.read(3)
        await commit(first.bus, shard=0, **{world.lane: 1})
        async with world.member() as second:
            await asyncio.gather(first.rejoined(2), second.rejoined(1))
            (owner,) = [member for member in (first, second) if member.reader.assignment]
            records = await owner.read(2)

    assert first.revocations >= 2, "before the first join, and before the second"
    assert [record.value for record in records] == [b"1", b"2"]


async def test_a_rebalance_forgets_pauses(world: World) -> None:
    """A partition that was paused is read again after a rebalance, by the same member too."""
    async with begun(world, 1) as first:
        first.reader.pause(Partition(world.lane, 0))
        assert await first.reader.read(0.2, 10, sorted(first.reader.assignment)) == {}
        async with world.member() as second:
            await asyncio.gather(first.rejoined(2), second.rejoined(1))
        await first.rejoined(3)

        assert [record.value for record in await first.read(1)] == [b"0"]


async def test_a_silent_member_is_evicted_and_learns_of_it_late(world: World) -> None:
    """A member that sends no heartbeat loses its partitions; its epoch is fenced, and it learns of it last."""
    async with begun(world, 1) as frozen, AsyncExitStack() as epochs:
        old = await epochs.enter_async_context(abandoned(frozen.bus))
        await old.begin()
        frozen.hold()
        async with world.member() as second:
            await second.until(lambda: bool(second.reader.assignment))
            assert frozen.reader.assignment == second.reader.assignment
            assert frozen.revocations == 1
            await commit(second.bus, shard=0, **{world.lane: 1})
            frozen.release()
            with pytest.raises(BusError):
                await late_commit(old, world.lane)
            await frozen.rejoined(2)
        async with world.bus.epoch(0):
            assert (await frozen.bus.committed_offsets(0))[world.lane].offset == 1


@asynccontextmanager
async def abandoned(bus: Bus) -> AsyncIterator[Epoch]:
    """An epoch whose end nobody checks."""
    with suppress(BusError):
        async with bus.epoch(0) as epoch:
            yield epoch


async def late_commit(epoch: Epoch, lane: str) -> None:
    await epoch.send_offsets({lane: CommittedOffset(0, "")})
    await epoch.commit()


async def test_aborted_copies_and_markers_are_gaps(world: World) -> None:
    """Copies of an aborted transaction are never read, and the cursor moves past them and past control markers."""
    async with begun(world, 1) as member, left_open(world.bus, outgoing(world, b"aborted")):
        await commit(world.bus, outgoing(world, b"kept"))
        records = await member.read(2)
        assert [(record.value, record.offset) for record in records] == [(b"0", 0), (b"kept", 4)]
        async with asyncio.timeout(BOUND):
            while member.bus.position(world.lane, 0) != 6:
                assert await member.reader.read(0.1, 500, sorted(member.reader.assignment)) == {}


async def test_an_open_transaction_holds_back_what_is_behind_it(world: World) -> None:
    """Records above an open transaction are read only once it has ended."""
    async with begun(world, 1) as member, left_open(world.bus, outgoing(world, b"open")) as epoch:
        async with world.bus.epoch(ELSEWHERE + 1) as other:
            await other.begin()
            await other.write([outgoing(world, b"behind")])
            await other.commit()
        assert [record.value for record in await member.read(1)] == [b"0"]
        assert await member.reader.read(0.5, 500, sorted(member.reader.assignment)) == {}
        await epoch.commit()

        assert [record.value for record in await member.read(2)] == [b"open", b"behind"]


async def test_no_more_is_read_than_asked_for(world: World) -> None:
    """A read returns at most as many records as asked for, and the next one continues behind them."""
    async with begun(world, 5) as member:
        sizes: list[int] = []
        async with asyncio.timeout(BOUND):
            while sum(sizes) < 5:
                batches = await member.reader.read(0.2, 2, [Partition(world.lane, 0)])
                sizes += [len(records) for records in batches.values()]

    assert max(sizes) <= 2


async def test_a_member_leaves_at_once_and_joins_again(world: World) -> None:
    """What a member had that leaves goes to another without waiting for its session; later it is a member anew."""
    async with begun(world, 2) as first, world.member() as second:
        await asyncio.gather(first.rejoined(2), second.rejoined(1))
        owner, other = (first, second) if first.reader.assignment else (second, first)
        before, revocations = len(other.assignments), owner.revocations
        await owner.reader.unsubscribe()
        assert owner.reader.assignment == frozenset()
        await other.rejoined(before + 1)
        assert other.reader.assignment == {Partition(world.lane, 0)}
        assert owner.revocations == revocations, "who leaves knows it already"
        joined = len(owner.assignments)
        owner.reader.subscribe([world.lane], owner)
        await asyncio.gather(owner.rejoined(joined + 1), other.rejoined(before + 2))
        (reading,) = [member for member in (owner, other) if member.reader.assignment]

        assert [record.value for record in await reading.read(2)] == [b"0", b"1"]
        assert (owner.reader.failure, other.reader.failure) == (None, None)
