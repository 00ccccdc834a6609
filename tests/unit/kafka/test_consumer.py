"""How the adapter translates aiokafka's errors, records and signs of life."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import (
    CorruptRecordException,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    TopicAuthorizationFailedError,
)

from consumer.delivery.ports import BusError, Partition, PositionLost
from consumer.errors import Fatal
from consumer.jobs import Record
from consumer.kafka import records
from consumer.kafka.batches import NotRead, ReadingLimits
from consumer.kafka.consumer import KafkaReader

HERE = Partition("requested", 3)
TP = TopicPartition("requested", 3)


class Consumer:
    """As much of aiokafka's consumer as the adapter touches; `answer` is what a poll returns or raises."""

    def __init__(self, answer: Any = None) -> None:
        self.answer = answer
        self.asked: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
        self.listener: Any = None
        self._coordinator: Any = None
        self._fetcher: Any = None

    async def getmany(self, *partitions: Any, **options: Any) -> Any:
        self.asked.append((partitions, options))
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer

    def subscribe(self, topics: list[str], listener: Any) -> None:
        assert topics == ["requested"]
        self.listener = listener


async def test_records_are_translated() -> None:
    """A batch keeps its partition, and each record its coordinates, key, value, headers and time."""
    theirs = SimpleNamespace(
        topic="requested", partition=3, offset=7, key=b"k", value=b"v", headers=[("n", b"1")], timestamp=5
    )
    consumer = Consumer({TP: [theirs]})

    batches = await KafkaReader(consumer).read(0.2, 10, [HERE])

    assert batches == {HERE: [Record("requested", 3, 7, b"k", b"v", (("n", b"1"),), 5)]}
    assert consumer.asked == [((TP,), {"timeout_ms": 200, "max_records": 10})]


async def test_what_was_not_read_has_no_value_and_says_why() -> None:
    """Only aiokafka's stand-in counts as not read, never a value that a publisher wrote."""
    theirs = SimpleNamespace(topic="requested", partition=3, offset=7, key=None, headers=(), timestamp=5)
    answers = [SimpleNamespace(**vars(theirs), value=value) for value in (NotRead(b"too large"), b"too large")]

    batches = await KafkaReader(Consumer({TP: answers})).read(0.2, 10, [HERE])

    assert [(record.value, record.not_read) for record in batches[HERE]] == [(None, "too large"), (b"too large", "")]


@pytest.mark.parametrize("error", [NoOffsetForPartitionError(TP), OffsetOutOfRangeError({TP: 9})])
async def test_a_lost_position_names_its_partitions(error: Exception) -> None:
    """Both of aiokafka's errors for a missing offset give the partitions."""
    with pytest.raises(PositionLost) as raised:
        await KafkaReader(Consumer(error)).read(0.2, 10, [HERE])

    assert raised.value.partitions == (HERE,)


async def test_denied_access_is_fatal() -> None:
    """A poll that the broker will always deny is not repeated."""
    with pytest.raises(Fatal, match="ACL"):
        await KafkaReader(Consumer(TopicAuthorizationFailedError("requested"))).read(0.2, 10, [HERE])


async def test_a_batch_that_cannot_be_read_is_a_bus_error() -> None:
    """A batch that aiokafka cannot unpack is a failed read, which may have moved the cursor."""
    with pytest.raises(BusError) as raised:
        await KafkaReader(Consumer(CorruptRecordException("broken"))).read(0.2, 10, [HERE])

    assert not isinstance(raised.value, PositionLost)


async def test_a_header_name_that_is_not_utf8_makes_the_reader_tolerant(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first one switches the process to tolerant parsing; the read is to be repeated."""
    monkeypatch.setattr(records, "_limits", ReadingLimits(batch_bytes=1))
    with pytest.raises(BusError, match="tolerantly"):
        await KafkaReader(Consumer(UnicodeDecodeError("utf-8", b"\xe9", 0, 1, "no"))).read(0.2, 10, [HERE])

    assert records._limits == ReadingLimits(batch_bytes=1, tolerant=True)


@pytest.mark.parametrize("part", ["coordination", "heartbeat", "fetch"])
async def test_a_dead_task_of_the_client_is_a_failure(part: str) -> None:
    """Any of the client's three tasks that died of an error is named, with the error."""
    consumer = Consumer()
    consumer._coordinator = SimpleNamespace(_coordination_task=None, _heartbeat_task=None)
    consumer._fetcher = SimpleNamespace(_fetch_task=None)
    reader = KafkaReader(consumer)
    assert reader.failure is None

    async def die() -> None:
        raise OSError("gone")

    task = asyncio.ensure_future(die())
    await asyncio.wait([task])
    setattr(consumer._fetcher if part == "fetch" else consumer._coordinator, f"_{part}_task", task)

    assert reader.failure == f"The Kafka client's {part} task died of OSError('gone')"


async def test_the_listener_gets_our_partitions() -> None:
    """A rebalance reaches the listener: all is revoked, then what is assigned."""
    heard: list[object] = []

    class Listener:
        async def on_revoked(self) -> None:
            heard.append("revoked")

        async def on_assigned(self, partitions: frozenset[Partition]) -> None:
            heard.append(partitions)

    consumer = Consumer()
    KafkaReader(consumer).subscribe(["requested"], Listener())
    await consumer.listener.on_partitions_revoked([TP])
    await consumer.listener.on_partitions_assigned([TP])

    assert heard == ["revoked", frozenset({HERE})]
