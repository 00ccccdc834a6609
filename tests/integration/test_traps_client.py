"""Known pitfalls of aiokafka on Apache Kafka: each ends in an error from which the owner starts over."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.client import CoordinationType
from aiokafka.errors import NotEnoughReplicasError
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.protocol.transaction import EndTxnRequest

from consumer.delivery.poll_loop import PollLoop
from consumer.delivery.ports import BusError, CommittedOffset, Listener, OutgoingRecord, Partition
from consumer.dev.embedded.kafka import KafkaServer
from consumer.dev.embedded.s3 import S3Server
from consumer.jobs import Record
from consumer.kafka.admin_client import open_admin
from consumer.kafka.bus import KafkaBus
from consumer.kafka.client import open_consumer
from consumer.kafka.topics import apply
from consumer.testing.broker import MemoryBroker
from consumer.testing.bus import MemoryBus
from schemas import names
from tests.support.harness import BOUND, Site


@pytest.fixture
async def site(kafka: KafkaServer, s3: S3Server) -> Site:
    site = Site.fresh(kafka, s3, TOPICS__PARTITIONS="1", KAFKA__TRANSACTION_TIMEOUT_SECONDS="2")
    await apply(site.settings, None)
    return site


@pytest.fixture
async def bus(site: Site) -> AsyncIterator[KafkaBus]:
    settings = site.settings.kafka
    async with open_admin(settings) as admin, open_consumer(settings) as consumer:
        yield KafkaBus(settings, consumer, admin, [site.topic(names.REQUESTED)])


def record(site: Site, value: bytes) -> OutgoingRecord:
    return OutgoingRecord(site.topic(names.OUTCOME), 0, b"a-1", value, ())


async def write(bus: KafkaBus, site: Site, value: bytes, offset: int) -> None:
    """Write one result as an owner does."""
    async with bus.epoch(0) as epoch:
        await epoch.begin()
        await epoch.write([record(site, value)])
        await epoch.send_offsets({site.topic(names.REQUESTED): CommittedOffset(offset, "")})
        await epoch.commit()


@asynccontextmanager
async def subscriber(site: Site) -> AsyncIterator[AIOKafkaConsumer]:
    servers = site.settings.kafka.bootstrap_servers
    async with AIOKafkaConsumer(bootstrap_servers=servers, isolation_level="read_committed") as consumer:
        consumer.assign([TopicPartition(site.topic(names.OUTCOME), 0)])
        yield consumer


async def stable_end(consumer: AIOKafkaConsumer) -> int:
    (tp,) = consumer.assignment()
    end: int = (await consumer.end_offsets([tp]))[tp]
    return end


async def visible(site: Site) -> list[bytes]:
    """Return the outcomes that a read-committed subscriber sees."""
    seen: list[bytes] = []
    async with subscriber(site) as consumer, asyncio.timeout(BOUND):
        (tp,) = consumer.assignment()
        await consumer.seek_to_beginning(tp)
        end = await stable_end(consumer)
        while await consumer.position(tp) < end:
            for records in (await consumer.getmany(timeout_ms=100)).values():
                seen += [record.value or b"" for record in records]
    return seen


async def until_aborted(site: Site) -> None:
    """Wait until the broker has ended the open transaction: only then is anything stable."""
    async with subscriber(site) as consumer, asyncio.timeout(BOUND):
        while await stable_end(consumer) == 0:
            await asyncio.sleep(0.05)


async def test_a_transaction_that_timed_out_is_an_ordinary_error(bus: KafkaBus, site: Site) -> None:
    """To aiokafka it looks like fencing by a newer owner; it is as ambiguous as any error, and the next epoch works."""
    async with bus.epoch(0) as epoch:
        await epoch.begin()
        await epoch.write([record(site, b"too late")])
        await until_aborted(site)
        with pytest.raises(BusError):
            await _commit(epoch, site)
    await write(bus, site, b"once", 1)

    assert await visible(site) == [b"once"]


async def _commit(epoch: Any, site: Site) -> None:
    await epoch.send_offsets({site.topic(names.REQUESTED): CommittedOffset(1, "")})
    await epoch.commit()


async def end_behind_its_back(epoch: Any) -> None:
    """Abort the transaction under the producer's own id and epoch, as a coordinator may after a failover."""
    producer = epoch._producer
    manager, sender = producer._txn_manager, producer._sender
    request = EndTxnRequest(manager.transactional_id, manager.producer_id, manager.producer_epoch, False)
    coordinator = await sender._find_coordinator(CoordinationType.TRANSACTION, manager.transactional_id)
    answer = await producer.client.send(coordinator, request)
    assert answer.error_code == 0


async def test_an_invalid_transaction_state_neither_hangs_nor_leaks(
    bus: KafkaBus, site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """It kills aiokafka's sender, which then answers nothing: the commit fails, and the close leaves no task."""
    before = asyncio.all_tasks()
    async with bus.epoch(0) as epoch:
        await epoch.begin()
        await epoch.write([record(site, b"lost")])
        await end_behind_its_back(epoch)
        with pytest.raises(BusError):
            await epoch.commit()
        assert "InvalidTxnState" in caplog.text
        with pytest.raises(BusError):
            await epoch.begin()
    await write(bus, site, b"once", 1)

    assert await visible(site) == [b"once"]
    assert asyncio.all_tasks() <= before


def answer_falsely(epoch: Any, times: int) -> list[ProduceRequest]:
    """Intercept the next produce requests, and answer them as the broker does while markers are being written."""
    client = epoch._producer.client
    send, kept = client.send, list[ProduceRequest]()

    async def answer(node_id: int, request: Any, **options: Any) -> Any:
        if not isinstance(request, ProduceRequest) or len(kept) == times:
            return await send(node_id, request, **options)
        kept.append(request)
        refused = [
            (topic, [(number, NotEnoughReplicasError.errno, -1, -1, -1)]) for topic, [(number, _)] in _of(request)
        ]
        return SimpleNamespace(API_VERSION=5, topics=refused)

    client.send = answer
    return kept


def _of(request: ProduceRequest) -> Any:
    return request._topics


async def test_errors_while_markers_are_written_cost_only_time(
    bus: KafkaBus, site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """The client retries NOT_ENOUGH_REPLICAS after its backoff, and the transaction continues unchanged."""
    caplog.set_level(logging.WARNING, "aiokafka")
    async with bus.epoch(0) as epoch:
        kept = answer_falsely(epoch, 3)
        await epoch.begin()
        await asyncio.wait_for(epoch.write([record(site, b"once")]), BOUND)
        await _commit(epoch, site)
        assert len(kept) == 3

    assert caplog.text.count("NotEnoughReplicas") == 3
    assert await visible(site) == [b"once"]
    assert (await bus.committed_offsets(0))[site.topic(names.REQUESTED)] == CommittedOffset(1, "")


class AilingReader:
    """A member without partitions whose first polls fail."""

    assignment: frozenset[Partition] = frozenset()
    failure: str | None = None
    awaits_assignment = False

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.polls = 0
        self.enough = asyncio.Event()

    def subscribe(self, topics: Sequence[str], listener: Listener) -> None:
        """Ignore the listener."""

    async def unsubscribe(self) -> None:
        """Never called."""
        raise AssertionError

    def pause(self, partition: Partition) -> None:
        """Do nothing."""

    def resume(self, partition: Partition) -> None:
        """Do nothing."""

    async def read(self, seconds: float, most: int, among: Sequence[Partition]) -> Mapping[Partition, Sequence[Record]]:
        assert (seconds > 0, most > 0, among) == (True, True, [])
        self.polls += 1
        if self.polls <= self.failures:
            raise BusError("the poll failed")
        self.enough.set()
        await asyncio.get_running_loop().create_future()
        raise AssertionError


async def test_a_failed_poll_is_not_a_sign_of_life() -> None:
    """After one, aiokafka counts a poll as running for ever and enforces no interval: our own liveness must."""
    beats: list[int] = []
    reader = AilingReader(failures=4)
    intake = PollLoop(
        reader,
        ["requested"],
        {},
        wanted=lambda: True,
        max_in_flight=1,
        cancel_revoked=False,
        polled=lambda: beats.append(reader.polls),
        strangers=MemoryBus(MemoryBroker(), ["requested"]).strangers,
    )
    running = asyncio.create_task(intake.run())
    await asyncio.wait_for(reader.enough.wait(), BOUND)
    running.cancel()
    await asyncio.wait([running], timeout=BOUND)

    assert (reader.polls, beats) == (5, [])
