"""The wire: aiokafka behind the `Bus` port, every call bounded in time.

What aiokafka 0.14 does not do is mended here and nowhere else.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import (
    AuthenticationFailedError,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    IllegalOperation,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    UnknownTopicOrPartitionError,
)
from aiokafka.structs import OffsetAndMetadata

from consumer import failpoints
from consumer.errors import Fatal
from consumer.failpoints import Place
from consumer.kafka import access, lenient
from consumer.kafka.bus import MAX_LETTER_BYTES, BusError, Letter, LetterRefused, Progress
from consumer.kafka.closing import CLOSE_SECONDS, close_producer
from schemas import Reason

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

    from consumer.settings import KafkaSettings

REFUSALS = (MessageSizeTooLargeError, RecordListTooLargeError)
"""The broker's verdict on a record, which no retry changes."""

NO_RIGHTS = (
    AuthenticationFailedError,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)
"""The broker's verdict on this worker: for an operator to mend, and never an article's fault."""

MAX_BATCH_BYTES = 256 * 1024
"""Outcomes of one transaction that go out in one request: with aiokafka's 16 KiB, two hundred take their turns."""

READ_BYTES = 1024 * 1024
"""What aiokafka fetches of a partition at once if nobody says otherwise."""

PREFETCH_BYTES = 512 * 1024
"""Read ahead of each partition: two of the largest requests; more would only be dropped when the lane is paused."""


def connection(settings: KafkaSettings) -> dict[str, Any]:
    """Return the keyword arguments that every aiokafka client of this worker shares."""
    return {
        "bootstrap_servers": settings.bootstrap_servers,
        "client_id": settings.client_id,
        "request_timeout_ms": int(settings.request_timeout_seconds * 1000),
        **access.credentials(settings),
    }


async def first_contact(settings: KafkaSettings, start: Callable[[], Awaitable[None]]) -> None:
    """Start a client that is the first to ask the brokers.

    Raises `Fatal` when one of them refuses this worker, `BusError` when none answers: aiokafka tells neither apart.
    """
    try:
        async with answered_within(settings.request_timeout_seconds):
            await start()
    except BusError as error:
        told = await access.knock(settings)
        if told is None:
            raise
        raise BusError(told) from error


def open_consumer(settings: KafkaSettings) -> AIOKafkaConsumer:
    """Make the group's consumer, not yet started. Nothing is committed by it, ever: that is the owners' part."""
    lenient.install()
    session_ms = int(settings.session_timeout_seconds * 1000)
    return AIOKafkaConsumer(
        **connection(settings),
        group_id=settings.group_id,
        enable_auto_commit=False,
        # A missing or lost offset is for an operator to decide; `earliest` or `latest` would repeat or lose a backlog.
        auto_offset_reset="none",
        isolation_level="read_committed",
        # Two assignors make aiokafka join twice; range puts partition n of every lane on one worker.
        partition_assignment_strategy=(RangePartitionAssignor,),
        session_timeout_ms=session_ms,
        heartbeat_interval_ms=min(3000, session_ms // 3),
        # The default is the session timeout; a rebalance waits for the slowest owner to end its transaction.
        rebalance_timeout_ms=max(session_ms, 30_000),
        max_partition_fetch_bytes=PREFETCH_BYTES,
        fetch_max_wait_ms=200,
        # How soon it is noticed that a lane grew or is gone; by itself the client looks every five minutes.
        metadata_max_age_ms=10_000,
    )


@asynccontextmanager
async def open_reader(
    settings: KafkaSettings, *, committed: bool = True, partition_bytes: int = READ_BYTES
) -> AsyncIterator[AIOKafkaConsumer]:
    """Open a consumer of no group that reads what is `committed`, or all. Raises `BusError` when no broker answers.

    `partition_bytes` is the most that it fetches of a partition at once.
    """
    reader = AIOKafkaConsumer(
        **connection(settings),
        isolation_level="read_committed" if committed else "read_uncommitted",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=partition_bytes,
        # A consumer asks a broker one thing at a time: the fetch that finds nothing holds up the next question.
        fetch_max_wait_ms=20,
    )
    try:
        async with answered_within(settings.request_timeout_seconds):
            await reader.start()
        yield reader
    finally:
        with suppress(BusError):  # a reader leaves nothing undone
            async with answered_within(settings.request_timeout_seconds):
                await reader.stop()


@asynccontextmanager
async def open_admin(settings: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    """Open an admin client. Raises `BusError` when no broker answers, `Fatal` when one refuses this worker."""
    admin = AIOKafkaAdminClient(**connection(settings))
    try:
        await first_contact(settings, admin.start)
        yield admin
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await admin.close()


async def committed_offsets(
    admin: AIOKafkaAdminClient, settings: KafkaSettings, partitions: Sequence[TopicPartition]
) -> dict[TopicPartition, Progress]:
    """Read the group's committed offsets with their metadata, which the consumer's own call drops.

    A partition that is missing from the answer means that the call failed: the admin client does not look at the error
    that stands for the whole group. Raises `BusError`.
    """
    async with answered_within(settings.request_timeout_seconds):
        answer = await admin.list_consumer_group_offsets(settings.group_id, partitions=list(partitions))
    return {tp: Progress(at.offset, at.metadata or "") for tp, at in answer.items()}


@asynccontextmanager
async def answered_within(seconds: float) -> AsyncIterator[None]:
    """Turn every way in which a call to Kafka can fail, or not end, into `BusError`; missing rights are `Fatal`."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise BusError(f"no answer within {seconds} s") from error
    # aiokafka asserts where a producer was fenced or a connection closed under it; illegal is a send into a transaction
    # that has failed.
    except (KafkaError, OSError, AssertionError, IllegalOperation) as error:
        raise _told(error) from error


_RIGHTS = {
    TopicAuthorizationFailedError: "topic",
    GroupAuthorizationFailedError: "group",
    TransactionalIdAuthorizationFailed: "transactional id",
    ClusterAuthorizationFailedError: "cluster",
}


def no_rights(error: BaseException) -> Fatal:
    """Return what to raise for one of `NO_RIGHTS`: it names what the right is missing for."""
    what = next((word for kind, word in _RIGHTS.items() if isinstance(error, kind)), None)
    if what is None:
        sentence = f"Kafka does not accept this worker's credentials: {error}. Check LEADART_KAFKA__SASL_*."
    else:
        names = f"{what} {_named(error)}".rstrip()
        sentence = f"Kafka refuses this worker: no right to {names}. Check its ACLs: docs/operations/access.md."
    return Fatal(Reason.MISCONFIGURED, sentence)


def _named(error: BaseException) -> str:
    """Return what a refusal is about: aiokafka gives a name, a sentence that ends in it, or a set of names."""
    names = error.args[0] if error.args else ""
    return names.rpartition(" ")[2] if isinstance(names, str) else ", ".join(sorted(map(str, names)))


def _told(error: BaseException) -> BusError | Fatal:
    if isinstance(error, NO_RIGHTS):
        return no_rights(error)
    if isinstance(error, UnknownTopicOrPartitionError):
        return BusError("a topic that the worker writes to is missing: leadart topics apply")
    kind = LetterRefused if isinstance(error, REFUSALS) else BusError
    return kind(repr(error))


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

    async def send(self, letter: Letter) -> asyncio.Future[object]:
        """Hand the letter to the producer; the future ends when the broker took it."""
        async with self._answered():
            future = await self._producer.send(
                letter.topic,
                key=letter.key,
                value=letter.value,
                partition=letter.partition,
                headers=list(letter.headers),
            )
        return _relayed(future, self._told)

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
        return error if isinstance(error, BusError) else _told(error)


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
