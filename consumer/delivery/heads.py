"""Heads: the newest revision seen in each slot of each article, and what editors decided about the slot.

They are the memory of latest wins and of editorial decisions. A compacted topic holds one record for each slot, in the
partition of its shard and under the group's name, written in the transaction whose outcomes rest on it: so the next
owner decides by exactly what subscribers have seen.
"""

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from sys import intern
from typing import Annotated, NamedTuple

import structlog
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from consumer.delivery.controls import NO_CONTROLS, NO_TRAITS, Traits, controls_key, read_controls
from consumer.delivery.editorial import NOTHING_DECIDED, Editorial, Withdrawal
from consumer.delivery.own_offsets import OwnOffsets
from consumer.delivery.ports import Bus, OutgoingRecord
from schemas.fields import SAFE_INTEGER
from schemas.recrop import PictureReference

log = structlog.get_logger(__name__)

_AT_ONCE = 2_000
"""Heads read before yielding to the event loop: a shard may have a hundred thousand."""


WHOLE_ARTICLE = ""
"""The slot name under which decisions about a whole article are remembered; no slot can have it."""


class Slot(NamedTuple):
    """A picture's place in an article: what requests compete for."""

    article_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A valid request's claim to a slot. `source` and `request_id` are its event's.

    `variation` is None if the slot's next one is wanted; `fresh` if pictures are wanted although one was chosen;
    `picture` is the one that is to be cropped. One that does not `supersede` leaves older requests alone. `traits` are
    what controls go by.
    """

    slot: Slot
    revision: int
    source: str
    request_id: str
    variation: int | None = 0
    fresh: bool = False
    picture: PictureReference | None = None
    supersedes: bool = True
    time_ms: int = 0
    traits: Traits = NO_TRAITS


class Numbered(NamedTuple):
    """A request of a slot's newest revision: its event as a digest, its ordinal, and its variation."""

    event: str
    ordinal: int
    variation: int


class Head(NamedTuple):
    """The newest revision of a slot and the event that brought it.

    `made`: the newest revision announced as ready. `in_a_row`: saves superseded since then while somebody waited for
    their pictures. `ordinal`: the last one given in the slot; `first`: that of the event that brought the revision, 0
    if it is among `accepted`, which has the revision's other requests, or if a decision came since. `variation`: the
    last one that was asked for. `since`: when the slot's first request came, in milliseconds; 0: unknown.
    """

    revision: int
    source: str
    request_id: str
    made: int | None = None
    in_a_row: int = 0
    ordinal: int = 0
    first: int = 0
    variation: int = 0
    accepted: tuple[Numbered, ...] = ()
    since: int = 0
    editorial: Editorial = NOTHING_DECIDED


NO_HEAD = Head(0, "", "")
"""Of a slot without a request."""

_Revision = Annotated[int, Field(ge=0, le=SAFE_INTEGER)]
_KEY = TypeAdapter(tuple[str, str, str])


class _StoredHead(BaseModel, strict=True):
    """A head's record, into which others may write anything. A field that a newer worker added is ignored."""

    revision: _Revision
    source: str
    request_id: str
    made: _Revision | None
    in_a_row: _Revision
    ordinal: _Revision = 0
    first: _Revision = 0
    variation: _Revision = 0
    accepted: list[tuple[str, _Revision, _Revision]] = []
    since: _Revision = 0
    editorial: Annotated[Editorial, Field(strict=False)] = NOTHING_DECIDED


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
        self.holding: set[Slot] = set()  # slots with a request that is held, and some that had one

    async def restore(self, bus: Bus) -> None:
        """Read what was written since the last call, and drop uncommitted changes. Raises `BusError`.

        Call it only after the epoch began: an owner that is not fenced yet may still write.
        """
        self._changed.clear()
        controls = self.controls
        records, self._next_offset = await bus.read_table(self._topic, self._shard, self._next_offset)
        for number, (key, value) in enumerate(records):
            self._take(key, value)
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
        if self.controls != controls:
            pauses = [str(pause.match) for pause in self.controls.pauses]
            log.info("controls_changed", shard=self._shard, paused=pauses, cancels=len(self.controls.cancels))

    def forget(self) -> None:
        """Forget everything: another owner writes now, and compaction may remove its deletions before they are read."""
        self._known.clear()
        self._changed.clear()
        self.holding.clear()
        self._next_offset = 0
        self.own_offsets.forget()
        self.controls = NO_CONTROLS

    def get(self, slot: Slot) -> Head | None:
        """Return the slot's head, None if it has none."""
        return self._changed.get(slot) or self._known.get(slot)

    def editorial(self, slot: Slot) -> Editorial:
        """Return what was decided about the slot alone; nothing, if it has no head."""
        head = self.get(slot)
        return NOTHING_DECIDED if head is None else head.editorial

    def withdrawal(self, slot: Slot) -> Withdrawal | None:
        """Return what took the slot down, by itself or with its article; None if it is open."""
        whole = Slot(slot.article_id, WHOLE_ARTICLE)
        return self.editorial(slot).withdrawal or self.editorial(whole).withdrawal

    def set(self, slot: Slot, head: Head) -> None:
        """Change a slot's head; the next commit that rests on it writes it."""
        if head != self.get(slot):
            self._changed[slot] = head
        if head.editorial.held is not None:
            self.holding.add(slot)

    def slots_of(self, article_id: str) -> list[Slot]:
        """Return the article's slots that have a head, without that of the whole article."""
        known = {slot for heads in (self._known, self._changed) for slot in heads if slot.article_id == article_id}
        return sorted(slot for slot in known if slot.name != WHOLE_ARTICLE)

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
            OutgoingRecord(self._topic, self._shard, head_key(self._group_id, slot), write_head(head), ())
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
            if head.editorial.held is not None:
                self.holding.add(slot)
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


def write_head(head: Head) -> bytes:
    """Encode a head's record, without what nobody decided."""
    fields = head._asdict()
    decided = fields.pop("editorial")
    if decided != NOTHING_DECIDED:
        fields["editorial"] = decided.model_dump(mode="json", exclude_none=True)
    return json.dumps(fields).encode()


def read_head(value: bytes) -> Head | None:
    """Decode a head's record, None if it is unreadable."""
    try:
        stored = _StoredHead.model_validate_json(value)
    except ValidationError:
        return None
    fields = dict(stored) | {"source": intern(stored.source), "accepted": tuple(map(Numbered._make, stored.accepted))}
    return Head(**fields)
