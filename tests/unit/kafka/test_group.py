"""Who else is in the consumer group, and what a worker makes of it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest

from consumer.delivery.ports import UNCOMMITTED, BusError, CommittedOffset, Partition
from consumer.errors import Fatal
from consumer.kafka import group
from consumer.kafka.admin_client import ConsumerGroup, GroupMember
from consumer.kafka.group import check_former_group, check_group, described, strangers_beside
from consumer.settings import Settings

LANES = ("requested", "retry")
OURS = GroupMember("worker-1", "10.0.0.1", frozenset(LANES))
STRAY = GroupMember("kafka-ui", "10.0.0.7", frozenset({"requested"}))
UNKNOWN = GroupMember("worker-2", "10.0.0.2", frozenset())


class Admin:
    """A cluster with one group, and offsets by group; one without any does not answer."""

    def __init__(self, *members: GroupMember, state: str = "Stable", offsets: dict[str, int] | None = None) -> None:
        self._group = ConsumerGroup(state, members)
        self._offsets = offsets or {}

    async def group(self) -> ConsumerGroup:
        return self._group

    async def partition_counts(self, topics: Collection[str]) -> dict[str, int]:
        return dict.fromkeys(topics, 1)

    async def committed_offsets(
        self, partitions: Collection[Partition], group_id: str
    ) -> dict[Partition, CommittedOffset]:
        if group_id not in self._offsets:
            return {}
        return {partition: CommittedOffset(self._offsets[group_id], "") for partition in partitions}


def settings(**kafka: str) -> Settings:
    return Settings.model_validate({"topics": {"prefix": "staging-"}, "kafka": kafka})


async def check(admin: Any) -> None:
    await check_group(admin, settings(group_id="prod"), LANES)


async def test_a_newcomer_ends_and_names_who_is_there() -> None:
    """Client id, host and topics of the others, its own topics, and the setting."""
    with pytest.raises(
        Fatal, match=r"Group prod is in use by others: kafka-ui at 10\.0\.0\.7 \(reads requested\)"
    ) as error:
        await check(Admin(STRAY))
    assert "requested, retry" in error.value.message
    assert "LEADART_KAFKA__GROUP_ID" in error.value.message


@pytest.mark.parametrize("members", [(), (OURS,), (OURS, STRAY), (UNKNOWN,)])
async def test_a_worker_joins_its_own_fleet(members: tuple[GroupMember, ...]) -> None:
    """Also beside a stray, who would else have the lanes alone; what cannot be known keeps nobody away."""
    await check(Admin(*members))


async def test_a_rebalance_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it is over the group does not say who reads what; one that does not end is not waited for."""
    monkeypatch.setattr(group, "SETTLED_SECONDS", 0.05)
    monkeypatch.setattr(group, "POLL_SECONDS", 0.01)
    await check(Admin(UNKNOWN, state="PreparingRebalance"))


def test_strangers_beside_a_member() -> None:
    """Empty for none; unknown while the group rebalances; a list without ourselves is of another protocol."""
    assert strangers_beside(ConsumerGroup("Stable", (OURS,)), LANES) == ""
    assert strangers_beside(ConsumerGroup("Stable", (OURS, STRAY)), LANES) == described([STRAY])
    assert strangers_beside(ConsumerGroup("Dead", ()), LANES) == group.NEWER_PROTOCOL
    for unknown in (None, (OURS, UNKNOWN)):
        with pytest.raises(BusError, match="rebalances"):
            strangers_beside(ConsumerGroup("PreparingRebalance", unknown), LANES)


def test_a_sentence_names_only_some() -> None:
    """A hundred strangers are a hundred copies of one."""
    assert described([STRAY] * 7).endswith("; 2 more")


async def former(offsets: dict[str, int], **kafka: str) -> None:
    admin: Any = Admin(offsets=offsets)
    await check_former_group(admin, settings(**kafka))


async def test_offsets_in_the_former_default_group_are_not_left_behind() -> None:
    """The sentence names both ways to go on."""
    with pytest.raises(Fatal, match=r"LEADART_KAFKA__GROUP_ID=leadart\..*LEADART_KAFKA__GROUP_ID=staging-leadart"):
        await former({"leadart": 7, "staging-leadart": UNCOMMITTED})


async def test_who_has_decided_or_never_was_there_is_not_asked() -> None:
    """A group that is set, one with offsets, a new fleet, and a user who may not see the former group."""
    await former({"leadart": 7, "staging-leadart": UNCOMMITTED}, group_id="staging-leadart")
    await former({"leadart": 7, "staging-leadart": 0})
    await former({"leadart": UNCOMMITTED, "staging-leadart": UNCOMMITTED})
    await former({"staging-leadart": UNCOMMITTED})


async def test_without_an_answer_nothing_is_concluded() -> None:
    """A coordinator that is loading must not look like a group without offsets."""
    with pytest.raises(BusError):
        await former({"leadart": 7})
