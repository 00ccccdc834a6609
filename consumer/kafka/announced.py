"""What leadart announces, outcomes and progress, as a subscriber reads it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from consumer.jobs import Record
from schemas import ContractError, OutcomeKind, names
from schemas.cloudevents import read

_DECIDED = frozenset({OutcomeKind.DECLINED, OutcomeKind.HELD, OutcomeKind.WITHDRAWN, OutcomeKind.CANCELLED})


@dataclass(frozen=True, slots=True)
class AnnouncedEvent:
    """One announced event, read leniently: a newer worker may announce types and fields that are not known here."""

    record: Record
    id: str
    type: str
    request_id: str
    """CloudEvents id of the request; empty if that could not be read."""
    data: Mapping[str, Any]
    lets_go: bool = False
    """Whether it is known to answer an editor who let go of a choice: the outcome itself does not say."""

    @property
    def kind(self) -> str:
        """The type in a word: an `OutcomeKind`, or `progress`."""
        return self.type.removeprefix(names.TYPE_PREFIX).partition(".")[0]

    @property
    def time(self) -> datetime:
        """When it was written to the topic."""
        return datetime.fromtimestamp(self.record.timestamp_ms / 1000, UTC)

    @property
    def place(self) -> tuple[int, int]:
        """Its partition and offset."""
        return self.record.partition, self.record.offset

    @property
    def article(self) -> str:
        """The article id."""
        return (self.record.key or b"").decode(errors="backslashreplace")

    @property
    def revision(self) -> int | None:
        """The article's revision; None if it could not be read."""
        revision: int | None = _part(self.data, "article").get("revision")
        return revision

    @property
    def result(self) -> str:
        """What has come of the request: how many pictures, why there are none, or how far it is."""
        data = self.data
        match self.kind:
            case OutcomeKind.READY:
                return self._pictures
            case OutcomeKind.FAILED:
                return f"{data.get('reason')}: {data.get('message')}"
            case OutcomeKind.SUPERSEDED:
                return f"superseded by revision {_part(data, 'superseded_by').get('revision')}"
            case OutcomeKind.EXPIRED:
                return f"its expirytime {data.get('expired_at')} passed before its turn"
        if self.kind in _DECIDED:
            return self._decision
        steps = f" {data.get('step')} of {data.get('of')}" if data.get("of") else ""
        return f"{data.get('stage', '')}{steps}"

    @property
    def _pictures(self) -> str:
        count = len(self.urls)
        caption = f"; caption: {self.data['caption']}" if self.data.get("caption") else ""
        return f"{count} picture{'' if count == 1 else 's'}{self._standing}{caption}"

    @property
    def _standing(self) -> str:
        """What the pictures are beside those of other requests, after a comma; empty for new ones."""
        if self.data.get("offers"):
            return ", offered beside the choice"
        if self.data.get("chosen"):
            return ", kept as chosen" if self.data.get("kept") else ", chosen"
        if self.lets_go:
            return ", no longer chosen"
        return ", reused" if self.data.get("reused") else ""

    @property
    def _decision(self) -> str:
        """What was decided about the request, by a rule, an editor or an operator."""
        rule, until = self.data.get("rule"), self.data.get("held_until")
        by = f"by rule {rule}: " if rule else ""
        return f"{by}{self.data.get('message') or ''}{f' Expires {until} unless approved.' if until else ''}"

    @property
    def urls(self) -> tuple[str, ...]:
        """Where the pictures are."""
        pictures = self.data.get("pictures")
        listed = pictures if isinstance(pictures, list) else []
        return tuple(str(picture["url"]) for picture in listed if isinstance(picture, dict) and "url" in picture)

    @property
    def sentence(self) -> str:
        """The event in a sentence."""
        slot = f" {self.data.get('slot') or 'without a slot'}" if self.kind == OutcomeKind.WITHDRAWN else ""
        about = f"{self.article}{slot}" + (f" revision {self.revision}" if self.revision is not None else "")
        if self.kind != OutcomeKind.READY:
            return f"{self.kind}: {about}" + (f": {self.result}" if self.result else "")
        seconds = _part(self.data, "seconds").get("total")
        return f"ready{self._standing}: {about}" + (f", {seconds:.1f} s" if isinstance(seconds, int | float) else "")

    def as_json(self) -> dict[str, Any]:
        """Return when and where it was announced, and its data."""
        place = {"partition": self.record.partition, "offset": self.record.offset}
        return {
            "time": self.time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "kind": self.kind,
            "id": self.id,
            **place,
            "data": self.data,
        }


def parse_announced(record: Record) -> AnnouncedEvent | None:
    """Return what a record announces; None if it is no event."""
    try:
        event = read(record.headers, record.value)
    except ContractError:
        return None
    data = event.data if isinstance(event.data, dict) else {}
    return AnnouncedEvent(record, event.id, event.type, event.extensions.get("causationid", ""), data)


def _part(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = data.get(name)
    return part if isinstance(part, dict) else {}
