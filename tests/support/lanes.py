"""Write many records into lanes, and read them back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from consumer.delivery.ports import OutgoingRecord
from consumer.jobs import Record
from consumer.kafka.cms_client import open_publisher, open_subscriber
from schemas import names
from schemas.cloudevents import Event, write
from tests.support.harness import Site, request_data


def asking(site: Site, article: str, /, revision: int = 1, partition: int = 0, **parts: Any) -> OutgoingRecord:
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
    async with open_publisher(site.settings) as publisher:
        send = publisher.producer.send
        await asyncio.gather(
            *[await send(one.topic, one.value, one.key, one.partition, headers=list(one.headers)) for one in records]
        )


async def records(site: Site, base: str) -> list[Record]:
    """Return what a read-committed subscriber reads from a topic, partition by partition."""
    async with open_subscriber(site.settings, [base], from_start=True) as subscriber:
        found = await subscriber.read_to_end()
    return sorted(found, key=lambda record: (record.partition, record.offset))
