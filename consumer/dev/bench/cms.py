"""The benchmarks as a CMS: small valid requests, one article each, and when a subscriber sees their outcomes."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from consumer.errors import Fatal
from consumer.jobs import Record
from consumer.kafka.cms_client import CmsSubscriber, open_publisher, open_subscriber
from consumer.settings import Settings
from schemas import Reason, names
from schemas.cloudevents import Event

HEADLINE = "Storm over the harbour"

_SOURCE = "/cms/bench"
_NOTHING: Mapping[str, Any] = MappingProxyType({})
_LINGER_MS = 5
_POLL_SECONDS = 0.2
_STALL_SECONDS = 60.0
_CAUSE = "ce_causationid"
"""Header of an outcome that names the request's event id; both sides write it."""


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
            appended[request.id] = (await publisher.publish(request)).timestamp_ms / 1000
    return appended


def _request(parts: Mapping[str, Any] = _NOTHING) -> Event:
    article = f"bench-{uuid.uuid4().hex[:12]}"
    data = {"article": {"id": article, "revision": 1, "headline": HEADLINE}, **parts}
    return Event(id=uuid.uuid4().hex, source=_SOURCE, type=names.IMAGE_REQUESTED, subject=article, data=data)


@dataclass(slots=True)
class OutcomeWatcher:
    """Reads outcomes from the end of the topic at the time it was opened.

    In order of arrival, `request_ids` are those of the outcomes' requests, and `times` when they were seen, in seconds
    since the epoch. `bytes_read` counts values and headers.
    """

    subscriber: CmsSubscriber
    request_ids: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    bytes_read: int = 0

    async def until(self, count: int, check: Callable[[], None]) -> None:
        """Read until `count` outcomes were seen, calling `check`, which may raise. Raises `Fatal` when they stop."""
        heard = time.monotonic()
        while len(self.request_ids) < count:
            check()
            if records := await self.subscriber.read(_POLL_SECONDS):
                self._take(records)
                heard = time.monotonic()
            elif time.monotonic() - heard > _STALL_SECONDS:
                raise Fatal(
                    Reason.INTERNAL,
                    f"{len(self.request_ids)} of {count} outcomes, then none for {_STALL_SECONDS:.0f} s.",
                )

    async def to_the_end(self) -> None:
        """Read everything committed up to now."""
        self._take(await self.subscriber.read_to_end())

    def throughput(self, count: int) -> tuple[float, float]:
        """Return seconds from the first outcomes seen to the last of `count`, and outcomes per second after the first.

        Raises `Fatal` if all were seen at once.
        """
        first, last = self.times[0], self.times[count - 1]
        after_the_first = count - self.times.count(first)
        if after_the_first <= 0:
            raise Fatal(Reason.MISCONFIGURED, f"All {count} outcomes became visible at once: raise --events.")
        return last - first, after_the_first / (last - first)

    def _take(self, records: Sequence[Record]) -> None:
        now = time.time()
        for record in records:
            headers = {name: text or b"" for name, text in record.headers}
            self.request_ids.append(headers[_CAUSE].decode())
            self.times.append(now)
            self.bytes_read += len(record.value or b"") + sum(len(name) + len(text) for name, text in headers.items())


@asynccontextmanager
async def watching(settings: Settings) -> AsyncIterator[OutcomeWatcher]:
    """Open a watcher at the current end of the outcomes. Raises `BusError`."""
    async with open_subscriber(settings, [names.OUTCOME]) as subscriber:
        yield OutcomeWatcher(subscriber)
