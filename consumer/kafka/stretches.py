"""Stretches of many partitions, read side by side by a consumer that is in no group: bounded in records and in time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumer.kafka import lenient
from consumer.kafka.client import answered_within

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiokafka import AIOKafkaConsumer, TopicPartition
    from aiokafka.structs import ConsumerRecord

POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Stretch:
    """What was read of one partition: its `records`, and the offset before which nothing is left to be read."""

    records: Sequence[ConsumerRecord[bytes, bytes]]
    stop: int


async def read_stretches(
    consumer: AIOKafkaConsumer, spans: Mapping[TopicPartition, range], seconds: float
) -> dict[TopicPartition, Stretch]:
    """Read the records of each span, past markers and gaps, until all is read or the time is up.

    The consumer's assignment becomes that of the spans. Raises `BusError` when the brokers do not answer.
    """
    spans = {tp: span for tp, span in spans.items() if span}
    if not spans:
        return {}
    lenient.install()
    consumer.assign(list(spans))
    for tp, span in spans.items():
        consumer.seek(tp, span.start)
    reading = _Reading(consumer, spans)
    end = asyncio.get_running_loop().time() + seconds
    while reading.open and asyncio.get_running_loop().time() < end:
        await reading.poll(POLL_SECONDS)
    return {tp: Stretch(reading.records[tp], reading.positions[tp]) for tp in spans}


class _Reading:
    def __init__(self, consumer: AIOKafkaConsumer, spans: Mapping[TopicPartition, range]) -> None:
        self._consumer = consumer
        self._spans = spans
        self.open = set(spans)
        self.positions = {tp: span.start for tp, span in spans.items()}
        self.records: dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]] = {tp: [] for tp in spans}

    async def poll(self, seconds: float) -> None:
        async with answered_within(10 * seconds):
            try:
                batches = await self._consumer.getmany(timeout_ms=int(1000 * seconds))
            except UnicodeDecodeError:
                lenient.read_leniently()
                self._seek_back()
                return
        for tp, records in batches.items():
            self.records[tp].extend(record for record in records if record.offset < self._spans[tp].stop)
        await self._close_read(seconds)

    async def _close_read(self, seconds: float) -> None:
        """Stop fetching what is read: a fetch that waits for more would hold up all others."""
        async with answered_within(10 * seconds):
            for tp in list(self.open):
                self.positions[tp] = await self._consumer.position(tp)
                if self.positions[tp] >= self._spans[tp].stop:
                    self.open.remove(tp)
                    self._consumer.pause(tp)

    def _seek_back(self) -> None:
        """Forget what the failed read may have dropped on its way."""
        for tp in self.open:
            self._consumer.seek(tp, self.positions[tp])
