"""What this worker may do with each topic, asked before the first article is.

A right that is missing shows only when it is needed: for the dead letters at the first bad request, for a retry lane
perhaps after months. Metadata (KIP-430) tells all of them at once.
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
from schemas.topics import load_topics

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consumer.kafka.admin_client import KafkaAdmin
    from consumer.settings import Settings


class Right(IntEnum):
    """Kafka's operations on a topic, by their codes; the name is spelled as `kafka-acls.sh` prints it."""

    READ = 3
    WRITE = 4
    DESCRIBE = 8


def worker_rights(settings: Settings) -> dict[str, frozenset[Right]]:
    """Return what a worker with these settings does with each topic; reading and writing include describing."""
    rights: dict[str, set[Right]] = {spec.name: set() for spec in load_topics()}
    for lane in LANES:
        rights[lane].add(Right.READ)
    rights[names.HEADS].add(Right.READ)
    for topic in (*DELAYS, names.OUTCOME, names.DEAD_LETTER, names.HEADS):
        rights[topic].add(Right.WRITE)
    if settings.worker.progress:
        rights[names.PROGRESS].add(Right.WRITE)
    return {settings.topics.named(base): frozenset(found or {Right.DESCRIBE}) for base, found in rights.items()}


async def check_rights(admin: KafkaAdmin, settings: Settings) -> None:
    """Raise `Fatal` that names each right this worker lacks on a topic, `BusError` when no broker answers.

    Group and transactional ids are not covered: Kafka tells of those at the first use, which is at once.
    """
    rights = worker_rights(settings)
    lacking = missing(rights, await _granted(admin, list(rights)))
    if lacking:
        raise Fatal(
            Reason.MISCONFIGURED,
            f"Kafka refuses this worker: no right to {'; '.join(lacking)}. Check its ACLs: docs/operations/access.md.",
        )


def missing(wanted: Mapping[str, frozenset[Right]], granted: Mapping[str, frozenset[Right]]) -> list[str]:
    """Return what is wanted and not granted, as `write topic NAME`; nothing is missing where nothing is known."""
    return [
        f"{right.name.lower()} topic {topic}"
        for topic, rights in wanted.items()
        if topic in granted
        for right in sorted(rights - granted[topic])
    ]


async def _granted(admin: KafkaAdmin, topics: list[str]) -> dict[str, frozenset[Right]]:
    async with answered_within(admin.seconds):
        answer: Any = await admin.client._send_request(_MetadataRequest(topics))  # noqa: SLF001 - the public call is older
    granted = {}
    for code, topic, _internal, _partitions, operations in answer.topics:
        rights = frozenset(right for right in Right if operations >> right & 1)
        if code == TopicAuthorizationFailedError.errno:
            granted[topic] = frozenset[Right]()
        # Who may not describe gets no answer: an answer without that right comes from a server that does not tell.
        elif not code and Right.DESCRIBE in rights:
            granted[topic] = rights
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


class _MetadataRequestV8(RequestStruct):  # type: ignore[misc]  # likewise
    API_KEY = 3
    API_VERSION = 8
    RESPONSE_TYPE = _MetadataResponseV8
    SCHEMA = Schema(
        ("topics", Array(String())),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
    )


class _MetadataRequest(Request[_MetadataRequestV8]):  # type: ignore[misc]  # likewise
    API_KEY = 3

    def __init__(self, topics: list[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[_MetadataRequestV8]) -> _MetadataRequestV8:
        return request_struct_class(self._topics, False, False, True)
