"""Any topic as it lies there: record by record, one partition at a time, in no group, in bounded memory and time."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from consumer.errors import Fatal
from consumer.jobs import Record
from consumer.kafka import lenient_headers
from consumer.kafka.client import answered_within, open_reader
from schemas import Reason

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from aiokafka import AIOKafkaConsumer, TopicPartition

    from consumer.settings import KafkaSettings

POLL_MS = 500
POLL_RECORDS = 500
ABORT_CHECK_SECONDS = 15.0
"""How long a broker takes, at its defaults, to notice that a transaction is over its time, and to end it."""


class LogReader:
    """Reads one partition at a time: whoever begins another, or assigns the `consumer`, ends the reading before.

    Every await is bounded in time. Raises `BusError`, and `Fatal` for what stays unreadable.
    """

    def __init__(self, settings: KafkaSettings, consumer: AIOKafkaConsumer) -> None:
        self.consumer = consumer
        self._seconds = settings.request_timeout_seconds
        self._patience = settings.transaction_timeout_seconds + ABORT_CHECK_SECONDS

    async def span(self, tp: TopicPartition) -> range:
        """Return the offsets that can be read: committed reading ends where a transaction is open."""
        return (await self.spans([tp]))[tp]

    async def spans(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, range]:
        """Return the same of several partitions at once."""
        async with answered_within(self._seconds):
            starts = await self.consumer.beginning_offsets(list(partitions))
            ends = await self.consumer.end_offsets(list(partitions))
        return {tp: range(starts[tp], max(starts[tp], ends[tp])) for tp in partitions}

    async def first_since(
        self, partitions: Sequence[TopicPartition], milliseconds: int
    ) -> Mapping[TopicPartition, int | None]:
        """Return the first offset of each from that moment on, in milliseconds since 1970; None where there is none."""
        async with answered_within(self._seconds):
            found = await self.consumer.offsets_for_times(dict.fromkeys(partitions, milliseconds))
        return {tp: found[tp].offset if found[tp] else None for tp in partitions}

    async def records(self, tp: TopicPartition, span: range) -> AsyncIterator[Record]:
        """Read the records of a span. Control markers, and what was deleted meanwhile, are passed over."""
        if not span:
            return
        consumer = self.consumer
        consumer.assign([tp])
        consumer.seek(tp, span.start)
        while await self._position(tp) < span.stop:
            for record in await self._poll(tp, span.stop):
                if record.offset < span.stop:
                    yield record

    async def _position(self, tp: TopicPartition) -> int:
        async with answered_within(self._seconds):
            position: int = await self.consumer.position(tp)
        return position

    async def _poll(self, tp: TopicPartition, stop: int) -> Sequence[Record]:
        """Read on until the cursor moves, past records or past markers."""
        before = await self._position(tp)
        try:
            async with asyncio.timeout(self._patience):
                while True:
                    records = await self._fetch(tp)
                    if records or await self._position(tp) != before:
                        return records
        except TimeoutError as error:
            raise Fatal(
                Reason.BUS_UNAVAILABLE,
                f"{tp.topic}:{tp.partition} cannot be read from offset {before} to {stop}: a transaction is open "
                "there, or a broker is away. Try again in a minute.",
            ) from error

    async def _fetch(self, tp: TopicPartition) -> Sequence[Record]:
        before = await self._position(tp)
        try:
            async with answered_within(self._seconds):
                batches = await self.consumer.getmany(tp, timeout_ms=POLL_MS, max_records=POLL_RECORDS)
        except UnicodeDecodeError:
            lenient_headers.read_leniently()
            self.consumer.seek(tp, before)
            return ()
        return [
            Record(r.topic, r.partition, r.offset, r.key, r.value, tuple(r.headers), r.timestamp)
            for records in batches.values()
            for r in records
        ]


@asynccontextmanager
async def open_log_reader(settings: KafkaSettings, *, committed: bool) -> AsyncIterator[LogReader]:
    """Open a reader of what is `committed`, else of all that was written. Raises `BusError` when no broker answers."""
    lenient_headers.install()
    async with open_reader(settings, committed=committed) as consumer:
        yield LogReader(settings, consumer)
