"""An article with its slots, as the desk lists it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from consumer.gateway.board.image import BoardImage, timestamp
from schemas import OutcomeKind
from schemas.slot import shown

HISTORY = 50
"""Requests and decisions of a slot that its history lists, the newest first."""


@dataclass(slots=True, eq=False)
class BoardArticle:
    """An article by its id. It belongs to the source that first published a request for it.

    `facts`: the newest `article` object of a request. `images`: requests and decisions by event id, oldest first.
    """

    id: str
    source: str
    updated_ms: int = 0
    bytes_: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)
    images: dict[str, BoardImage] = field(default_factory=dict)

    @property
    def slots(self) -> list[str]:
        """The names of its slots, in the order in which they were first asked for."""
        named = (image.slot for image in self.images.values())
        announced = (slot_of(one) for image in self.images.values() for one in image.outcomes.values())
        return list(dict.fromkeys(slot for slot in (*named, *announced) if slot))

    def images_of(self, slot: str) -> list[BoardImage]:
        """Return what was asked about the slot, or about the whole article, oldest first."""
        return [image for image in self.images.values() if image.slot in {slot, None}]

    def shown_in(self, slot: str) -> Mapping[str, Any] | None:
        """Return the data of the ready outcome whose pictures the slot shows; None: it shows nothing of leadart's."""
        outcomes = (one for image in self.images.values() for one in image.outcomes.values())
        ordered = sorted(outcomes, key=lambda one: one.record.timestamp_ms)
        return shown((one.kind, dict(one.data)) for one in ordered if slot_of(one) == slot)

    def summary(self) -> dict[str, Any]:
        """Return what the list of articles shows of it, for JSON."""
        return {
            "id": self.id,
            "source": self.source,
            **{name: self.facts.get(name) for name in ("headline", "section", "url", "locale", "revision", "status")},
            "updated_at": timestamp(self.updated_ms),
            "slots": [self._slot_summary(slot) for slot in self.slots],
        }

    def slot(self, name: str) -> dict[str, Any]:
        """Return all about a slot, for JSON."""
        images = self.images_of(name)
        shows = self.shown_in(name)
        return {
            "article": {"id": self.id, **self.facts},
            "source": self.source,
            **self._slot_summary(name),
            "shown": shows,
            "held": [image.summary() for image in images if image.state == OutcomeKind.HELD],
            "history": [image.details() for image in images[: -HISTORY - 1 : -1]],
        }

    def _slot_summary(self, name: str) -> dict[str, Any]:
        images = self.images_of(name)
        latest = images[-1] if images else None
        shows = self.shown_in(name)
        return {
            "slot": name,
            "state": latest.state if latest else None,
            "latest": latest.summary() if latest else None,
            "revision": max((image.revision for image in images if image.revision is not None), default=None),
            "chosen": bool(shows and shows.get("chosen")),
            "picture": thumb(shows),
        }


def slot_of(outcome: Any) -> str | None:
    """Return the slot of an outcome."""
    slot = outcome.data.get("slot")
    return slot if isinstance(slot, str) else None


def thumb(shows: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return what a card shows of a slot's first picture."""
    pictures: Iterable[Mapping[str, Any]] = (shows or {}).get("pictures") or ()
    first = next(iter(pictures), None)
    if first is None:
        return None
    known = ("sha256", "width", "height", "thumbhash", "dominant_colour", "focal_point")
    return {**{name: first.get(name) for name in known}, "alt": (shows or {}).get("alt")}
