"""An article with its slots, as the desk lists it."""

import json
from collections.abc import Iterable, Mapping
from functools import cached_property
from itertools import takewhile
from typing import Any

from consumer.gateway.board.image import BoardImage, slot_of, timestamp
from consumer.gateway.board.showing import shown_outcome
from consumer.kafka.announced import AnnouncedEvent
from schemas import OutcomeKind, names
from schemas.slot import is_decision

HISTORY = 50
"""Requests and decisions of a slot that its history lists, the newest first."""
MOST_IMAGES = 400
"""Requests and decisions that are kept of an article, beside those that say what its slots show."""

_FACTS = ("headline", "section", "url", "locale", "revision", "status")
_AWAITED = ("painting", "queued", OutcomeKind.HELD)
"""States that a slot has whatever else was asked: somebody waits for what becomes of it. The most urgent first."""
_WHOLE_ARTICLE = frozenset({names.ARTICLE_WITHDRAWN, names.ARTICLE_RESTORED})


class BoardArticle:
    """An article by its id. It belongs to the source that first published a request for it.

    What it says depends on what was published alone, not on the order of reading. It is worked out when it is asked
    for, and kept until `touch`.
    """

    def __init__(self, article_id: str) -> None:
        """Begin without any images."""
        self.id = article_id
        self.updated_ms = 0
        self.size = 0
        self._images: dict[str, BoardImage] = {}

    def find(self, image_id: str) -> BoardImage | None:
        """Return a request or a decision by its event id."""
        return self._images.get(image_id)

    def add(self, image: BoardImage) -> None:
        """Add an image; `touch` is still to be called."""
        self._images[image.id] = image

    def touch(self) -> int:
        """Note that its images have changed; return by how many bytes it grew."""
        self.forget_answers()
        self.updated_ms = max((image.changed_ms for image in self._images.values()), default=0)
        before, self.size = self.size, sum(image.size for image in self._images.values())
        for image in self._images.values():
            image.article_source = self.source
            if image.event_type == names.IMAGE_APPROVED:
                image.is_carried_out = any(other.carries_out(image) for other in self._images.values())
        return self.size - before

    def forget_answers(self) -> None:
        """Have everything worked out anew: progress was reported, or more has changed."""
        for name in [name for name, kind in vars(type(self)).items() if isinstance(kind, cached_property)]:
            self.__dict__.pop(name, None)

    def prepare_search(self) -> None:
        """Work out what a search of all articles looks at, as far as it is not."""
        _ = self.search_text, self.states

    def prune(self) -> list[BoardImage]:
        """Remove and return the oldest images above `MOST_IMAGES`; `touch` is still to be called."""
        if len(self._images) <= MOST_IMAGES:
            return []
        removed = [image for image in list(self.images.values())[:-MOST_IMAGES] if not self._decides(image)]
        for image in removed:
            del self._images[image.id]
        return removed

    def _decides(self, image: BoardImage) -> bool:
        """Return whether an image says what a slot shows, or that it shows nothing."""
        outcomes = image.outcomes.values()
        if any(is_decision(one.kind, {"rule": None, **one.data}) for one in outcomes):
            return True
        return any(one is shows for one in outcomes for shows in self._shown.values())

    @cached_property
    def images(self) -> Mapping[str, BoardImage]:
        """Its requests and decisions by event id, oldest first."""
        return dict(sorted(self._images.items(), key=lambda item: item[1].order))

    @cached_property
    def source(self) -> str:
        """The source that first published a request for it; empty if only outcomes are known."""
        return next((image.asked.source for image in self.images.values() if image.asked), "")

    @cached_property
    def facts(self) -> Mapping[str, Any]:
        """What its requests say of it, the highest revision last."""
        asked = [image for image in self.images.values() if image.event_type == names.IMAGE_REQUESTED]
        merged: dict[str, Any] = {}
        for image in sorted(asked, key=lambda image: (image.revision or 0, image.order)):
            article = image.request.get("article")
            merged |= article if isinstance(article, dict) else {}
        return merged

    @cached_property
    def slots(self) -> list[str]:
        """The names of its slots, in the order in which they were first asked for."""
        named = (image.slot for image in self.images.values())
        announced = (slot_of(one) for image in self.images.values() for one in image.outcomes.values())
        return list(dict.fromkeys(slot for slot in (*named, *announced) if slot))

    @cached_property
    def states(self) -> frozenset[str]:
        """The states of its slots."""
        telling = ((slot, _telling(self.images_of(slot), slot)) for slot in self.slots)
        return frozenset(image.state_in(slot) for slot, image in telling if image)

    @cached_property
    def search_text(self) -> str:
        """What a search looks at, in lower case."""
        return " ".join([*(str(self.facts.get(name) or "") for name in ("headline", "section")), self.id]).lower()

    @cached_property
    def summary_json(self) -> str:
        """The summary as JSON."""
        return json.dumps(self.summary(), ensure_ascii=False, separators=(",", ":"))

    @cached_property
    def _shown(self) -> Mapping[str, AnnouncedEvent | None]:
        """The outcome whose pictures each slot shows."""
        outcomes = [one for image in self.images.values() for one in image.outcomes.values()]
        by_slot: dict[str, list[AnnouncedEvent]] = {}
        for one in sorted(outcomes, key=lambda one: (one.record.timestamp_ms, *one.place)):
            by_slot.setdefault(slot_of(one) or "", []).append(one)
        return {slot: shown_outcome(about) for slot, about in by_slot.items()}

    def images_of(self, slot: str) -> list[BoardImage]:
        """Return what was asked about the slot, or decided about the whole article, oldest first."""
        return [image for image in self.images.values() if _concerns(image, slot)]

    def revision_of(self, slot: str) -> int | None:
        """Return the highest revision that something was asked about the slot for; None: nothing names one."""
        return _highest_revision(self.images_of(slot))

    def shown_in(self, slot: str) -> Mapping[str, Any] | None:
        """Return the data of the ready outcome whose pictures the slot shows; None: it shows nothing of leadart's."""
        outcome = self._shown.get(slot)
        return outcome.data if outcome else None

    def summary(self) -> dict[str, Any]:
        """Return what the list of articles shows of it, for JSON."""
        return {
            "id": self.id,
            "source": self.source,
            **{name: self.facts.get(name) for name in _FACTS},
            "updated_at": timestamp(self.updated_ms),
            "slots": [self._slot_summary(slot) for slot in self.slots],
        }

    def slot(self, name: str) -> dict[str, Any]:
        """Return all about a slot, for JSON."""
        images = self.images_of(name)
        return {
            "article": {"id": self.id, **self.facts},
            "source": self.source,
            **self._slot_summary(name),
            "shown": self.shown_in(name),
            "held": [image.summary(name) for image in images if image.state_in(name) == OutcomeKind.HELD],
            "history": [image.details() for image in images[: -HISTORY - 1 : -1]],
        }

    def _slot_summary(self, name: str) -> dict[str, Any]:
        images = self.images_of(name)
        latest = _telling(images, name)
        shows = self.shown_in(name)
        return {
            "slot": name,
            "state": latest.state_in(name) if latest else None,
            "latest": latest.summary(name) if latest else None,
            "revision": _highest_revision(images),
            "chosen": bool(shows and shows.get("chosen")),
            "picture": thumb(shows),
        }


def _highest_revision(images: Iterable[BoardImage]) -> int | None:
    return max((image.revision for image in images if image.revision is not None), default=None)


def _concerns(image: BoardImage, slot: str) -> bool:
    if image.slot is None and image.event_type in _WHOLE_ARTICLE:
        return True
    return image.slot == slot or any(slot_of(one) == slot for one in image.outcomes.values())


def _telling(images: list[BoardImage], slot: str) -> BoardImage | None:
    """Return the image that says how a slot stands: what is awaited, else the newest that nothing superseded."""
    newest_first = [image for image in reversed(images) if image.event_type != names.IMAGE_APPROVED]
    for state in _AWAITED:
        for image in newest_first:
            if image.state_in(slot) == state:
                return image
    answered = [image for image in newest_first if image.state_in(slot) != OutcomeKind.SUPERSEDED]
    telling = (
        image for place, image in enumerate(answered) if not _changes_nothing(image, answered[place + 1 :], slot)
    )
    return next(telling, next(iter(reversed(images)), None))


def _changes_nothing(image: BoardImage, before: Iterable[BoardImage], slot: str) -> bool:
    """Return whether it is a restoration of a slot that was not withdrawn; `before` it, newest first."""
    if image.event_type != names.ARTICLE_RESTORED:
        return False
    since = takewhile(lambda other: other.event_type != names.ARTICLE_RESTORED, before)
    return all(other.state_in(slot) != OutcomeKind.WITHDRAWN for other in since)


def thumb(shows: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return what a card shows of a slot's first picture."""
    pictures: Iterable[Mapping[str, Any]] = (shows or {}).get("pictures") or ()
    first = next(iter(pictures), None)
    if first is None:
        return None
    known = ("sha256", "width", "height", "thumbhash", "dominant_colour", "focal_point")
    return {**{name: first.get(name) for name in known}, "alt": (shows or {}).get("alt")}
