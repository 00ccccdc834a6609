"""Show heads, forget revisions set by mistake, and move heads after topics have grown."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

from consumer.admin.state_table import change_value
from consumer.delivery.editorial import Choice, Editorial
from consumer.delivery.heads import Head, Slot, head_key, read_head, read_key, slot_of, write_head
from consumer.delivery.ports import OutgoingRecord, Partition
from consumer.kafka.admin_client import require_topics
from consumer.kafka.partition_reader import read_table
from consumer.kafka.producer import open_epoch
from consumer.kafka.topics import key_partition
from consumer.settings import Settings
from schemas import names

_MOVED_AT_ONCE = 500
"""Heads moved in one transaction."""

_DIGITS = 12
"""Of a digest in a table: enough to find it in an outcome."""


@dataclass(frozen=True, slots=True)
class StoredHead:
    """One slot's head and the partition it is stored in."""

    slot: Slot
    head: Head
    partition: int


async def find_heads(settings: Settings, article_id: str) -> list[StoredHead]:
    """Return this group's heads of an article, ordered by slot. Raises `BusError`.

    Every partition is read: only the publisher's partitioner knows which one is the article's.
    """
    heads = []
    for partition, table in enumerate(await _read_all(settings)):
        for key, value in table.items():
            slot, head = slot_of(key, settings.kafka.group_id), read_head(value)
            if slot is not None and slot.article_id == article_id and head is not None:
                heads.append(StoredHead(slot, head, partition))
    return sorted(heads, key=lambda one: (one.slot, one.partition))


async def reset_heads(settings: Settings, heads: list[StoredHead]) -> None:
    """Forget the revisions of heads: the next request of a slot is the newest, whatever its own. Raises `BusError`.

    The worker that owns the shard opens it again, and goes on with the changed head.
    """
    for one in heads:
        key = head_key(settings.kafka.group_id, one.slot)
        await change_value(settings, one.partition, key, _without_revision)


def _without_revision(value: bytes | None) -> bytes | None:
    head = None if value is None else read_head(value)
    return None if head is None or head == forget_revision(head) else write_head(forget_revision(head))


def forget_revision(head: Head) -> Head:
    """Return the head as of a slot without a request.

    Decisions and the last ordinal stay: a lower ordinal than a decision's would never be shown.
    """
    return head._replace(revision=0, source="", request_id="", made=None, in_a_row=0, first=0, accepted=())


async def move_heads(settings: Settings) -> int:
    """Move each head, of every group, to its article's current partition; return the number moved. Raises `BusError`.

    For use after partitions were added, with the workers stopped. Publishers must partition as Kafka's Java client does
    (murmur2): a head in another partition has no effect.
    """
    tables = await _read_all(settings)
    moves = [
        (partition, home, key, value)
        for partition, table in enumerate(tables)
        for key, value in table.items()
        if (home := _home(key, len(tables))) is not None and home != partition
    ]
    topic = settings.topics.named(names.HEADS)
    async with open_epoch(settings.kafka, "heads", 0) as epoch:
        for start in range(0, len(moves), _MOVED_AT_ONCE):
            records = [
                record
                for old, new, key, value in moves[start : start + _MOVED_AT_ONCE]
                for record in (OutgoingRecord(topic, new, key, value, ()), OutgoingRecord(topic, old, key, None, ()))
            ]
            await epoch.write_transaction(records)
    return len(moves)


async def _read_all(settings: Settings) -> list[dict[bytes, bytes]]:
    """Return the newest value of each key, for every partition."""
    topic = settings.topics.named(names.HEADS)
    counts = await require_topics(settings.kafka, [topic])
    tables = await asyncio.gather(
        *[read_table(settings.kafka, Partition(topic, number), 0) for number in range(counts[topic])]
    )
    return [{key: value for key, value in dict(pairs).items() if value is not None} for pairs, _ in tables]


def _home(key: bytes, partitions: int) -> int | None:
    """Return the partition that a head's key belongs in, None for other keys."""
    found = read_key(key)
    return None if found is None else key_partition(found[1].article_id.encode(), partitions)


def decision_in_words(editorial: Editorial) -> str:
    """Return what editors decided about a slot, and what waits for their approval; empty for nothing."""
    parts = []
    if (withdrawal := editorial.withdrawal) is not None:
        reason = f": {withdrawal.message}" if withdrawal.message else ""
        parts.append(f"withdrawn{_at(withdrawal.ordinal)}{reason}")
    elif editorial.choice is not None:
        parts.append(_chosen(editorial.choice))
    if (held := editorial.held) is not None:
        until = datetime.fromtimestamp(held.until_ms / 1000, UTC)
        parts.append(f"revision {held.revision} held by rule {held.rule} until {until:%Y-%m-%d %H:%M:%S} UTC")
    return "; ".join(parts)


def _chosen(choice: Choice) -> str:
    picture = "the site's own picture" if choice.decision.external else f"picture {choice.sha256[:_DIGITS]}"
    by = f" by {choice.decision.chosen_by}" if choice.decision.chosen_by else ""
    verb = "let go of" if choice.let_go else "chosen:"
    return f"{verb} {picture}{by}{_at(choice.ordinal)}"


def _at(ordinal: int) -> str:
    return f" (ordinal {ordinal})" if ordinal else ""
