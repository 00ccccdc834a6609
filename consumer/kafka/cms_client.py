"""The client that plays the CMS: it publishes requests and reads, read-committed, what leadart announces.

For `leadart publish` and `outcomes`, the demo, the benchmarks and the tests: a worker never uses it.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import RecordMetadata

from consumer.delivery.ports import BusError, Partition
from consumer.jobs import Record
from consumer.kafka.admin_client import require_topics
from consumer.kafka.client import answered_within, connection
from consumer.kafka.contact import first_contact
from consumer.kafka.producer_close import close_producer
from consumer.kafka.records import install_parser, to_record
from consumer.settings import Settings
from schemas import names
from schemas.cloudevents import Event, write

SOURCE = "/cms/demo"
"""CloudEvents source of the requests that leadart's own commands publish."""

ANNOUNCED = (names.OUTCOME, names.PROGRESS, names.DEAD_LETTER)
"""Base names of the topics with the answers to requests."""

WAVE = 1000
"""Records on their way at once in `CmsPublisher.publish_all`."""


def request_event(
    data: Mapping[str, Any], event_id: str, source: str = SOURCE, event_type: str = names.IMAGE_REQUESTED
) -> Event:
    """Return a request's data, or an editor's decision, as an event."""
    return Event(
        id=event_id,
        source=source,
        type=event_type,
        subject=str(data["article"]["id"]),
        time=datetime.now(UTC),
        dataschema=names.dataschema(event_type),
        data=data,
    )


class CmsPublisher:
    """Publishes requests, each under its article id, acknowledged by all in-sync replicas."""

    def __init__(self, producer: AIOKafkaProducer, settings: Settings) -> None:
        self.producer = producer
        self._settings = settings
        self._topic = settings.topics.named(names.REQUESTED)
        self._seconds = settings.kafka.request_timeout_seconds

    async def publish(self, event: Event) -> Record:
        """Publish a request; return its record. Raises `BusError`."""
        headers, value = write(event)
        async with answered_within(self._seconds):
            sent = await (await self._send(event, headers, value))
        return Record(
            sent.topic, sent.partition, sent.offset, _key(event), value, tuple(headers), timestamp_ms=sent.timestamp
        )

    async def put(self, base: str, key: bytes, value: bytes | None) -> Record:
        """Write a key's value to a compacted topic, by its base name; None forgets it. Raises `BusError`."""
        topic = self._settings.topics.named(base)
        async with answered_within(self._seconds):
            sent = await (await self.producer.send(topic, value, key=key))
        return Record(sent.topic, sent.partition, sent.offset, key, value, (), timestamp_ms=sent.timestamp)

    async def publish_all(self, events: Sequence[Event]) -> None:
        """Publish many requests in order, as fast as the brokers take them. Raises `BusError`."""
        for first in range(0, len(events), WAVE):
            async with answered_within(self._seconds):
                await asyncio.gather(*[await self._send(each, *write(each)) for each in events[first : first + WAVE]])

    async def _send(
        self, event: Event, headers: list[tuple[str, bytes]], value: bytes
    ) -> asyncio.Future[RecordMetadata]:
        key = _key(event)
        # The default partitioner is murmur2, as in Java's client: an article stays in its partition.
        sent: asyncio.Future[RecordMetadata] = await self.producer.send(self._topic, value, key=key, headers=headers)
        return sent


def _key(event: Event) -> bytes:
    """Return the record's key: the article id, which is the event's subject."""
    return (event.subject or "").encode()


@asynccontextmanager
async def open_publisher(settings: Settings, linger_ms: int = 0) -> AsyncIterator[CmsPublisher]:
    """Open a publisher.

    Raises `BusError` when no broker answers, `Fatal` when one refuses these credentials, `TopicsMissing`.
    """
    await require_topics(settings.kafka, [settings.topics.named(names.REQUESTED)])
    producer = AIOKafkaProducer(**connection(settings.kafka), enable_idempotence=True, linger_ms=linger_ms)
    try:
        await first_contact(settings.kafka, producer.client, producer.start)
        yield CmsPublisher(producer, settings)
    finally:
        await close_producer(producer)


class CmsSubscriber:
    """Reads all partitions of some topics, outside any group."""

    def __init__(self, consumer: AIOKafkaConsumer, settings: Settings) -> None:
        self.consumer = consumer
        self._topic = settings.topics.named
        self._seconds = settings.kafka.request_timeout_seconds

    async def read(self, seconds: float) -> list[Record]:
        """Return the records that have come, after waiting up to `seconds` for some. Raises `BusError`."""
        async with answered_within(seconds + self._seconds):
            batches = await self.consumer.getmany(timeout_ms=int(seconds * 1000))
        return [to_record(record) for batch in batches.values() for record in batch]

    async def read_to_end(self) -> list[Record]:
        """Return everything up to the last stable offsets of this moment. Raises `BusError`, also if reading stalls."""
        loop = asyncio.get_running_loop()
        ends = await self.ends()
        rest: list[Record] = []
        heard = loop.time()
        while await self.is_before(ends):
            rest += (records := await self.read(0.1))
            heard = loop.time() if records else heard
            if loop.time() - heard > self._seconds:
                raise BusError(f"no record within {self._seconds} s, before the topics' end")
        return rest

    async def ends(self) -> Mapping[TopicPartition, int]:
        """Return the last stable offsets of this moment. Raises `BusError`."""
        async with answered_within(self._seconds):
            ends: Mapping[TopicPartition, int] = await self.consumer.end_offsets(self.consumer.assignment())
        return ends

    async def seek_since(self, since_ms: int, bases_at_end: Collection[str] = ()) -> Mapping[Partition, int]:
        """Go on with the first record since then (milliseconds since 1970); at their end for some topics.

        Returns where that is. Raises `BusError`.
        """
        topics = {self._topic(base) for base in bases_at_end}
        partitions = self.consumer.assignment()
        async with answered_within(self._seconds):
            found = await self.consumer.offsets_for_times(dict.fromkeys(partitions, since_ms))
            ends = await self.consumer.end_offsets(partitions)
        starts = {}
        for partition in partitions:
            first = None if partition.topic in topics else found[partition]
            starts[Partition(*partition)] = first.offset if first else ends[partition]
        self.seek(starts)
        return starts

    def seek(self, offsets: Mapping[Partition, int]) -> None:
        """Go on with these offsets."""
        for partition, offset in offsets.items():
            self.consumer.seek(TopicPartition(*partition), offset)

    async def is_before(self, ends: Mapping[TopicPartition, int]) -> bool:
        """Return whether there is more to read before these offsets. Raises `BusError`."""
        async with answered_within(self._seconds):
            return any([await self.consumer.position(partition) < end for partition, end in ends.items()])


@asynccontextmanager
async def open_subscriber(
    settings: Settings, bases: Sequence[str] = ANNOUNCED, *, from_start: bool = False, committed: bool = True
) -> AsyncIterator[CmsSubscriber]:
    """Open a subscriber of the topics with these base names: at their ends, or `from_start`.

    Raises `BusError` when no broker answers, `Fatal` when one refuses these credentials, `TopicsMissing`.
    """
    topics = [settings.topics.named(base) for base in bases]
    await require_topics(settings.kafka, topics)  # by itself the client waits for one that is missing
    install_parser(settings.kafka.max_batch_bytes)
    consumer = AIOKafkaConsumer(
        *topics,
        **connection(settings.kafka),
        isolation_level="read_committed" if committed else "read_uncommitted",
        auto_offset_reset="earliest" if from_start else "latest",
        enable_auto_commit=False,
        fetch_max_wait_ms=100,
    )
    try:
        await first_contact(settings.kafka, consumer._client, consumer.start)  # noqa: SLF001 - it has no public access to it
        async with answered_within(settings.kafka.request_timeout_seconds):
            if not from_start and not await consumer.seek_to_end():
                raise BusError("no answer to where the topics end")
        yield CmsSubscriber(consumer, settings)
    finally:
        with suppress(BusError):  # a reader leaves nothing undone
            async with answered_within(settings.kafka.request_timeout_seconds):
                # Gathered: with the broker gone, stop() raises the CancelledError of its own tasks.
                await asyncio.gather(consumer.stop(), return_exceptions=True)
