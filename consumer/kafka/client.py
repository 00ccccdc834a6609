"""How this package opens aiokafka's clients and translates their errors; every call is bounded in time.

Workarounds for aiokafka 0.14 stand where they are needed, each with its reason: `records` (header names), `auth`
(rejections), `connections` (idleness, sessions), `producer` and `producer_close` (errors and shutdown), `consumer`
(signs of life), `admin_client`.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import (
    AuthenticationFailedError,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    IllegalOperation,
    IncompatibleBrokerVersion,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    UnknownTopicOrPartitionError,
    UnsupportedVersionError,
)

from consumer.delivery.ports import BusError, RecordRefused
from consumer.errors import Fatal
from consumer.kafka import auth
from consumer.kafka.connections import IDLE_SECONDS
from consumer.kafka.records import install_parser
from consumer.settings import KafkaSettings
from schemas import Reason

RECORD_REJECTED = (MessageSizeTooLargeError, RecordListTooLargeError)
"""What a broker answers to a record that no retry will make it take."""

ACCESS_DENIED = (
    AuthenticationFailedError,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)
"""What a broker answers to wrong credentials or missing ACLs: for an operator to fix, never an article's fault."""

API_MISSING = (IncompatibleBrokerVersion, UnsupportedVersionError)
"""What aiokafka or a broker answers when the broker lacks an API, or the version of it that we need."""

PREFETCH_BYTES = 128 * 1024
"""Read ahead of each partition: a hundred usual requests; a larger record is still read, alone.

It is held for every partition of every lane, and is all that a long backlog costs.
"""


def connection(settings: KafkaSettings) -> dict[str, Any]:
    """Return the keyword arguments that every aiokafka client of this worker shares."""
    return {
        "bootstrap_servers": settings.bootstrap_servers,
        "client_id": settings.client_id,
        "request_timeout_ms": int(settings.request_timeout_seconds * 1000),
        "connections_max_idle_ms": int(IDLE_SECONDS * 1000),
        **auth.credentials(settings),
    }


def open_consumer(settings: KafkaSettings) -> AIOKafkaConsumer:
    """Create the group's consumer, not yet started. It never commits: the shard owners do."""
    install_parser(settings.max_batch_bytes)
    session_ms = int(settings.session_timeout_seconds * 1000)
    return AIOKafkaConsumer(
        **connection(settings),
        group_id=settings.group_id,
        enable_auto_commit=False,
        # A missing or lost offset is the operator's decision; `earliest` or `latest` would repeat or lose a backlog.
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
        # How soon a lane that grew or is gone is noticed; the default is five minutes.
        metadata_max_age_ms=10_000,
    )


@asynccontextmanager
async def answered_within(seconds: float) -> AsyncIterator[None]:
    """Turn every way in which a call to Kafka can fail or hang into `BusError`.

    Denied access is `Fatal`, and so is a broker without an API that is needed.
    """
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise BusError(f"no answer within {seconds} s") from error
    # aiokafka asserts where a producer was fenced or a connection closed under it; illegal is a send into a transaction
    # that has failed.
    except (KafkaError, OSError, AssertionError, IllegalOperation) as error:
        raise _translated(error) from error
    except NotImplementedError as error:
        if "codec" in str(error):  # of a batch, which a library is missing for
            raise
        raise _too_old(error) from error


_RESOURCES = {
    TopicAuthorizationFailedError: "topic",
    GroupAuthorizationFailedError: "group",
    TransactionalIdAuthorizationFailed: "transactional id",
    ClusterAuthorizationFailedError: "cluster",
}


def access_denied(error: BaseException) -> Fatal:
    """Return the error to raise for one of `ACCESS_DENIED`; it names the resource."""
    what = next((word for kind, word in _RESOURCES.items() if isinstance(error, kind)), None)
    if what is None:
        sentence = f"Kafka rejects this worker's credentials: {error}. Check LEADART_KAFKA__SASL_*."
    else:
        names = f"{what} {_named(error)}".rstrip()
        sentence = (
            f"Kafka denies this worker access, not authorized: {names}. Check its ACLs: docs/operations/access.md."
        )
    return Fatal(Reason.MISCONFIGURED, sentence)


def _named(error: BaseException) -> str:
    """Return the resource's name: aiokafka gives it alone, at the end of a sentence, or several as a set."""
    names = error.args[0] if error.args else ""
    return names.rpartition(" ")[2] if isinstance(names, str) else ", ".join(sorted(map(str, names)))


def _translated(error: BaseException) -> BusError | Fatal:
    if isinstance(error, ACCESS_DENIED):
        return access_denied(error)
    if isinstance(error, UnknownTopicOrPartitionError):
        return BusError("a topic that the worker writes to is missing: run `leadart topics apply`")
    if isinstance(error, API_MISSING):
        return _too_old(error)
    kind = RecordRefused if isinstance(error, RECORD_REJECTED) else BusError
    return kind(_in_words(error))


def _too_old(error: BaseException) -> Fatal:
    return Fatal(
        Reason.MISCONFIGURED,
        f"The brokers lack a part of Kafka's protocol that leadart needs: {_in_words(error)}. Use Kafka 3.4 or newer, "
        "or another broker that speaks its protocol in full.",
    )


def _in_words(error: BaseException) -> str:
    """Return aiokafka's sentence, if it has one, and the error's name."""
    text = str(error) if isinstance(error, OSError) else " ".join(str(argument) for argument in error.args)
    return f"{text.strip().rstrip('.')} ({type(error).__name__})" if text.strip() else type(error).__name__
