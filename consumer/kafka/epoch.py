"""A shard's transactional producer: aiokafka behind the `Epoch` port."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from consumer import failpoints
from consumer.failpoints import Place
from consumer.kafka.bus import MAX_LETTER_BYTES, BusError
from consumer.kafka.client import NO_RIGHTS, answered_within, connection, no_rights, told
from consumer.kafka.closing import close_producer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from aiokafka.producer.message_accumulator import BatchBuilder

    from consumer.kafka.bus import Letter, Progress
    from consumer.settings import KafkaSettings

MAX_BATCH_BYTES = 256 * 1024
"""Outcomes of one transaction that go out in one request: with aiokafka's 16 KiB, two hundred take their turns."""


def _relayed(sent: asyncio.Future[object], told: Callable[[BaseException], Exception]) -> asyncio.Future[object]:
    """Return a future with the same answer in the port's words, errors as they are `told`."""
    answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()

    def relay(done: asyncio.Future[object]) -> None:
        error = BusError("the client dropped it") if done.cancelled() else done.exception()
        if answer.done():
            return
        if error is not None:
            answer.set_exception(told(error))
        else:
            answer.set_result(done.result())

    sent.add_done_callback(relay)
    # When another letter of the batch fails first, nobody comes back for this one's error.
    answer.add_done_callback(lambda done: done.cancelled() or done.exception())
    return answer


def _add(batch: BatchBuilder, letter: Letter) -> bool:
    """Add the letter, unless the batch is full; an empty one takes a letter of any size."""
    return batch.append(timestamp=None, key=letter.key, value=letter.value, headers=list(letter.headers)) is not None


class KafkaEpoch:
    """One transactional producer, from InitProducerId to its close."""

    def __init__(self, producer: AIOKafkaProducer, group_id: str, shard: int, seconds: float) -> None:
        self._producer = producer
        self._group_id = group_id
        self._shard = shard
        self._seconds = seconds

    async def begin(self) -> None:
        """Open a transaction."""
        async with self._answered():
            await self._producer.begin_transaction()

    async def write(self, letters: Sequence[Letter]) -> None:
        """Hand the letters to the producer, those of one partition packed together, and wait until all are taken."""
        answers = []
        for (topic, partition), batch in self._packed(letters):
            async with self._answered():
                sent = await self._producer.send_batch(batch, topic, partition=partition)
            answers.append(_relayed(sent, self._told))
        # A refused batch only fails its own future: the commit would go through without it.
        await asyncio.gather(*answers)

    def _packed(self, letters: Sequence[Letter]) -> list[tuple[tuple[str, int], BatchBuilder]]:
        """Pack the letters: handed over one by one, each costs the producer a future, a timer and a look-up."""
        packed: list[tuple[tuple[str, int], BatchBuilder]] = []
        open_for: dict[tuple[str, int], BatchBuilder] = {}
        for letter in letters:
            place = (letter.topic, letter.partition)
            if place not in open_for or not _add(open_for[place], letter):
                open_for[place] = self._producer.create_batch()
                packed.append((place, open_for[place]))
                _add(open_for[place], letter)
        return packed

    async def send_offsets(self, progress: Mapping[str, Progress]) -> None:
        """Put the offsets into the transaction, under the group's name."""
        offsets = {
            TopicPartition(topic, self._shard): OffsetAndMetadata(at.offset, at.metadata)
            for topic, at in progress.items()
        }
        async with self._answered():
            await self._producer.send_offsets_to_transaction(offsets, self._group_id)

    async def commit(self) -> None:
        """End the transaction."""
        async with self._answered():
            commit = asyncio.ensure_future(self._producer.commit_transaction())
            await failpoints.reached(Place.COMMITTING)
            await commit

    @asynccontextmanager
    async def _answered(self) -> AsyncIterator[None]:
        try:
            async with answered_within(self._seconds):
                yield
        except BusError as error:
            raise self._told(error) from error

    def _told(self, error: BaseException) -> Exception:
        """Tell an error: when one topic of a transaction is refused, aiokafka fails the rest of it in other words."""
        waiter = self._producer._txn_manager._transaction_waiter  # noqa: SLF001 - where it keeps the first error
        first = waiter.exception() if waiter and waiter.done() and not waiter.cancelled() else None
        if isinstance(first, NO_RIGHTS):
            return no_rights(first)
        return error if isinstance(error, BusError) else told(error)


@asynccontextmanager
async def open_epoch(settings: KafkaSettings, writer: str, shard: int) -> AsyncIterator[KafkaEpoch]:
    """Fence older producers of the same `writer` and settle what they left pending, then write for the shard.

    Raises `BusError`. Closing is bounded in time and leaves no socket and no task behind.
    """
    producer = AIOKafkaProducer(
        **connection(settings),
        transactional_id=f"leadart.{settings.group_id}.{writer}",
        transaction_timeout_ms=int(settings.transaction_timeout_seconds * 1000),
        acks="all",
        # Since 0.14 a linger is always waited out, full batch or not.
        linger_ms=0,
        # The markers of the last transaction may be on their way: the broker says so, and means milliseconds.
        retry_backoff_ms=20,
        max_batch_size=MAX_BATCH_BYTES,
        max_request_size=MAX_LETTER_BYTES + 1024,
    )
    try:
        async with answered_within(settings.request_timeout_seconds):
            await producer.start()
        yield KafkaEpoch(producer, settings.group_id, shard, settings.transaction_timeout_seconds)
    finally:
        await close_producer(producer)
