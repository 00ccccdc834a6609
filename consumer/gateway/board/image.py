"""One request for pictures, or one decision, and what has become of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from consumer.delivery.ports import Partition
from consumer.gateway.board.position import StreamPosition
from consumer.kafka.announced import AnnouncedEvent
from schemas import OutcomeKind, names

_KINDS = {
    names.IMAGE_REQUESTED: "request",
    names.IMAGE_RECROP_REQUESTED: "crop",
    names.IMAGE_CHOSEN: "choice",
    names.IMAGE_APPROVED: "approval",
    names.ARTICLE_WITHDRAWN: "withdrawal",
    names.ARTICLE_RESTORED: "restoration",
}

Order = tuple[int, str, int, int]
"""When a record was appended, in milliseconds since 1970, and its place: topic, partition, offset."""


class UnansweredState(StrEnum):
    """The state of a request or decision that has no outcome; afterwards it is the outcome's kind."""

    QUEUED = "queued"
    PAINTING = "painting"
    APPROVED = "approved"
    """An approval: its outcome is that of the request that was held, unless it is refused."""
    RESTORED = "restored"
    """A restoration: the next save's outcome is the answer."""


_UNANSWERED = {names.IMAGE_APPROVED: UnansweredState.APPROVED, names.ARTICLE_RESTORED: UnansweredState.RESTORED}
_LAST_MS = 253_402_300_799_000
_WAITING = ("accepted", "started")
"""Stages of progress in which nothing is painted yet; a tuple: what a stranger reports may be anything."""


@dataclass(frozen=True, slots=True)
class AskedEvent:
    """A request or a decision as it was published: `data` without what is around it, the topic by its base name."""

    event_type: str
    slot: str | None
    source: str
    revision: int | None
    data: Mapping[str, Any]
    time_ms: int
    partition: Partition
    offset: int
    size: int

    @property
    def order(self) -> Order:
        """Its place among all that was asked."""
        return self.time_ms, self.partition.topic, self.partition.number, self.offset


@dataclass(slots=True, eq=False)
class BoardImage:
    """A request or a decision by its event id. What it says of itself does not depend on the order of reading.

    `asked`: None while only outcomes of it are known. `outcomes`: by event id, in the order of the topic.
    `article_source`: the source that the article belongs to. `is_carried_out`: it is an approval, and what it approved
    has its outcome.
    """

    id: str
    article: str
    article_source: str = ""
    is_carried_out: bool = False
    asked: AskedEvent | None = None
    outcomes: dict[str, AnnouncedEvent] = field(default_factory=dict)
    progress: dict[int, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def event_type(self) -> str:
        """The CloudEvents type that was published."""
        return self.asked.event_type if self.asked else names.IMAGE_REQUESTED

    @property
    def kind(self) -> str:
        """What was published: `request`, `crop`, `choice`, `approval`, `withdrawal` or `restoration`."""
        return _KINDS.get(self.event_type, "request")

    @property
    def slot(self) -> str | None:
        """The slot it is about; None: the whole article, or what is no slot."""
        if self.asked:
            return self.asked.slot
        slots = {slot_of(outcome) for outcome in self.outcomes.values()}
        return slots.pop() if len(slots) == 1 else None

    @property
    def source(self) -> str:
        """Who published it."""
        return self.asked.source if self.asked else self.article_source

    @property
    def revision(self) -> int | None:
        """The article's revision that it names."""
        return self.asked.revision if self.asked else next((o.revision for o in self.outcomes.values()), None)

    @property
    def request(self) -> Mapping[str, Any]:
        """The data that was published."""
        return self.asked.data if self.asked else {}

    @property
    def variants(self) -> int | None:
        """How many pictures were asked for; None if that is not known."""
        output = self.request.get("output")
        variants = output.get("variants") if isinstance(output, dict) else None
        return variants if isinstance(variants, int) else None

    @property
    def lets_go(self) -> bool:
        """Whether it is a choice that lets go of the one before."""
        is_choice = self.asked is not None and self.event_type == names.IMAGE_CHOSEN
        return is_choice and not self.request.get("picture") and not self.request.get("external")

    @property
    def order(self) -> Order:
        """Its place among all that was asked."""
        if self.asked:
            return self.asked.order
        first = next(iter(self.outcomes.values())).record
        return first.timestamp_ms, names.OUTCOME, first.partition, first.offset

    @property
    def asked_ms(self) -> int:
        """When it was published, in milliseconds since 1970; if that is not known, when its first outcome was."""
        return self.order[0]

    @property
    def changed_ms(self) -> int:
        """When something was last published about it, in milliseconds since 1970."""
        return max([self.asked_ms, *(one.record.timestamp_ms for one in self.outcomes.values())])

    @property
    def size(self) -> int:
        """Bytes of its records."""
        return (self.asked.size if self.asked else 0) + sum(
            len(one.record.value or b"") for one in self.outcomes.values()
        )

    @property
    def places(self) -> Iterator[tuple[Partition, int]]:
        """Where its records are."""
        if self.asked:
            yield self.asked.partition, self.asked.offset
        for outcome in self.outcomes.values():
            yield Partition(names.OUTCOME, outcome.record.partition), outcome.record.offset

    def is_newer_than(self, position: StreamPosition) -> bool:
        """Return whether anything about it came after the position."""
        return any(not position.has(partition, offset) for partition, offset in self.places)

    def slots_since(self, position: StreamPosition) -> list[str | None]:
        """Return the slots of its outcomes since the position; just None if only its request is newer."""
        news = (
            slot_of(outcome)
            for outcome in self.outcomes.values()
            if not position.has(Partition(names.OUTCOME, outcome.record.partition), outcome.record.offset)
        )
        return list(dict.fromkeys(news)) or [None]

    @property
    def outcome(self) -> AnnouncedEvent | None:
        """The newest outcome."""
        return next(reversed(self.outcomes.values()), None)

    def outcome_in(self, slot: str | None) -> AnnouncedEvent | None:
        """Return the newest outcome about a slot, else the newest: a withdrawal may have one for each slot."""
        about = (outcome for outcome in reversed(self.outcomes.values()) if slot_of(outcome) == slot)
        return next(about, self.outcome)

    @property
    def state(self) -> str:
        """What has become of it: its outcome's kind, else an `UnansweredState`."""
        return self.state_in(self.slot)

    def state_in(self, slot: str | None) -> str:
        """Return what has become of it in a slot."""
        outcome = self.outcome_in(slot)
        if self.is_begun and not self.is_final:
            return UnansweredState.PAINTING
        if outcome is not None:
            return outcome.kind
        return _UNANSWERED.get(self.event_type, UnansweredState.QUEUED)

    @property
    def is_begun(self) -> bool:
        """Whether any of it has been painted since its last outcome; what was started may wait at the engine."""
        return any(each.get("stage") not in _WAITING for each in self.progress.values())

    @property
    def is_final(self) -> bool:
        """Whether no further outcome is expected, but for repeats and a withdrawal's other slots."""
        outcome = self.outcome
        if outcome is None:
            return self.is_carried_out or self.event_type == names.ARTICLE_RESTORED
        return outcome.kind != OutcomeKind.HELD

    def carries_out(self, approval: "BoardImage") -> bool:
        """Return whether it was held, is what the approval is about, and has had its outcome since."""
        if (self.slot, self.revision) != (approval.slot, approval.revision):
            return False
        outcome, was_held = self.outcome, any(one.kind == OutcomeKind.HELD for one in self.outcomes.values())
        return was_held and self.is_final and outcome is not None and outcome.record.timestamp_ms >= approval.asked_ms

    def ask(self, asked: AskedEvent) -> bool:
        """Take it as it was published; of repeats the first counts. Return whether that changed anything."""
        if self.asked is not None and self.asked.order <= asked.order:
            return False
        self.asked = asked
        return True

    def report(self, data: Mapping[str, Any]) -> None:
        """Take a progress event's data."""
        index = data.get("index")
        self.progress[index if isinstance(index, int) else 0] = {
            name: data.get(name) for name in ("stage", "step", "of", "index")
        }

    def take(self, outcome: AnnouncedEvent) -> bool:
        """Take an outcome; of repeats the latest counts, whose addresses expire last. Return whether it is news."""
        known = self.outcomes.get(outcome.id)
        if known is not None and _announced_at(known) >= _announced_at(outcome):
            return False
        self.outcomes[outcome.id] = outcome
        self.outcomes = dict(sorted(self.outcomes.items(), key=lambda item: _announced_at(item[1])))
        self.progress.clear()
        return True

    def summary(self, slot: str | None = None) -> dict[str, Any]:
        """Return what a list shows of it, or of what it did to a slot, for JSON."""
        about = slot or self.slot
        outcome = self.outcome_in(about)
        return {
            "id": self.id,
            "kind": self.kind,
            "state": self.state_in(about),
            "final": self.is_final,
            "article": {"id": self.article, "revision": self.revision},
            "slot": self.slot,
            "variants": self.variants,
            "lets_go": self.lets_go,
            "source": self.source,
            "asked_at": timestamp(self.asked_ms),
            "outcome_at": timestamp(outcome.record.timestamp_ms) if outcome else None,
            "progress": [self.progress[index] for index in sorted(self.progress)] or None,
            "outcome": outcome.data if outcome else None,
        }

    def details(self) -> dict[str, Any]:
        """Return everything about it, for JSON: also what was requested."""
        return {**self.summary(), "request": self.request}


def slot_of(outcome: AnnouncedEvent) -> str | None:
    """Return the slot of an outcome."""
    slot = outcome.data.get("slot")
    return slot if isinstance(slot, str) else None


def _announced_at(outcome: AnnouncedEvent) -> tuple[int, int, int]:
    return outcome.record.timestamp_ms, outcome.record.partition, outcome.record.offset


def timestamp(milliseconds: int) -> str:
    """Return milliseconds since 1970 as RFC 3339, which ends with the year 9999 as `datetime` does."""
    moment = datetime.fromtimestamp(min(milliseconds, _LAST_MS) / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
