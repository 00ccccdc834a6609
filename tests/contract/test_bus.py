"""What the owner relies on, checked on the in-memory twin and on Apache Kafka alike: the twin cannot flatter us."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from consumer.delivery.offset_metadata import OffsetMetadata, write_metadata
from consumer.delivery.ports import UNCOMMITTED, Bus, BusError, CommittedOffset, Epoch, OutgoingRecord, RecordRefused
from consumer.kafka.admin_client import open_admin
from consumer.kafka.bus import KafkaBus
from consumer.kafka.client import open_consumer
from consumer.kafka.topics import apply
from consumer.testing.bus import MemoryBroker, MemoryBus
from schemas import names
from tests.support.harness import BOUND, Site

LANES = (names.REQUESTED, names.BACKFILL)


class World(Protocol):
    """A bus and what can be seen of it from outside."""

    bus: Bus

    async def visible(self) -> list[bytes]: ...


class MemoryWorld:
    def __init__(self) -> None:
        self.broker = MemoryBroker()
        self.bus: Bus = MemoryBus(self.broker, LANES)

    async def visible(self) -> list[bytes]:
        return [record.value or b"" for record in self.broker.visible(names.OUTCOME, 0)]


class KafkaWorld:
    def __init__(self, bus: Bus, site: Site) -> None:
        self.bus = bus
        self._site = site

    async def visible(self) -> list[bytes]:
        servers = self._site.env["LEADART_KAFKA__BOOTSTRAP_SERVERS"]
        tp = TopicPartition(names.OUTCOME, 0)
        async with AIOKafkaConsumer(bootstrap_servers=servers, isolation_level="read_committed") as consumer:
            consumer.assign([tp])
            await consumer.seek_to_beginning(tp)
            end, values = (await consumer.end_offsets([tp]))[tp], []
            async with asyncio.timeout(BOUND):
                while await consumer.position(tp) < end:
                    for records in (await consumer.getmany(timeout_ms=100)).values():
                        values += [record.value or b"" for record in records]
            return values


@pytest.fixture(params=["twin", "kafka"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    if request.param == "twin":
        yield MemoryWorld()
        return
    site = Site.fresh(request.getfixturevalue("kafka"), request.getfixturevalue("s3"), TOPICS__PARTITIONS="1")
    # The twin knows topics by their base names, so the real ones carry no prefix; each test has its own group instead.
    site = Site({**site.env, "LEADART_TOPICS__PREFIX": ""})
    await apply(site.settings, None)
    await empty(site)
    async with open_admin(site.settings.kafka) as admin, open_consumer(site.settings.kafka) as consumer:
        yield KafkaWorld(KafkaBus(site.settings.kafka, consumer, admin, LANES), site)


async def empty(site: Site) -> None:
    """Delete what an earlier test left in the outcome topic."""
    tp = TopicPartition(names.OUTCOME, 0)
    servers = site.env["LEADART_KAFKA__BOOTSTRAP_SERVERS"]
    async with AIOKafkaConsumer(bootstrap_servers=servers) as consumer, open_admin(site.settings.kafka) as admin:
        consumer.assign([tp])
        end = (await consumer.end_offsets([tp]))[tp]
        if end:
            await admin.delete_records(tp, end)


def outgoing(value: bytes) -> OutgoingRecord:
    return OutgoingRecord(names.OUTCOME, 0, b"a-1", value, (("ce_id", b"1"), ("empty", None)))


async def test_a_group_that_never_committed_says_so(world: World) -> None:
    """No commit is an explicit -1 for every lane, never a missing entry."""
    async with world.bus.epoch(0):
        offsets = await committed(world)

    assert offsets == {lane: CommittedOffset(UNCOMMITTED, "") for lane in LANES}


async def test_a_commit_makes_records_and_offsets_valid_together(world: World) -> None:
    """After the commit both the records and the offsets with their metadata are there."""
    at = CommittedOffset(5, write_metadata(5, OffsetMetadata({7, 9})))
    async with world.bus.epoch(0) as epoch:
        await epoch.begin()
        await epoch.write([outgoing(b"one"), outgoing(b"two")])
        await epoch.send_offsets({LANES[0]: at})
        assert await world.visible() == []
        await epoch.commit()
    async with world.bus.epoch(0):
        offsets = await committed(world)

    assert offsets[LANES[0]] == at
    assert await world.visible() == [b"one", b"two"]


async def test_offsets_alone_can_be_committed(world: World) -> None:
    """An idle lane's position is committed without any record."""
    async with world.bus.epoch(0) as epoch:
        await epoch.begin()
        await epoch.send_offsets({lane: CommittedOffset(3, "v1:3:") for lane in LANES})
        await epoch.commit()
    async with world.bus.epoch(0):
        assert await committed(world) == {lane: CommittedOffset(3, "v1:3:") for lane in LANES}


async def test_a_new_epoch_undoes_what_the_old_one_left_open(world: World) -> None:
    """Records and offsets of a transaction that was cut off are never seen."""
    async with abandoned(world.bus) as old:
        await old.begin()
        await old.write([outgoing(b"lost")])
        await old.send_offsets({LANES[0]: CommittedOffset(5, "v1:5:")})
        async with world.bus.epoch(0) as epoch:
            assert (await committed(world))[LANES[0]] == CommittedOffset(UNCOMMITTED, "")
            await epoch.begin()
            await epoch.write([outgoing(b"kept")])
            await epoch.commit()

    assert await world.visible() == [b"kept"]


async def test_a_fenced_epoch_cannot_commit(world: World) -> None:
    """An older epoch fails at the latest when it commits, and changes nothing."""
    async with abandoned(world.bus) as old:
        await old.begin()
        await old.write([outgoing(b"zombie")])
        async with world.bus.epoch(0):
            with pytest.raises(BusError):
                await commit(old)
            assert (await committed(world))[LANES[0]] == CommittedOffset(UNCOMMITTED, "")

    assert await world.visible() == []


async def test_a_record_too_large_is_refused(world: World) -> None:
    """A refused record is told from an outage, and the next epoch starts clean."""
    with pytest.raises(RecordRefused):
        await write(world.bus, b"x" * 2_000_000)
    await write(world.bus, b"fine")

    assert await world.visible() == [b"fine"]


async def test_a_transaction_takes_more_than_one_request_holds(world: World) -> None:
    """Records of far more bytes than one request holds, large and small, are all there after the commit."""
    values = [bytes([65 + number % 26]) * (300_000 if number % 40 == 0 else 4_000) for number in range(200)]
    async with world.bus.epoch(0) as epoch:
        await epoch.begin()
        await epoch.write([outgoing(value) for value in values])
        await epoch.commit()

    assert sorted(await world.visible()) == sorted(values)


async def write(bus: Bus, value: bytes) -> None:
    async with bus.epoch(0) as epoch:
        await epoch.begin()
        await epoch.write([outgoing(value)])
        await epoch.commit()


async def commit(epoch: Epoch) -> None:
    await epoch.send_offsets({LANES[0]: CommittedOffset(9, "v1:9:")})
    await epoch.commit()


async def committed(world: World) -> dict[str, CommittedOffset]:
    """Read the offsets until the answer is complete, as the owner does."""
    async with asyncio.timeout(BOUND):
        while True:
            try:
                offsets = dict(await world.bus.committed_offsets(0))
            except BusError:
                offsets = {}
            if offsets.keys() == set(LANES):
                return offsets
            await asyncio.sleep(0.1)


@asynccontextmanager
async def abandoned(bus: Bus) -> AsyncIterator[Epoch]:
    """An epoch whose end nobody checks."""
    async with bus.epoch(0) as epoch:
        yield epoch


async def test_sockets_and_tasks_do_not_outlive_an_epoch(world: World) -> None:
    """Epochs that end in the middle of a transaction leave no task behind."""
    before = len(asyncio.all_tasks())
    for _ in range(5):
        async with world.bus.epoch(0) as epoch:
            await epoch.begin()
            writing = asyncio.ensure_future(epoch.write([outgoing(b"cut off")]))
            await asyncio.sleep(0)
            writing.cancel()

    assert len(asyncio.all_tasks()) <= before


async def test_a_table_is_read_to_the_end_of_what_is_committed(world: World) -> None:
    """A compacted topic gives its keys and values in order, none of an aborted transaction, and resumes from there."""

    def head(key: bytes, value: bytes | None) -> OutgoingRecord:
        return OutgoingRecord(names.HEADS, 0, key, value, ())

    _, start = await world.bus.read_table(names.HEADS, 0, 0)
    async with abandoned(world.bus) as old:
        await old.begin()
        await old.write([head(b"a", b"lost")])
        async with world.bus.epoch(0) as epoch:
            await epoch.begin()
            await epoch.write([head(b"a", b"1"), head(b"b", b"2")])
            await epoch.commit()
        async with world.bus.epoch(0) as epoch:
            pairs, following = await world.bus.read_table(names.HEADS, 0, start)
            await epoch.begin()
            await epoch.write([head(b"a", None)])
            await epoch.commit()
        async with world.bus.epoch(0):
            later, _ = await world.bus.read_table(names.HEADS, 0, following)

    assert pairs == [(b"a", b"1"), (b"b", b"2")]
    assert later == [(b"a", None)]
