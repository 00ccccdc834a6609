"""Writes records that no well-behaved client would, in compressed batches of our own making."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import groupby
from typing import Any, Final, NamedTuple, Self

from aiokafka import AIOKafkaProducer
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

from tests.fuzz.case import Case, Codec

BATCH_BYTES: Final = 48 * 1024
"""Unpacked size of a batch; a single larger record gets one of its own."""
CODECS: Final = {Codec.NONE: 0, Codec.GZIP: 1, Codec.SNAPPY: 2, Codec.LZ4: 3, Codec.ZSTD: 4}
ANSWER_SECONDS: Final = 30.0


class Place(NamedTuple):
    """Where the broker put a record."""

    partition: int
    offset: int


class RawName(str):
    """A header name that is encoded to any bytes at all."""

    __slots__ = ("raw",)

    raw: bytes

    def __new__(cls, raw: bytes) -> Self:
        """Keep the bytes beside what can be read of them."""
        name = super().__new__(cls, raw.decode("utf-8", "replace"))
        name.raw = raw
        return name

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        """Return the bytes as they are."""
        del encoding, errors
        return self.raw


class Publisher:
    """Publishes cases to one topic, spread over its partitions, each batch with one codec."""

    def __init__(self, producer: AIOKafkaProducer, topic: str, partitions: int) -> None:
        self._producer = producer
        self._topic = topic
        self._partitions = partitions

    async def publish(self, cases: Iterable[Case]) -> dict[Place, Case]:
        """Write the cases and return where each of them lies."""
        ordered = sorted(cases, key=lambda case: (case.number % self._partitions, case.codec))
        groups = groupby(ordered, key=lambda case: (case.number % self._partitions, case.codec))
        places: dict[Place, Case] = {}
        for (partition, codec), members in groups:
            for batch, held in self._batches(list(members), codec):
                sent = await self._producer.send_batch(batch, self._topic, partition=partition)
                async with asyncio.timeout(ANSWER_SECONDS):
                    first = (await sent).offset
                places |= {Place(partition, first + index): case for index, case in enumerate(held)}
        return places

    def _batches(self, cases: Sequence[Case], codec: Codec) -> list[tuple[Any, list[Case]]]:
        batches: list[tuple[Any, list[Case]]] = []
        for case in cases:
            if not batches or not _append(batches[-1][0], case):
                batches.append((self._batch(codec), []))
                _append(batches[-1][0], case)
            batches[-1][1].append(case)
        return batches

    def _batch(self, codec: Codec) -> Any:
        batch = self._producer.create_batch()
        # The Python builder encodes header names through `encode`, so that ours can be any bytes.
        batch._builder = _DefaultRecordBatchBuilderPy(
            magic=2,
            compression_type=CODECS[codec],
            is_transactional=0,
            producer_id=-1,
            producer_epoch=-1,
            base_sequence=0,
            batch_size=BATCH_BYTES,
        )
        return batch


def _append(batch: Any, case: Case) -> bool:
    headers = [(RawName(name), value) for name, value in case.raw.headers]
    added = batch.append(timestamp=None, key=case.raw.key, value=case.raw.value, headers=headers)
    return added is not None


@asynccontextmanager
async def open_publisher(settings: Mapping[str, Any], topic: str, partitions: int) -> AsyncIterator[Publisher]:
    """Open a publisher for a topic; `settings` are what aiokafka's producer is made with."""
    async with AsyncExitStack() as stack:
        producer = AIOKafkaProducer(**settings, linger_ms=0, max_request_size=2**26)
        await stack.enter_async_context(producer)
        yield Publisher(producer, topic, partitions)
