"""The subscriber of the benchmarks: sees what a read-committed reader sees, and notes when."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer, TopicPartition

from consumer.errors import Fatal
from consumer.kafka.client import answered_within, connection
from schemas import Reason, names

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from consumer.settings import Settings

_POLL_MS = 200
_STALL_SECONDS = 60.0
_CAUSE = "ce_causationid"
"""Header of an outcome that names the request's event id; both sides write it."""


@dataclass(slots=True)
class Watcher:
    """Reads outcomes from where they ended when it was opened.

    For each, in the order they came: `told`, the id of its request, and `times`, when it was seen, in seconds since the
    epoch. `bytes_read` are those of values and headers.
    """

    consumer: AIOKafkaConsumer
    bound: float
    told: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    bytes_read: int = 0

    async def until(self, count: int, check: Callable[[], None]) -> None:
        """Read until so many outcomes were seen; `check` may raise meanwhile. Raises `Fatal` when no more come."""
        heard = time.monotonic()
        while len(self.told) < count:
            check()
            if await self._poll():
                heard = time.monotonic()
            elif time.monotonic() - heard > _STALL_SECONDS:
                raise Fatal(
                    Reason.INTERNAL, f"{len(self.told)} of {count} outcomes, then none for {_STALL_SECONDS:.0f} s."
                )

    async def to_the_end(self) -> None:
        """Read what else has been committed up to now."""
        async with answered_within(self.bound):
            ends = await self.consumer.end_offsets(self.consumer.assignment())
            while any([await self.consumer.position(tp) < end for tp, end in ends.items()]):
                await self._poll()

    async def _poll(self) -> bool:
        batches = await self.consumer.getmany(timeout_ms=_POLL_MS)
        now = time.time()
        for record in chain.from_iterable(batches.values()):
            headers = dict(record.headers)
            self.told.append(headers[_CAUSE].decode())
            self.times.append(now)
            self.bytes_read += len(record.value) + sum(len(name) + len(text) for name, text in headers.items())
        return bool(batches)


@asynccontextmanager
async def watching(settings: Settings) -> AsyncIterator[Watcher]:
    """Open a watcher at the present end of the outcomes. Raises `BusError`."""
    bound = settings.kafka.request_timeout_seconds
    topic = settings.topics.named(names.OUTCOME)
    consumer = AIOKafkaConsumer(
        **connection(settings.kafka), isolation_level="read_committed", enable_auto_commit=False
    )
    try:
        async with answered_within(bound):
            await consumer.start()
            consumer.assign([TopicPartition(topic, number) for number in range(settings.topics.partitions)])
            for tp, end in (await consumer.end_offsets(consumer.assignment())).items():
                consumer.seek(tp, end)
        yield Watcher(consumer, bound)
    finally:
        await consumer.stop()
