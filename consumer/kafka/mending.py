"""Looking at heads, and taking away those that were set by mistake; the workers may go on meanwhile."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiokafka import TopicPartition

from consumer.kafka.bus import BusError, Letter
from consumer.kafka.client import open_admin, open_epoch
from consumer.kafka.heads import Head, Slot, head_key, read_head, slot_of
from consumer.kafka.table import read_table
from consumer.kafka.topics import partition_counts
from schemas import names

if TYPE_CHECKING:
    from consumer.settings import Settings


@dataclass(frozen=True, slots=True)
class Found:
    """One slot's head and the partition it lies in."""

    slot: Slot
    head: Head
    partition: int


async def find_heads(settings: Settings, article_id: str) -> list[Found]:
    """Return the heads that this group has of an article, by slot. Raises `BusError`.

    Every partition is looked through: only the publisher's partitioner knows which one is the article's.
    """
    topic = settings.topics.named(names.HEADS)
    async with open_admin(settings.kafka) as admin:
        counts = await partition_counts(admin, [topic], settings.kafka.request_timeout_seconds)
    if topic not in counts:
        raise BusError(f"there is no topic {topic}: leadart topics apply")
    tables = await asyncio.gather(
        *[read_table(settings.kafka, TopicPartition(topic, number), 0) for number in range(counts[topic])]
    )
    found: dict[tuple[int, Slot], Found] = {}
    for partition, (pairs, _) in enumerate(tables):
        for key, value in pairs:
            slot = slot_of(key, settings.kafka.group_id)
            if slot is None or slot.article_id != article_id:
                continue
            head = read_head(value) if value is not None else None
            found.pop((partition, slot), None)
            if head is not None:
                found[partition, slot] = Found(slot, head, partition)
    return sorted(found.values(), key=lambda one: (one.slot, one.partition))


async def reset_heads(settings: Settings, found: list[Found]) -> None:
    """Take heads away: the next request of any revision is taken as the newest. Raises `BusError`.

    Each is deleted by the shard's own transactional producer. That fences the worker that owns the shard, which opens
    it again, without the head.
    """
    topic = settings.topics.named(names.HEADS)
    for one in found:
        async with open_epoch(settings.kafka, str(one.partition), one.partition) as epoch:
            await epoch.begin()
            key = head_key(settings.kafka.group_id, one.slot)
            await (await epoch.send(Letter(topic, one.partition, key, None, ())))
            await epoch.commit()
