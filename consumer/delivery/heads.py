"""Heads: the newest revision that each slot of each article has seen, and which one has its pictures.

They are the memory of latest-wins. One record for each slot lies in a compacted topic, in the partition of its shard
and under the group's name, and is written in the transaction whose outcomes rest on it: so the next owner judges by
exactly what a subscriber was told.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from sys import intern
from typing import TYPE_CHECKING, NamedTuple

import structlog

from consumer.delivery.ports import OutgoingRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from consumer.delivery.ports import Bus

log = structlog.get_logger(__name__)


_AT_ONCE = 2_000
"""Heads taken in before the loop gets its turn: a shard may have a hundred thousand."""


class Slot(NamedTuple):
    """A place in an article: what requests compete for."""

    article_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Claim:
    """What a valid request lays claim to. `source` and `request_id` are its event's."""

    slot: Slot
    revision: int
    source: str
    request_id: str


class Head(NamedTuple):
    """The newest revision of a slot and the event that brought it.

    `made`: the newest revision announced as ready. `in_a_row`: how many saves since then were superseded while somebody
    waited for their pictures.
    """

    revision: int
    source: str
    request_id: str
    made: int | None = None
    in_a_row: int = 0


class Heads:
    """The heads of one shard: as the group knows them, and over them what this epoch has not committed yet."""

    def __init__(self, topic: str, group_id: str, shard: int) -> None:
        self._topic = topic
        self._group_id = group_id
        self._shard = shard
        self._known: dict[Slot, Head] = {}
        self._changed: dict[Slot, Head] = {}
        self._next_offset = 0

    async def restore(self, bus: Bus) -> None:
        """Read what was written since the last time; forget what was not committed. Raises `BusError`.

        Call it only after the epoch began: an owner that is not fenced yet may still write.
        """
        self._changed.clear()
        records, self._next_offset = await bus.read_table(self._topic, self._shard, self._next_offset)
        for number, (key, value) in enumerate(records):
            self._take(key, value)
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)

    def forget(self) -> None:
        """Let all go: another owner writes now, and what it deletes may be compacted away before it is read here."""
        self._known.clear()
        self._changed.clear()
        self._next_offset = 0

    def get(self, slot: Slot) -> Head | None:
        """Return the slot's head, None if nothing is known of it."""
        return self._changed.get(slot) or self._known.get(slot)

    def advance(self, claim: Claim) -> Head:
        """Let a newer revision be the head."""
        before = self.get(claim.slot)
        made, in_a_row = (before.made, before.in_a_row) if before else (None, 0)
        head = Head(claim.revision, claim.source, claim.request_id, made, in_a_row)
        self._changed[claim.slot] = head
        return head

    def count_superseded(self, slot: Slot) -> None:
        """Take note that a save was superseded for whose pictures somebody had waited."""
        if head := self.get(slot):
            self._changed[slot] = head._replace(in_a_row=head.in_a_row + 1)

    def announce(self, claim: Claim) -> None:
        """Take note that the pictures of a revision are announced with the next commit."""
        if head := self.get(claim.slot):
            made = claim.revision if head.made is None else max(claim.revision, head.made)
            announced = head._replace(made=made, in_a_row=0)
            if announced != head:
                self._changed[claim.slot] = announced

    def unwritten(self, slots: Iterable[Slot]) -> dict[Slot, Head]:
        """Return those of these slots' heads that the group does not know as they are."""
        found = {slot: self._changed[slot] for slot in slots if slot in self._changed}
        return {slot: head for slot, head in found.items() if head != self._known.get(slot)}

    def records(self, heads: Mapping[Slot, Head]) -> list[OutgoingRecord]:
        """Return the records that tell the group of these heads."""
        return [
            OutgoingRecord(
                self._topic, self._shard, head_key(self._group_id, slot), json.dumps(head._asdict()).encode(), ()
            )
            for slot, head in heads.items()
        ]

    def committed(self, heads: Mapping[Slot, Head]) -> None:
        """Take note that the group knows these heads now."""
        for slot, head in heads.items():
            self._known[slot] = head
            if self._changed.get(slot) == head:
                del self._changed[slot]

    def _take(self, key: bytes, value: bytes | None) -> None:
        slot = slot_of(key, self._group_id)
        if slot is None:
            return
        head = None if value is None else read_head(value)
        if head is not None:
            self._known[slot] = head
            return
        if value is not None:
            log.warning("head_unreadable", article_id=slot.article_id, slot=slot.name, shard=self._shard)
        self._known.pop(slot, None)


def head_key(group_id: str, slot: Slot) -> bytes:
    """Return a head's record key: groups that share a topic have heads of their own."""
    return json.dumps([group_id, *slot], ensure_ascii=False).encode()


def slot_of(key: bytes, group_id: str) -> Slot | None:
    """Return whose head a record is, None for another group's and for what is no head's key."""
    try:
        group, article_id, name = json.loads(key)
        # A newsroom has a million articles, and a handful of slots and sources.
        slot = Slot(article_id, intern(name))
    except (ValueError, TypeError):
        return None
    return slot if group == group_id else None


def read_head(value: bytes) -> Head | None:
    """Read a head's record, None if it is none. A field that a newer worker added is ignored."""
    try:
        told = json.loads(value)
        revision, made, in_a_row = told["revision"], told["made"], told["in_a_row"]
        if not all(type(number) is int for number in (revision, in_a_row, made or 0)):
            return None
        return Head(revision, intern(str(told["source"])), str(told["request_id"]), made, in_a_row)
    except (ValueError, TypeError, KeyError):
        return None
