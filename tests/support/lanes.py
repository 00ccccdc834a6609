"""Write many records into lanes, and read them back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from consumer.delivery.ports import OutgoingRecord
from consumer.kafka.records import to_record
from schemas import names
from schemas.cloudevents import Event, write
from tests.support.harness import BOUND, request_data

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumer.jobs import Record
    from tests.support.harness import Site


def asking(site: Site, article: str, revision: int = 1, partition: int = 0, **parts: Any) -> OutgoingRecord:
    """Return a request as a CMS writes it; its event id names article and revision."""
    event = Event(
        id=f"{article}@{revision}",
        source="/cms/test",
        type=names.IMAGE_REQUESTED,
        data=request_data(article, revision, **parts),
    )
    headers, value = write(event)
    return OutgoingRecord(site.topic(names.REQUESTED), partition, article.encode(), value, tuple(headers))


async def put(site: Site, records: Sequence[OutgoingRecord]) -> None:
    """Write records without a transaction, as a CMS does, in this order."""
    async with AIOKafkaProducer(bootstrap_servers=site.settings.kafka.bootstrap_servers, linger_ms=0) as producer:
        await asyncio.gather(
            *[
                await producer.send(one.topic, one.value, one.key, one.partition, headers=list(one.headers))
                for one in records
            ]
        )


async def records(site: Site, base: str) -> list[Record]:
    """Return what a read-committed subscriber reads from a topic, partition by partition."""
    found = []
    async with AIOKafkaConsumer(
        bootstrap_servers=site.settings.kafka.bootstrap_servers, isolation_level="read_committed"
    ) as consumer:
        partitions = [TopicPartition(site.topic(base), number) for number in range(site.settings.topics.partitions)]
        ends = await consumer.end_offsets(partitions)
        consumer.assign(partitions)
        await consumer.seek_to_beginning()
        async with asyncio.timeout(BOUND):
            while any([await consumer.position(tp) < end for tp, end in ends.items()]):
                for batch in (await consumer.getmany(timeout_ms=100)).values():
                    found += [to_record(record) for record in batch]
    return sorted(found, key=lambda record: (record.partition, record.offset))
