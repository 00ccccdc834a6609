"""The benchmarks' subscriber: records when a read-committed reader sees each outcome."""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from consumer.errors import Fatal
from consumer.jobs import Record
from consumer.kafka.cms_client import CmsSubscriber, open_subscriber
from consumer.settings import Settings
from schemas import Reason, names

_POLL_SECONDS = 0.2
_STALL_SECONDS = 60.0
_CAUSE = "ce_causationid"
"""Header of an outcome that names the request's event id; both sides write it."""


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
