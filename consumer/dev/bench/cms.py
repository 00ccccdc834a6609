"""The benchmarks' requests: small, valid, one article each, published all at once or at a steady rate."""

import asyncio
import time
import uuid
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from consumer.kafka.cms_client import open_publisher
from consumer.settings import Settings
from schemas import names
from schemas.cloudevents import Event

HEADLINE = "Storm over the harbour"

_SOURCE = "/cms/bench"
_NOTHING: Mapping[str, Any] = MappingProxyType({})
_LINGER_MS = 5


async def publish_all(settings: Settings, count: int, parts: Mapping[str, Any] = _NOTHING) -> frozenset[str]:
    """Publish `count` requests as fast as Kafka takes them; return their event ids. Raises `BusError`.

    `parts` are added to each request's data.
    """
    requests = [_request(parts) for _ in range(count)]
    async with open_publisher(settings, _LINGER_MS) as publisher:
        await publisher.publish_all(requests)
    return frozenset(request.id for request in requests)


async def publish_paced(settings: Settings, count: int, per_second: float) -> dict[str, float]:
    """Publish one request after another on a fixed schedule, whatever the answers.

    Return each one's LogAppendTime, in seconds since the epoch, by event id. Raises `BusError`.
    """
    appended = {}
    async with open_publisher(settings) as publisher:
        begun = time.monotonic()
        for number in range(count):
            await asyncio.sleep(begun + number / per_second - time.monotonic())
            request = _request()
            appended[request.id] = await publisher.publish(request) / 1000
    return appended


def _request(parts: Mapping[str, Any] = _NOTHING) -> Event:
    article = f"bench-{uuid.uuid4().hex[:12]}"
    data = {"article": {"id": article, "revision": 1, "headline": HEADLINE}, **parts}
    return Event(id=uuid.uuid4().hex, source=_SOURCE, type=names.IMAGE_REQUESTED, subject=article, data=data)
