"""Stretches of many partitions, read side by side by a consumer that is in no group: bounded in records and in time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from consumer.kafka import lenient_headers
from consumer.kafka.client import NO_RIGHTS, answered_within, no_rights

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from aiokafka import AIOKafkaConsumer, TopicPartition
    from aiokafka.structs import ConsumerRecord

log = structlog.get_logger(__name__)

POLL_MS = 100
POSITION_SECONDS = 2.0
"""For the positions, which are known already but where a partition's log begins later than its span."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """What was read of one partition: its `records`, and the offset before which nothing is left to be read."""

    records: Sequence[ConsumerRecord[bytes, bytes]]
    stop: int


async def know_topics(consumer: AIOKafkaConsumer, topics: Collection[str], seconds: float) -> None:
    """Let the client learn of all topics at once; by itself it learns one after the other, and waits 100 ms each time.

    Raises `BusError`.
    """
    async with answered_within(seconds):
        await consumer._client.set_topics(topics)  # noqa: SLF001 - only a subscription does this in public


async def read_stretches(
    consumer: AIOKafkaConsumer, spans: Mapping[TopicPartition, range], seconds: float
) -> dict[TopicPartition, Stretch]:
    """Read the records of each span, past markers and gaps, until all is read or the time is up.

    The consumer's assignment becomes that of the spans. A partition with a batch that is broken is read up to there.
    Raises `BusError` when the brokers do not answer, `Fatal` where reading is not allowed.
    """
    spans = {tp: span for tp, span in spans.items() if span}
    if not spans:
        return {}
    lenient_headers.install()
    consumer.assign(list(spans))
    for tp, span in spans.items():
        consumer.seek(tp, span.start)
    reading = _Reading(consumer, spans)
    end = asyncio.get_running_loop().time() + seconds
    while reading.open and asyncio.get_running_loop().time() < end:
        await reading.poll()
    return {tp: Stretch(reading.records[tp], min(reading.positions[tp], span.stop)) for tp, span in spans.items()}


class _Reading:
    def __init__(self, consumer: AIOKafkaConsumer, spans: Mapping[TopicPartition, range]) -> None:
        self._consumer = consumer
        self._spans = spans
        self._one_by_one = False
        self.open = set(spans)
        self.positions = {tp: span.start for tp, span in spans.items()}
        self.records: dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]] = {tp: [] for tp in spans}

    async def poll(self) -> None:
        """Take what has come, or wait a little for something to come."""
        if self._one_by_one:
            for tp in list(self.open):
                if not await self._take(tp):
                    self._close(tp)
        elif not await self._take():
            self._one_by_one = True

    async def _take(self, *tps: TopicPartition) -> bool:
        """Take what has come of these partitions, or of all; False if a batch of theirs cannot be read."""
        try:
            batches = await self._consumer.getmany(*tps, timeout_ms=POLL_MS)
        except NO_RIGHTS as error:
            raise no_rights(error) from error
        except UnicodeDecodeError:
            lenient_headers.read_leniently()
            self._seek_back()
            return True
        except Exception as error:  # noqa: BLE001 - a batch that does not decompress raises whatever its codec does
            log.warning("lag_partly_unknown", error=repr(error))
            self._seek_back()
            return False
        for tp, records in batches.items():
            self.records[tp].extend(record for record in records if record.offset < self._spans[tp].stop)
        await self._close_read()
        return True

    async def _close_read(self) -> None:
        async with answered_within(POSITION_SECONDS):
            for tp in list(self.open):
                self.positions[tp] = await self._consumer.position(tp)
                if self.positions[tp] >= self._spans[tp].stop:
                    self._close(tp)

    def _close(self, tp: TopicPartition) -> None:
        """Fetch no more of it: a fetch that waits for more would hold up all others."""
        self.open.remove(tp)
        self._consumer.pause(tp)

    def _seek_back(self) -> None:
        """Read again what the failed poll may have dropped on its way."""
        for tp in self.open:
            self._consumer.seek(tp, self.positions[tp])
