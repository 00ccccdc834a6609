"""The newsroom's side of the bus: it publishes requests and listens, read-committed, to all that leadart says."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from consumer.dev.demo.articles import request_event
from consumer.errors import Rejected
from consumer.jobs import Record
from consumer.kafka.client import answered_within, connection, first_contact
from consumer.kafka.producer_close import close_producer
from schemas import ContractError, Reason, names
from schemas.cloudevents import write

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from aiokafka import TopicPartition
    from aiokafka.structs import ConsumerRecord

    from consumer.settings import Settings
    from schemas.cloudevents import Event

_OUTPUT = (names.OUTCOME, names.PROGRESS, names.DEAD_LETTER)


class Publisher:
    """Publishes requests, one at a time, each acknowledged by all replicas."""

    def __init__(self, producer: AIOKafkaProducer, settings: Settings) -> None:
        self._producer = producer
        self._topic = settings.topics.named(names.REQUESTED)
        self._seconds = settings.kafka.request_timeout_seconds

    async def publish(self, event: Event) -> None:
        """Publish a request under its subject, the article's id, as the key. Raises `BusError`."""
        headers, value = write(event)
        async with answered_within(self._seconds):
            await self._producer.send_and_wait(self._topic, value, key=(event.subject or "").encode(), headers=headers)


@asynccontextmanager
async def open_publisher(settings: Settings) -> AsyncIterator[Publisher]:
    """Open a publisher. Raises `BusError` when no broker answers, `Fatal` when one refuses us."""
    producer = AIOKafkaProducer(**connection(settings.kafka), acks="all")
    try:
        await first_contact(settings.kafka, producer.start)
        yield Publisher(producer, settings)
    finally:
        await close_producer(producer)


async def publish_file(settings: Settings, text: bytes) -> str:
    """Publish a request's data, given as JSON, byte for byte, and return the event's new id.

    Only what a record needs is checked, so that bad requests can be tried out. Raises `Rejected` for text without an
    article id, or with one that no record can have, `BusError` when no broker answers.
    """
    try:
        event = replace(request_event(json.loads(text), str(uuid4())), data=text)
    except ContractError as error:
        raise Rejected(error.reason, error.message, field="article.id") from error
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise Rejected(
            Reason.MISSING_FIELD, "This is no JSON object with an article.id.", field="article.id"
        ) from error
    async with open_publisher(settings) as publisher:
        await publisher.publish(event)
    return event.id


class Subscriber:
    """Reads outcomes, progress and dead letters of all partitions, from the moment it was opened."""

    def __init__(self, consumer: AIOKafkaConsumer, settings: Settings) -> None:
        self._consumer = consumer
        self._seconds = settings.kafka.request_timeout_seconds

    async def read(self, seconds: float) -> list[Record]:
        """Return what is there, waiting up to so many seconds for it."""
        found = await self._consumer.getmany(timeout_ms=int(seconds * 1000))
        return _records(found.values())

    async def read_to_end(self) -> list[Record]:
        """Return all that is left up to the last stable offsets of this moment. Raises `BusError`."""
        rest: list[Record] = []
        async with answered_within(self._seconds):
            ends = await self._consumer.end_offsets(self._consumer.assignment())
            while await self._is_before(ends):
                rest += await self.read(0.1)
        return rest

    async def _is_before(self, ends: dict[TopicPartition, int]) -> bool:
        return any([await self._consumer.position(partition) < end for partition, end in ends.items()])


@asynccontextmanager
async def open_subscriber(settings: Settings) -> AsyncIterator[Subscriber]:
    """Open a subscriber of no group at the ends of the topics. Raises `BusError` when no broker answers."""
    consumer = AIOKafkaConsumer(
        *(settings.topics.named(base) for base in _OUTPUT),
        **connection(settings.kafka),
        isolation_level="read_committed",
        enable_auto_commit=False,
        fetch_max_wait_ms=100,
    )
    try:
        async with answered_within(settings.kafka.request_timeout_seconds):
            await consumer.start()
            await consumer.seek_to_end()
        yield Subscriber(consumer, settings)
    finally:
        async with asyncio.timeout(settings.kafka.request_timeout_seconds):
            await consumer.stop()


def _records(batches: Iterable[Sequence[ConsumerRecord[bytes, bytes]]]) -> list[Record]:
    return [
        Record(got.topic, got.partition, got.offset, got.key, got.value, tuple(got.headers), got.timestamp)
        for batch in batches
        for got in batch
    ]
