"""How this package opens aiokafka's clients and translates their errors; every call is bounded in time.

Workarounds for aiokafka 0.14 stand where they are needed, each with its reason: `records` (header names), `auth`
(refusals), `producer` and `producer_close` (errors and shutdown), `consumer` (signs of life), `admin_client`.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer
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

from consumer.delivery.ports import BusError, RecordRefused
from consumer.errors import Fatal
from consumer.kafka import auth
from consumer.kafka.records import install_parser
from schemas import Reason

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

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

PREFETCH_BYTES = 128 * 1024
"""Read ahead of each partition: a hundred usual requests; a larger record is read all the same, alone.

It is held for every partition of every lane, so that it is what a long backlog costs.
"""


def connection(settings: KafkaSettings) -> dict[str, Any]:
    """Return the keyword arguments that every aiokafka client of this worker shares."""
    return {
        "bootstrap_servers": settings.bootstrap_servers,
        "client_id": settings.client_id,
        "request_timeout_ms": int(settings.request_timeout_seconds * 1000),
        **auth.credentials(settings),
    }


async def first_contact(settings: KafkaSettings, start: Callable[[], Awaitable[None]]) -> None:
    """Start a client that is the first to ask the brokers.

    Raises `Fatal` when one of them refuses this worker, `BusError` when none answers: aiokafka tells neither apart.
    """
    try:
        async with answered_within(settings.request_timeout_seconds):
            await start()
    except BusError as error:
        told = await auth.knock(settings)
        if told is None:
            raise
        raise BusError(told) from error


def open_consumer(settings: KafkaSettings) -> AIOKafkaConsumer:
    """Make the group's consumer, not yet started. Nothing is committed by it, ever: that is the owners' part."""
    install_parser()
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
    """Return the error in the port's words."""
    if isinstance(error, NO_RIGHTS):
        return no_rights(error)
    if isinstance(error, UnknownTopicOrPartitionError):
        return BusError("a topic that the worker writes to is missing: leadart topics apply")
    kind = RecordRefused if isinstance(error, REFUSALS) else BusError
    return kind(repr(error))
