"""The CMS of the benchmarks: small valid requests, one article each, all at once or at a steady pace."""

from __future__ import annotations

import asyncio
import time
import uuid
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaProducer

from consumer.jobs import Record
from consumer.kafka.client import answered_within, connection
from schemas import names
from schemas.cloudevents import Event, write

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from aiokafka.structs import RecordMetadata

    from consumer.settings import Settings

HEADLINE = "Storm over the harbour"

_SOURCE = "/cms/bench"
_NOTHING: Mapping[str, Any] = MappingProxyType({})
_LINGER_MS = 5
_WAVE = 1000


def request(topic: str, parts: Mapping[str, Any] = _NOTHING) -> tuple[str, Record]:
    """Return a request's event id and the record that carries it, not yet on the bus; `parts` are more of its data."""
    event_id, article = uuid.uuid4().hex, f"bench-{uuid.uuid4().hex[:12]}"
    data = {"article": {"id": article, "revision": 1, "headline": HEADLINE}, **parts}
    headers, value = write(Event(id=event_id, source=_SOURCE, type=names.IMAGE_REQUESTED, data=data))
    return event_id, Record(topic, 0, 0, article.encode(), value, tuple(headers), 0)


async def publish_all(settings: Settings, count: int, parts: Mapping[str, Any] = _NOTHING) -> frozenset[str]:
    """Publish so many requests as fast as the bus takes them; return their event ids. Raises `BusError`."""
    requests = [request(settings.topics.named(names.REQUESTED), parts) for _ in range(count)]
    async with _producer(settings, _LINGER_MS) as producer:
        for first in range(0, count, _WAVE):
            async with answered_within(settings.kafka.request_timeout_seconds):
                wave = [await _send(producer, record) for _, record in requests[first : first + _WAVE]]
                await asyncio.gather(*wave)
    return frozenset(event_id for event_id, _ in requests)


async def publish_paced(settings: Settings, count: int, per_second: float) -> dict[str, float]:
    """Publish one request after another, on a schedule that waits for nobody.

    Returns when each was on the bus: its LogAppendTime in seconds since the epoch, by event id. Raises `BusError`.
    """
    appended = {}
    async with _producer(settings, linger_ms=0) as producer:
        begun = time.monotonic()
        for number in range(count):
            await asyncio.sleep(begun + number / per_second - time.monotonic())
            event_id, record = request(settings.topics.named(names.REQUESTED))
            async with answered_within(settings.kafka.request_timeout_seconds):
                appended[event_id] = (await (await _send(producer, record))).timestamp / 1000
    return appended


@asynccontextmanager
async def _producer(settings: Settings, linger_ms: int) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(**connection(settings.kafka), linger_ms=linger_ms)
    try:
        async with answered_within(settings.kafka.request_timeout_seconds):
            await producer.start()
        yield producer
    finally:
        await producer.stop()


async def _send(producer: AIOKafkaProducer, record: Record) -> asyncio.Future[RecordMetadata]:
    sent: asyncio.Future[RecordMetadata] = await producer.send(
        record.topic, record.value, key=record.key, headers=list(record.headers)
    )
    return sent
