"""Settle time: a save waits for a newer one of its slot before it is painted, so that a typist costs one painting.

A newer save supersedes the waiting one, which ends its wait. What waits is in flight, so the wait is bounded by room as
well as by time: where too many wait in one partition of a lane, the first goes on at once.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable

from consumer.errors import WorkerStopping
from consumer.jobs import Job, Lane, Record

_Waiting = dict[asyncio.Event, None]


class Settling:
    """Requests that wait. `room` returns how many of a topic's partition may; `now` is the time of day in seconds."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self.room: Callable[[str, int], int] = lambda _topic, _partition: 0
        self._now = now
        self._waiting: defaultdict[tuple[str, int], _Waiting] = defaultdict(dict)
        self._closed = False

    def seconds_left(self, job: Job, settle_seconds: float) -> float:
        """Return how long the job is to wait: until so long after it was written.

        Only live saves wait: an editor does not, and a retry or a replay is no typist's. A publisher whose clock is
        ahead makes nobody wait longer.
        """
        if job.lane is not Lane.LIVE:
            return 0.0
        return min(settle_seconds, job.record.timestamp_ms / 1000 + settle_seconds - self._now())

    async def wait(self, record: Record, seconds: float) -> None:
        """Wait so long, or until there is no room. Raises `WorkerStopping`. May be cancelled at any time."""
        go, waiting = asyncio.Event(), self._waiting[record.topic, record.partition]
        waiting[go] = None
        self.make_room(record)
        try:
            async with asyncio.timeout(seconds) as expiry:
                await go.wait()
        except TimeoutError:
            if not expiry.expired():
                raise
        finally:
            waiting.pop(go, None)
        if self._closed:
            raise WorkerStopping

    def make_room(self, record: Record) -> None:
        """Let those go on that have waited longest, where more wait than there is room for."""
        if waiting := self._waiting.get((record.topic, record.partition)):
            room = 0 if self._closed else self.room(record.topic, record.partition)
            for go in list(waiting)[: max(0, len(waiting) - room)]:
                del waiting[go]
                go.set()

    def close(self) -> None:
        """End every wait: the next owner begins it anew."""
        self._closed = True
        for waiting in self._waiting.values():
            for go in waiting:
                go.set()
