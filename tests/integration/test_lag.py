"""What `leadart lag` rests on, against Apache Kafka."""

from __future__ import annotations

import json
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from consumer.kafka.measured import NOTHING_MEASURED, TAIL, measure
from consumer.kafka.topics import Start, apply
from schemas import names
from tests.harness import Site

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from consumer.embedded.kafka import KafkaServer
    from consumer.embedded.s3 import S3Server


@pytest.fixture
async def site(kafka: KafkaServer, s3: S3Server) -> Site:
    site = Site.fresh(kafka, s3)
    await apply(site.settings, Start.EARLIEST)
    return site


@asynccontextmanager
async def reader(site: Site) -> AsyncIterator[AIOKafkaConsumer]:
    servers = site.settings.kafka.bootstrap_servers
    async with AIOKafkaConsumer(
        bootstrap_servers=servers, isolation_level="read_committed", enable_auto_commit=False, fetch_max_wait_ms=20
    ) as consumer:
        yield consumer


@asynccontextmanager
async def writer(site: Site) -> AsyncIterator[AIOKafkaProducer]:
    """A producer with transactions, as workers have; one that is left open when the test ends is not waited for."""
    producer = AIOKafkaProducer(
        bootstrap_servers=site.settings.kafka.bootstrap_servers, transactional_id=uuid4().hex, linger_ms=0
    )
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def announce(producer: AIOKafkaProducer, site: Site, partition: int, kind: str, data: dict[str, Any]) -> None:
    async with producer.transaction():
        await producer.send_and_wait(
            site.topic(names.OUTCOME),
            json.dumps(data).encode(),
            partition=partition,
            headers=[("ce_type", kind.encode())],
        )


def ready(seconds: float, *, reused: bool = False) -> dict[str, Any]:
    return {"reused": reused, "seconds": {"engine": seconds}}


async def test_what_was_painted_last_tells_how_long_a_picture_takes(site: Site) -> None:
    """The median is over painted outcomes only, and each partition's newest outcome of any kind is dated."""
    before = time.time() * 1000
    async with writer(site) as producer:
        for seconds in (20.0, 60.0, 22.0):
            await announce(producer, site, 0, names.IMAGE_READY, ready(seconds))
        await announce(producer, site, 0, names.IMAGE_READY, ready(0.0, reused=True))
        await announce(producer, site, 1, names.IMAGE_FAILED, {"reason": "invalid_field"})
        await producer.begin_transaction()
        await producer.send_and_wait(site.topic(names.OUTCOME), b"{}", partition=2)
        await producer.abort_transaction()
    async with reader(site) as consumer:
        measured = await measure(site.settings, consumer, 3)

    assert (measured.engine_seconds, measured.outcomes) == (22.0, 3)
    assert set(measured.newest_ms) == {0, 1}
    assert all(before - 1000 <= newest <= time.time() * 1000 + 1000 for newest in measured.newest_ms.values())


async def test_only_the_newest_outcomes_are_measured(site: Site) -> None:
    """What was painted long ago, by other weights on other devices, does not count."""
    async with writer(site) as producer:
        for seconds in (*[300.0] * 4, *[2.0] * TAIL):
            await announce(producer, site, 0, names.IMAGE_READY, ready(seconds))
    async with reader(site) as consumer:
        measured = await measure(site.settings, consumer, 3)

    assert (measured.engine_seconds, measured.outcomes) == (2.0, TAIL // 2)


async def test_nothing_announced_is_nothing_measured(site: Site) -> None:
    """Where no outcome is, or no topic, the figures are unknown and not 0."""
    async with reader(site) as consumer:
        assert await measure(site.settings, consumer, 3) == NOTHING_MEASURED
        assert await measure(site.settings, consumer, 0) == NOTHING_MEASURED


async def test_what_a_stranger_wrote_is_not_measured(site: Site) -> None:
    """A record that no worker wrote among the outcomes does not stop the measuring."""
    async with writer(site) as producer:
        await announce(producer, site, 0, names.IMAGE_READY, ready(3.0))
        await announce(producer, site, 0, names.IMAGE_READY, {"seconds": None, "reused": False})
    async with reader(site) as consumer:
        assert (await measure(site.settings, consumer, 3)).engine_seconds == 3.0
