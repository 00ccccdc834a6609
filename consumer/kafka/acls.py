"""Check this worker's ACLs on each topic before it takes a request.

A missing ACL shows only when it is needed: for dead letters at the first bad request, for a retry lane perhaps after
months. Metadata (KIP-430) reports all of them at once.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any

from aiokafka.errors import TopicAuthorizationFailedError
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Int16, Int32, Schema, String

from consumer.delivery.retry import DELAYS
from consumer.errors import Fatal
from consumer.kafka.client import answered_within
from consumer.kafka.topics import LANES
from schemas import Reason, names
from schemas.topics import required_topics

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consumer.kafka.admin_client import KafkaAdmin
    from consumer.settings import Settings

    Operations = Mapping[str, frozenset["TopicOperation"]]


class TopicOperation(IntEnum):
    """Kafka's operations on a topic, by their protocol codes."""

    READ = 3
    WRITE = 4
    DESCRIBE = 8


def required_operations(settings: Settings) -> dict[str, frozenset[TopicOperation]]:
    """Return what a worker with these settings does with each topic; READ and WRITE include DESCRIBE."""
    required: dict[str, set[TopicOperation]] = {spec.name: set() for spec in required_topics()}
    for lane in LANES:
        required[lane].add(TopicOperation.READ)
    required[names.HEADS].add(TopicOperation.READ)
    for topic in (*DELAYS, names.OUTCOME, names.DEAD_LETTER, names.HEADS):
        required[topic].add(TopicOperation.WRITE)
    if settings.worker.progress:
        required[names.PROGRESS].add(TopicOperation.WRITE)
    describe = {TopicOperation.DESCRIBE}
    return {settings.topics.named(base): frozenset(found or describe) for base, found in required.items()}


async def check_acls(admin: KafkaAdmin, settings: Settings) -> None:
    """Raise `Fatal` that names each operation this worker is not authorized for, `BusError` when no broker answers.

    Group and transactional ids are not covered: they are used at once, and Kafka reports them then.
    """
    required = required_operations(settings)
    missing = missing_operations(required, await _granted(admin, list(required)))
    if missing:
        raise Fatal(
            Reason.MISCONFIGURED,
            f"Kafka denies this worker access, not authorized: {'; '.join(missing)}. Check its ACLs: "
            "docs/operations/access.md.",
        )


def missing_operations(required: Operations, granted: Operations) -> list[str]:
    """Return what is required and not granted, as `write topic NAME`; topics that nothing is known of are left out."""
    return [
        f"{operation.name.lower()} topic {topic}"
        for topic, operations in required.items()
        if topic in granted
        for operation in sorted(operations - granted[topic])
    ]


async def _granted(admin: KafkaAdmin, topics: list[str]) -> dict[str, frozenset[TopicOperation]]:
    async with answered_within(admin.seconds):
        answer: Any = await admin.client._send_request(_MetadataRequest(topics))  # noqa: SLF001 - the public call is older
    granted = {}
    for code, topic, _internal, _partitions, operations in answer.topics:
        allowed = frozenset(operation for operation in TopicOperation if operations >> operation & 1)
        if code == TopicAuthorizationFailedError.errno:
            granted[topic] = frozenset[TopicOperation]()
        # Without DESCRIBE there is no answer: an answer without that operation comes from a server that reports none.
        elif not code and TopicOperation.DESCRIBE in allowed:
            granted[topic] = allowed
    return granted


class _MetadataResponseV8(Response):  # type: ignore[misc]  # aiokafka's classes are untyped
    API_KEY = 3
    API_VERSION = 8
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("brokers", Array(("node_id", Int32), ("host", String()), ("port", Int32), ("rack", String()))),
        ("cluster_id", String()),
        ("controller_id", Int32),
        (
            "topics",
            Array(
                ("error_code", Int16),
                ("topic", String()),
                ("is_internal", Boolean),
                (
                    "partitions",
                    Array(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", Array(Int32)),
                        ("isr", Array(Int32)),
                        ("offline_replicas", Array(Int32)),
                    ),
                ),
                ("authorized_operations", Int32),
            ),
        ),
        ("cluster_authorized_operations", Int32),
    )


class _MetadataRequestV8(RequestStruct):  # type: ignore[misc]  # aiokafka's classes are untyped
    API_KEY = 3
    API_VERSION = 8
    RESPONSE_TYPE = _MetadataResponseV8
    SCHEMA = Schema(
        ("topics", Array(String())),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
    )


class _MetadataRequest(Request[_MetadataRequestV8]):  # type: ignore[misc]  # aiokafka's classes are untyped
    API_KEY = 3

    def __init__(self, topics: list[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[_MetadataRequestV8]) -> _MetadataRequestV8:
        return request_struct_class(self._topics, False, False, True)
