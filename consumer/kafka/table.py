"""Reading a compacted topic as a table: one partition, from an offset to the end of what is committed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from consumer.delivery.ports import BusError
from consumer.kafka.client import answered_within, open_reader

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer, TopicPartition

    from consumer.settings import KafkaSettings

_POLL_MS = 200
_RECORDS = 10_000


_WHOLE_SECONDS = 300.0
"""Bound on reading a whole partition."""


async def read_table(
    settings: KafkaSettings, tp: TopicPartition, start: int
) -> tuple[list[tuple[bytes, bytes | None]], int]:
    """Return keys and values from `start` on, and where the next reading starts. Raises `BusError`.

    Whatever was committed before is in it: while somebody's open transaction hides that, it waits, or gives up.
    """
    async with open_reader(settings, committed=False) as reader, answered_within(settings.request_timeout_seconds):
        end = (await reader.end_offsets([tp]))[tp]
    async with open_reader(settings) as reader, answered_within(_WHOLE_SECONDS):
        return await _read_to(end, reader, tp, start, settings.request_timeout_seconds)


async def _read_to(
    end: int, consumer: AIOKafkaConsumer, tp: TopicPartition, start: int, seconds: float
) -> tuple[list[tuple[bytes, bytes | None]], int]:
    consumer.assign([tp])
    begin = (await consumer.beginning_offsets([tp]))[tp]
    position = min(max(start, begin), end)
    consumer.seek(tp, position)
    pairs: list[tuple[bytes, bytes | None]] = []
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while position < end:
        batches = await consumer.getmany(tp, timeout_ms=_POLL_MS, max_records=_RECORDS)
        pairs += [(record.key or b"", record.value) for records in batches.values() for record in records]
        if (reached := await consumer.position(tp)) > position:
            position, deadline = reached, loop.time() + seconds
        elif loop.time() > deadline:
            raise BusError(f"{tp.topic}:{tp.partition} cannot be read past offset {position}")
    return pairs, position
