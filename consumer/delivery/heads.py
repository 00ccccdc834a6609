"""Heads: the newest revision seen in each slot of each article, and the newest that has its pictures.

They are the memory of latest wins. A compacted topic holds one record for each slot, in the partition of its shard and
under the group's name, written in the transaction whose outcomes rest on it: so the next owner decides by exactly what
subscribers have seen.
"""

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from sys import intern
from typing import Annotated, NamedTuple

import structlog
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from consumer.delivery.controls import NO_CONTROLS, controls_key, read_controls
from consumer.delivery.own_offsets import OwnOffsets
from consumer.delivery.ports import Bus, OutgoingRecord
from schemas.fields import SAFE_INTEGER

log = structlog.get_logger(__name__)

_AT_ONCE = 2_000
"""Heads read before yielding to the event loop: a shard may have a hundred thousand."""


class Slot(NamedTuple):
    """A picture's place in an article: what requests compete for."""

    article_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A valid request's claim to a slot. `source` and `request_id` are its event's."""

    slot: Slot
    revision: int
    source: str
    request_id: str


class Head(NamedTuple):
    """The newest revision of a slot and the event that brought it.

    `made`: the newest revision announced as ready. `in_a_row`: saves superseded since then while somebody waited for
    their pictures.
    """

    revision: int
    source: str
    request_id: str
    made: int | None = None
    in_a_row: int = 0


_Revision = Annotated[int, Field(ge=0, le=SAFE_INTEGER)]
_KEY = TypeAdapter(tuple[str, str, str])


class _StoredHead(BaseModel, strict=True):
    """A head's record, into which others may write anything. A field that a newer worker added is ignored."""

    revision: _Revision
    source: str
    request_id: str
    made: _Revision | None
    in_a_row: _Revision


class Heads:
    """The heads of one shard: what the group has committed, and on top of it what this epoch has not committed yet."""

    def __init__(self, topic: str, group_id: str, shard: int) -> None:
        self._topic = topic
        self._group_id = group_id
        self._shard = shard
        self._controls_key = controls_key(group_id)
        self._known: dict[Slot, Head] = {}
        self._changed: dict[Slot, Head] = {}
        self._next_offset = 0
        self.own_offsets = OwnOffsets(topic, group_id, shard)
        self.controls = NO_CONTROLS

    async def restore(self, bus: Bus) -> None:
        """Read what was written since the last call, and drop uncommitted changes. Raises `BusError`.

        Call it only after the epoch began: an owner that is not fenced yet may still write.
        """
        self._changed.clear()
        records, self._next_offset = await bus.read_table(self._topic, self._shard, self._next_offset)
        for number, (key, value) in enumerate(records):
            self._take(key, value)
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)

    def forget(self) -> None:
        """Forget everything: another owner writes now, and compaction may remove its deletions before they are read."""
        self._known.clear()
        self._changed.clear()
        self._next_offset = 0
        self.own_offsets.forget()
        self.controls = NO_CONTROLS

    def get(self, slot: Slot) -> Head | None:
        """Return the slot's head, None if it has none."""
        return self._changed.get(slot) or self._known.get(slot)

    def advance(self, claim: Claim) -> Head:
        """Make a newer revision the slot's head, and return it."""
        before = self.get(claim.slot)
        made, in_a_row = (before.made, before.in_a_row) if before else (None, 0)
        head = Head(claim.revision, claim.source, claim.request_id, made, in_a_row)
        self._changed[claim.slot] = head
        return head

    def count_superseded(self, slot: Slot) -> None:
        """Count a save superseded while somebody waited for its pictures."""
        if head := self.get(slot):
            self._changed[slot] = head._replace(in_a_row=head.in_a_row + 1)

    def announce(self, claim: Claim) -> None:
        """Mark a revision's pictures as announced by the next commit."""
        if head := self.get(claim.slot):
            made = claim.revision if head.made is None else max(claim.revision, head.made)
            announced = head._replace(made=made, in_a_row=0)
            if announced != head:
                self._changed[claim.slot] = announced

    def unwritten(self, slots: Iterable[Slot]) -> dict[Slot, Head]:
        """Return those of the slots' heads that differ from what the group has committed."""
        found = {slot: self._changed[slot] for slot in slots if slot in self._changed}
        return {slot: head for slot, head in found.items() if head != self._known.get(slot)}

    def records(self, heads: Mapping[Slot, Head]) -> list[OutgoingRecord]:
        """Return the records that commit these heads."""
        return [
            OutgoingRecord(
                self._topic, self._shard, head_key(self._group_id, slot), json.dumps(head._asdict()).encode(), ()
            )
            for slot, head in heads.items()
        ]

    def committed(self, heads: Mapping[Slot, Head]) -> None:
        """Mark these heads as committed."""
        for slot, head in heads.items():
            self._known[slot] = head
            if self._changed.get(slot) == head:
                del self._changed[slot]

    def _take(self, key: bytes, value: bytes | None) -> None:
        self.own_offsets.take(key, value)
        if key == self._controls_key:
            self._take_controls(value)
            return
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

    def _take_controls(self, value: bytes | None) -> None:
        self.controls = read_controls(value)
        if self.controls.unread:
            log.error("controls_unreadable", shard=self._shard, entries=self.controls.unread)


def head_key(group_id: str, slot: Slot) -> bytes:
    """Return a head's record key: groups that share a topic have their own heads."""
    return json.dumps([group_id, *slot], ensure_ascii=False).encode()


def read_key(key: bytes) -> tuple[str, Slot] | None:
    """Return the group and the slot of a head's record key, None for other keys."""
    try:
        group, article_id, name = _KEY.validate_json(key, strict=True)
    except ValidationError:
        return None
    # A newsroom has a million articles, but only a handful of slots and sources.
    return group, Slot(article_id, intern(name))


def slot_of(key: bytes, group_id: str) -> Slot | None:
    """Return the slot of a head's record key, None for another group's and for other keys."""
    group, slot = read_key(key) or ("", None)
    return slot if group == group_id else None


def read_head(value: bytes) -> Head | None:
    """Decode a head's record, None if it is unreadable."""
    try:
        stored = _StoredHead.model_validate_json(value)
    except ValidationError:
        return None
    return Head(stored.revision, intern(stored.source), stored.request_id, stored.made, stored.in_a_row)
