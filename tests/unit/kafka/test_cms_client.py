from __future__ import annotations

import asyncio

import pytest
from aiokafka import TopicPartition
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.structs import ConsumerRecord

from consumer.delivery.ports import BusError
from consumer.kafka.cms_client import CmsSubscriber
from consumer.settings import KafkaSettings, Settings


class Topic:
    """Stands in for a consumer: one partition, of which each poll gives the next record."""

    def __init__(self, *, readable: int, end: int) -> None:
        self._at, self._readable, self._end = 0, readable, end

    def assignment(self) -> set[TopicPartition]:
        return {TopicPartition("outcomes", 0)}

    async def end_offsets(self, partitions: set[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, self._end)

    async def position(self, partition: TopicPartition) -> int:
        del partition
        return self._at

    async def getmany(self, *, timeout_ms: int) -> dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]]:
        if self._at == self._readable:
            await asyncio.sleep(timeout_ms / 1000)
            return {}
        self._at += 1
        return {
            TopicPartition("outcomes", 0): [ConsumerRecord("outcomes", 0, self._at - 1, 0, 0, b"", b"", None, 0, 0, ())]
        }


def subscriber(topic: Topic) -> CmsSubscriber:
    return CmsSubscriber(topic, Settings(kafka=KafkaSettings(request_timeout_seconds=1)))


async def test_a_topic_is_read_to_its_end() -> None:
    """All records before the end that it had."""
    records = await subscriber(Topic(readable=5, end=3)).read_to_end()

    assert [record.offset for record in records] == [0, 1, 2]


async def test_reading_that_stalls_is_an_error() -> None:
    """With a broker away the end is never reached."""
    with pytest.raises(BusError, match="before the topics' end"):
        await subscriber(Topic(readable=2, end=3)).read_to_end()


@pytest.mark.parametrize(("key", "partition"), [(b"foobar", 1_357_151_166 % 12), (b"21", 1_173_551_340 % 12)])
def test_an_article_goes_to_the_partition_that_javas_client_chooses(key: bytes, partition: int) -> None:
    """Aiokafka's default partitioner gives the values of Kafka's own tests: murmur2 is -790332482 and -973932308."""
    assert DefaultPartitioner()(key, list(range(12)), []) == partition
