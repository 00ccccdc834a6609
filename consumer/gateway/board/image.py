"""One request for pictures, or one decision, and what has become of it."""

from collections.abc import Mapping
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


class UnansweredState(StrEnum):
    """The state of a request that has no outcome yet; afterwards it is the outcome's kind."""

    QUEUED = "queued"
    PAINTING = "painting"


@dataclass(frozen=True, slots=True)
class RecordPlace:
    """Where a record is: the topic by its base name."""

    partition: Partition
    offset: int


@dataclass(slots=True, eq=False)
class BoardImage:
    """A request by its event id. `outcomes` by event id, in order of arrival: a repeat replaces what it repeats."""

    id: str
    article: str
    slot: str | None
    source: str
    event_type: str
    revision: int | None
    asked_ms: int
    place: RecordPlace
    request: Mapping[str, Any]
    outcomes: dict[str, AnnouncedEvent] = field(default_factory=dict)
    progress: dict[int, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """What was published: `request`, `crop`, `choice`, `approval`, `withdrawal` or `restoration`."""
        return _KINDS.get(self.event_type, "request")

    @property
    def is_asked(self) -> bool:
        """Whether its request was read; else only an outcome is known of it."""
        return self.place.partition.topic != names.OUTCOME

    def is_newer_than(self, position: StreamPosition) -> bool:
        """Return whether anything about it came after the position."""
        announced = (Partition(names.OUTCOME, one.record.partition) for one in self.outcomes.values())
        offsets = (one.record.offset for one in self.outcomes.values())
        places = [(self.place.partition, self.place.offset), *zip(announced, offsets, strict=True)]
        return any(not position.has(partition, offset) for partition, offset in places)

    @property
    def outcome(self) -> AnnouncedEvent | None:
        """The newest outcome."""
        return next(reversed(self.outcomes.values()), None)

    @property
    def state(self) -> str:
        """What has become of it: `queued`, `painting`, or its outcome's kind."""
        outcome = self.outcome
        if outcome is not None:
            return outcome.kind
        return UnansweredState.PAINTING if self.is_begun else UnansweredState.QUEUED

    @property
    def is_begun(self) -> bool:
        """Whether a worker has begun to paint it."""
        return any(each.get("stage") != "accepted" for each in self.progress.values())

    @property
    def is_final(self) -> bool:
        """Whether nothing more will be announced about it, but for repeats."""
        return self.outcome is not None and self.outcome.kind != OutcomeKind.HELD

    @property
    def changed_ms(self) -> int:
        """When something was last published about it, in milliseconds since 1970."""
        return max([self.asked_ms, *(one.record.timestamp_ms for one in self.outcomes.values())])

    def report(self, data: Mapping[str, Any]) -> None:
        """Take a progress event's data."""
        index = data.get("index")
        self.progress[index if isinstance(index, int) else 0] = {
            name: data.get(name) for name in ("stage", "step", "of", "index")
        }

    def take(self, outcome: AnnouncedEvent) -> None:
        """Take an outcome; of repeats the latest, whose addresses expire last."""
        self.outcomes.pop(outcome.id, None)
        self.outcomes[outcome.id] = outcome

    def summary(self) -> dict[str, Any]:
        """Return what a list shows of it, for JSON."""
        outcome = self.outcome
        return {
            "id": self.id,
            "kind": self.kind,
            "state": self.state,
            "final": self.is_final,
            "article": {"id": self.article, "revision": self.revision},
            "slot": self.slot,
            "source": self.source,
            "asked_at": timestamp(self.asked_ms),
            "outcome_at": timestamp(outcome.record.timestamp_ms) if outcome else None,
            "progress": self._progress(),
            "outcome": outcome.data if outcome else None,
        }

    def details(self) -> dict[str, Any]:
        """Return everything about it, for JSON: also what was requested."""
        return {**self.summary(), "request": self.request}

    def _progress(self) -> list[Mapping[str, Any]] | None:
        if self.outcomes:
            return None
        return [self.progress[index] for index in sorted(self.progress)] or None


def timestamp(milliseconds: int) -> str:
    """Return milliseconds since 1970 as RFC 3339."""
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
