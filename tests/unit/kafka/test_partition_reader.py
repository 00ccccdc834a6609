from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import NamedTuple

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import CorruptRecordException, TopicAuthorizationFailedError

from consumer.delivery.ports import BusError, Partition
from consumer.errors import Fatal
from consumer.kafka import partition_reader
from consumer.kafka.partition_reader import PartitionReader
from consumer.settings import KafkaSettings

WELL, BROKEN = Partition("requested", 0), Partition("requested", 1)
QUICK = KafkaSettings().model_copy(update={"request_timeout_seconds": 0.05})


class Found(NamedTuple):
    offset: int
    topic: str = "requested"
    partition: int = 0
    key: bytes = b"a-1"
    value: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp: int = 0


class Consumer:
    """Ten records in each partition; reading one of those in `errors` raises its error."""

    def __init__(self, **errors: Exception) -> None:
        self._errors = errors
        self._positions: dict[TopicPartition, int] = {}
        self._paused: set[TopicPartition] = set()

    def assign(self, tps: Collection[TopicPartition]) -> None:
        self._positions = dict.fromkeys(tps, 0)

    def seek(self, tp: TopicPartition, offset: int) -> None:
        self._positions[tp] = offset

    def pause(self, *tps: TopicPartition) -> None:
        self._paused.update(tps)

    async def position(self, tp: TopicPartition) -> int:
        return self._positions[tp]

    async def getmany(
        self, *tps: TopicPartition, timeout_ms: int, max_records: int | None
    ) -> dict[TopicPartition, list[Found]]:
        assert timeout_ms
        del max_records
        await asyncio.sleep(0)
        batches: dict[TopicPartition, list[Found]] = {}
        for tp in tps or self._positions:
            if tp in self._paused:
                continue
            if error := self._errors.get(f"p{tp.partition}"):
                raise error
            if found := [Found(offset) for offset in range(self._positions[tp], 10)]:
                batches[tp] = found
                self._positions[tp] = 10
        return batches


async def read(consumer: Consumer, seconds: float = 5.0) -> dict[Partition, tuple[list[int], int]]:
    spans = {WELL: range(2, 8), BROKEN: range(10)}
    found = await PartitionReader(KafkaSettings(), consumer).side_by_side(spans, seconds)
    return {partition: ([record.offset for record in read.records], read.stop) for partition, read in found.items()}


async def test_each_span_is_read_and_no_more() -> None:
    """Only the span's own records are kept, and the result says how far it read."""
    assert await read(Consumer()) == {WELL: (list(range(2, 8)), 8), BROKEN: (list(range(10)), 10)}


async def test_a_broken_batch_costs_one_partition() -> None:
    """A broken batch leaves its own partition unknown, and no record of another is lost or doubled."""
    found = await read(Consumer(p1=CorruptRecordException("broken")))

    assert found == {WELL: (list(range(2, 8)), 8), BROKEN: ([], 0)}


async def test_time_that_is_up_leaves_the_rest_unknown() -> None:
    """With no time left nothing is read, and the result says so."""
    assert await read(Consumer(), 0.0) == {WELL: ([], 2), BROKEN: ([], 0)}


async def test_a_header_that_is_no_text_switches_to_the_tolerant_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    """A header name that is not UTF-8 is read tolerantly from the second attempt on, and nothing is lost."""
    consumer = Consumer(p1=UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no text"))
    monkeypatch.setattr(partition_reader, "tolerate_header_names", consumer._errors.clear)

    assert await read(consumer) == {WELL: (list(range(2, 8)), 8), BROKEN: (list(range(10)), 10)}


async def test_denied_access_names_the_topic() -> None:
    """The error says which topic may not be read."""
    with pytest.raises(Fatal, match="not authorized: topic requested"):
        await read(Consumer(p1=TopicAuthorizationFailedError("requested")))


async def test_one_span_is_read_record_by_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """The records of the span and no others come, across a header name that is not UTF-8."""
    consumer = Consumer(p0=UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no text"))
    monkeypatch.setattr(partition_reader, "tolerate_header_names", consumer._errors.clear)
    records = PartitionReader(KafkaSettings(), consumer).records(WELL, range(2, 8))

    assert [record.offset async for record in records] == list(range(2, 8))


async def test_a_table_is_whole_or_an_error() -> None:
    """Where an open transaction hides its end, the owner of the shard gets an error that it retries after."""
    assert len(await PartitionReader(QUICK, Consumer()).table(WELL, range(2, 10))) == 8

    with pytest.raises(BusError, match="cannot be read past offset 10"):
        await PartitionReader(QUICK, Consumer()).table(WELL, range(2, 12))
