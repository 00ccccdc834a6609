"""The subscriber of the benchmarks: it records when a read-committed reader sees each outcome."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from consumer.errors import Fatal
from consumer.kafka.cms_client import open_subscriber
from schemas import Reason, names

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from consumer.jobs import Record
    from consumer.kafka.cms_client import CmsSubscriber
    from consumer.settings import Settings

_POLL_SECONDS = 0.2
_STALL_SECONDS = 60.0
_CAUSE = "ce_causationid"
"""Header of an outcome that names the request's event id; both sides write it."""


@dataclass(slots=True)
class OutcomeWatcher:
    """Reads outcomes from where they ended when it was opened.

    For each, in the order they came: `told`, the id of its request, and `times`, when it was seen, in seconds since the
    epoch. `bytes_read` are those of values and headers.
    """

    subscriber: CmsSubscriber
    told: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    bytes_read: int = 0

    async def until(self, count: int, check: Callable[[], None]) -> None:
        """Read until so many outcomes were seen; `check` may raise meanwhile. Raises `Fatal` when no more come."""
        heard = time.monotonic()
        while len(self.told) < count:
            check()
            if records := await self.subscriber.read(_POLL_SECONDS):
                self._take(records)
                heard = time.monotonic()
            elif time.monotonic() - heard > _STALL_SECONDS:
                raise Fatal(
                    Reason.INTERNAL, f"{len(self.told)} of {count} outcomes, then none for {_STALL_SECONDS:.0f} s."
                )

    async def to_the_end(self) -> None:
        """Read what else has been committed up to now."""
        self._take(await self.subscriber.read_to_end())

    def _take(self, records: Sequence[Record]) -> None:
        now = time.time()
        for record in records:
            headers = {name: text or b"" for name, text in record.headers}
            self.told.append(headers[_CAUSE].decode())
            self.times.append(now)
            self.bytes_read += len(record.value or b"") + sum(len(name) + len(text) for name, text in headers.items())


@asynccontextmanager
async def watching(settings: Settings) -> AsyncIterator[OutcomeWatcher]:
    """Open a watcher at the present end of the outcomes. Raises `BusError`."""
    async with open_subscriber(settings, [names.OUTCOME]) as subscriber:
        yield OutcomeWatcher(subscriber)
