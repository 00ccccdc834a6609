"""Transactional producers: aiokafka behind the `Epoch` port, also for tools that write records and no offsets."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import ProducerFenced
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import OffsetAndMetadata

from consumer import failpoints
from consumer.delivery.ports import MAX_RECORD_BYTES, BusError, CommittedOffset, OutgoingRecord, RecordRefused
from consumer.failpoints import Failpoint
from consumer.kafka.client import ACCESS_DENIED, access_denied, answered_within, connection
from consumer.kafka.producer_close import close_producer
from consumer.settings import KafkaSettings

MAX_BATCH_BYTES = 256 * 1024
"""Size limit of one produce request: two hundred outcomes fit, which aiokafka's 16 KiB would send one after another."""


def _add(batch: BatchBuilder, record: OutgoingRecord) -> bool:
    """Add the record unless the batch is full; an empty one takes any. Raises `RecordRefused` for one too large."""
    added = batch.append(timestamp=None, key=record.key, value=record.value, headers=list(record.headers))
    if added is not None and added.size > MAX_RECORD_BYTES:
        raise RecordRefused(f"a record of {added.size} bytes for {record.topic}")
    return added is not None


class KafkaEpoch:
    """One life of a transactional producer, from InitProducerId to its close."""

    def __init__(self, producer: AIOKafkaProducer, group_id: str, shard: int, seconds: float) -> None:
        self._producer = producer
        self._group_id = group_id
        self._shard = shard
        self._seconds = seconds

    async def begin(self) -> None:
        """Open a transaction."""
        async with self._answered():
            await self._producer.begin_transaction()

    async def write(self, records: Sequence[OutgoingRecord]) -> None:
        """Send the records, batched by partition, and wait until the broker has taken all."""
        answers = []
        async with self._answered():
            for (topic, partition), batch in self._batches(records):
                answer = await self._producer.send_batch(batch, topic, partition=partition)
                answer.add_done_callback(lambda done: done.cancelled() or done.exception())  # another may fail first
                answers.append(answer)
            if answers:
                await asyncio.wait(answers, return_when=asyncio.FIRST_EXCEPTION)
            # A refused batch only fails its own future: the commit would go through without it.
            for answer in answers:
                if answer.done():
                    answer.result()

    def _batches(self, records: Sequence[OutgoingRecord]) -> Iterator[tuple[tuple[str, int], BatchBuilder]]:
        """Batch the records ourselves: sent one by one, each costs the producer a future, a timer and a look-up."""
        filling: dict[tuple[str, int], BatchBuilder] = {}
        for record in records:
            partition = (record.topic, record.partition)
            if partition in filling:
                if _add(filling[partition], record):
                    continue
                yield partition, filling[partition]
            filling[partition] = self._producer.create_batch()
            _add(filling[partition], record)
        yield from filling.items()

    async def send_offsets(self, offsets: Mapping[str, CommittedOffset]) -> None:
        """Put the offsets into the transaction, under the group's name."""
        by_partition = {
            TopicPartition(topic, self._shard): OffsetAndMetadata(at.offset, at.metadata)
            for topic, at in offsets.items()
        }
        async with self._answered():
            await self._producer.send_offsets_to_transaction(by_partition, self._group_id)

    async def commit(self) -> None:
        """End the transaction."""
        async with self._answered():
            commit = asyncio.ensure_future(self._producer.commit_transaction())
            await failpoints.reached(Failpoint.COMMITTING)
            await commit

    async def write_transaction(self, records: Sequence[OutgoingRecord]) -> None:
        """Write the records in a transaction of their own, within its timeout: all become visible, or none.

        Raises `RecordRefused` if none was written, any other `BusError` if that is unknown.
        """
        async with answered_within(self._seconds):
            await self.begin()
            await self.write(records)
            await failpoints.reached(Failpoint.BEGUN)
            await self.commit()

    @asynccontextmanager
    async def _answered(self) -> AsyncIterator[None]:
        try:
            async with answered_within(self._seconds):
                yield
        except BusError as error:
            raise self._translated(error) from error.__cause__

    def _translated(self, error: BusError) -> Exception:
        """Translate the error: once one topic is rejected, aiokafka fails the other sends with unrelated errors."""
        waiter = self._producer._txn_manager._transaction_waiter  # noqa: SLF001 - where it keeps the first error
        first = waiter.exception() if waiter and waiter.done() and not waiter.cancelled() else None
        if isinstance(first, ACCESS_DENIED):
            return access_denied(first)
        return error


@asynccontextmanager
async def open_epoch(settings: KafkaSettings, writer: str, shard: int) -> AsyncIterator[KafkaEpoch]:
    """Open the transactional producer `writer`: fence older ones and end the transactions they left open.

    Offsets are those of partition `shard`. Raises `BusError`. Closing is bounded in time and leaves no socket and no
    task behind.
    """
    producer = AIOKafkaProducer(
        **connection(settings),
        transactional_id=f"leadart.{settings.group_id}.{writer}",
        transaction_timeout_ms=int(settings.transaction_timeout_seconds * 1000),
        acks="all",
        # Since 0.14 a linger is always waited out, full batch or not.
        linger_ms=0,
        # The markers of the last transaction may still be on their way; the broker then asks to retry, in milliseconds.
        retry_backoff_ms=20,
        max_batch_size=MAX_BATCH_BYTES,
    )
    try:
        async with answered_within(settings.request_timeout_seconds):
            await producer.start()
        yield KafkaEpoch(producer, settings.group_id, shard, settings.transaction_timeout_seconds)
    finally:
        await close_producer(producer)


def was_fenced(error: BusError) -> bool:
    """Return whether another producer of the same id ended this one, or Kafka did because the transaction timed out."""
    return ProducerFenced.__name__ in str(error)  # a record's future holds it as text only
