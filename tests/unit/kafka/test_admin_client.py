from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata
from aiokafka.errors import GroupAuthorizationFailedError, TopicAuthorizationFailedError

from consumer.delivery.ports import BusError, CommittedOffset, Partition
from consumer.errors import Fatal
from consumer.kafka import admin_client
from consumer.kafka.admin_client import ConsumerGroup, GroupMember, KafkaAdmin, require_topics
from consumer.settings import KafkaSettings

HERE, OTHER = Partition("requested", 0), Partition("requested", 1)
DENIED = TopicAuthorizationFailedError.errno
QUICK = KafkaSettings().model_copy(update={"request_timeout_seconds": 0.05})


class Client:
    """aiokafka's admin client; `answers` are what its calls return or raise, by name."""

    def __init__(self, **answers: Any) -> None:
        self._answers = answers
        self.asked: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        async def call(*arguments: Any, **_options: Any) -> Any:
            self.asked.append(arguments)
            if isinstance(self._answers[name], BaseException):
                raise self._answers[name]
            return self._answers[name]

        return call


def admin(**answers: Any) -> KafkaAdmin:
    return KafkaAdmin(QUICK, Client(**answers))


def described(name: str, partitions: int = 0, code: int = 0) -> dict[str, Any]:
    return {"topic": name, "error_code": code, "partitions": [{"replicas": [1, 2]}] * partitions}


async def test_only_topics_that_exist_are_counted() -> None:
    """A topic that the broker does not know is missing from the counts; one that it hides is fatal, and named."""
    known, unknown, hidden = described("known", 3), described("unknown", code=3), described("hidden", code=DENIED)

    assert await admin(describe_topics=[known, unknown]).partition_counts(["known", "unknown"]) == {"known": 3}
    with pytest.raises(Fatal, match="not authorized: topic hidden"):
        await admin(describe_topics=[known, hidden]).partition_counts(["known", "hidden"])


async def test_a_missing_topic_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that reads or writes it would wait, and blame the brokers: the sentence says how to create it."""
    answers = admin(describe_topics=[described("known", 3), described("unknown", code=3)])
    monkeypatch.setattr(admin_client, "open_admin", lambda _settings: nullcontext(answers))

    assert await require_topics(QUICK, ["known"]) == {"known": 3}
    with pytest.raises(Fatal, match="no topic unknown: run `leadart topics apply`"):
        await require_topics(QUICK, ["known", "unknown"])


async def test_waiting_for_partitions_is_bounded() -> None:
    """A cluster that never reports the new partitions is an error, not an endless wait."""
    with pytest.raises(BusError, match=r"no answer within 0\.05 s"):
        await admin(describe_topics=[described("known", 3)]).await_partitions(["known"], 4)


async def test_denied_calls_name_the_topic() -> None:
    """Aiokafka does not say which topic a denial is about: deleting records and adding partitions do."""
    with pytest.raises(Fatal, match="not authorized: topic requested"):
        await admin(delete_records=TopicAuthorizationFailedError()).delete_records(HERE, 7)
    with pytest.raises(Fatal, match="not authorized: add partitions to requested"):
        await admin(create_partitions=TopicAuthorizationFailedError()).add_partitions(["requested"], 4)


async def test_a_broker_config_that_may_not_be_read_is_unknown() -> None:
    """Without the ACL the configuration is None, not empty."""
    cluster = {"brokers": [{"node_id": 7}]}
    denied = SimpleNamespace(resources=[(DENIED, "", 4, "7", [])])
    granted = SimpleNamespace(resources=[(0, "", 4, "7", [("offsets.retention.minutes", "10080", False)])])

    assert await admin(describe_cluster=cluster, describe_configs=[denied]).broker_config() is None
    config = await admin(describe_cluster=cluster, describe_configs=[granted]).broker_config()
    assert config == {"offsets.retention.minutes": "10080"}


MEMBERS = [
    ("id-1", "reads", "/10.0.0.7", ConsumerProtocolMemberMetadata(1, ["b", "a"], b"").encode() + b"\0\0\0\0", b""),
    ("id-2", "rebalances", "/10.0.0.8", b"", b""),
    ("id-3", "connects", "/10.0.0.9", b"\0\1\0\x17http://10.0.0.9:8083/", b""),
]


@pytest.mark.parametrize("code", [0, 15])
async def test_members_are_unknown_while_the_coordinator_answers_an_error(code: int) -> None:
    """Members are decoded as far as they say what they read; a coordinator that is loading knows them not, not none."""
    members = (
        GroupMember("reads", "10.0.0.7", frozenset({"a", "b"})),
        GroupMember("rebalances", "10.0.0.8", frozenset()),
        GroupMember("connects", "10.0.0.9", frozenset()),
    )
    answer = SimpleNamespace(groups=[(code, "leadart", "Stable", "consumer", "range", MEMBERS)])

    assert await admin(describe_consumer_groups=[answer]).group() == ConsumerGroup("Stable", None if code else members)


async def test_committed_offsets_keep_their_metadata() -> None:
    """Partitions and offsets are translated, a missing metadata string is empty, and a denied group is named."""
    answer = {TopicPartition("requested", 0): SimpleNamespace(offset=7, metadata=None)}
    offsets = await admin(list_consumer_group_offsets=answer).committed_offsets([HERE, OTHER])

    assert offsets == {HERE: CommittedOffset(7, "")}
    with pytest.raises(Fatal, match="not authorized: group leadart"):
        await admin(list_consumer_group_offsets=GroupAuthorizationFailedError("leadart")).committed_offsets([HERE])


async def test_all_committed_offsets_waits_for_every_partition() -> None:
    """An answer without one of the partitions is a failed call, and asked again until the time is up."""
    answer = {TopicPartition("requested", 0): SimpleNamespace(offset=7, metadata="x")}

    assert set(await admin(list_consumer_group_offsets=answer).all_committed_offsets([HERE])) == {HERE}
    with pytest.raises(BusError, match="the coordinator of group leadart gave no offsets within"):
        await admin(list_consumer_group_offsets=answer).all_committed_offsets([HERE, OTHER])
