"""Controls: what operators have called off or paused. Pure.

Each shard keeps them in its partition of the heads, in one record under `[group, "controls"]`, so that an owner reads
them with everything else that its epoch rests on. `leadart pause`, `resume` and `replay cancel` write it
(`consumer.admin.controls`).
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from consumer.delivery.replay_origin import parse_origin
from consumer.jobs import Record
from schemas import ImageRequested
from schemas.requests import PictureRequest

_KEY = TypeAdapter(tuple[str, Literal["controls"]], config=ConfigDict(strict=True))

MAX_CANCELS = 100
"""Cancels that are kept, the latest."""

LONGEST_NAME = 1000
"""Characters of what a control names."""

_Count = Annotated[int, Field(ge=0, lt=2**63)]
_Text = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]
_STORED = ConfigDict(strict=True, frozen=True)


@dataclass(frozen=True, slots=True)
class Traits:
    """What controls go by. `topic` and `offset` are those of the record as published, `lane` is where it was read.

    `replay` is the id of the replay that published it, if one did.
    """

    topic: str
    offset: int
    lane: str
    section: str | None
    source: str
    replay: str | None

    @classmethod
    def of(cls, read: Record, original: Record, request: PictureRequest, source: str) -> Traits:
        """Return those of a record; `original` is what its publisher wrote (the same unless it was `read` as a retry).

        `request` is what it says, and `source` its event's.
        """
        section = request.article.section if isinstance(request, ImageRequested) else None
        origin = parse_origin(original.headers)
        return cls(original.topic, original.offset, read.topic, section, source, origin.replay if origin else None)


NO_TRAITS = Traits("", 0, "", None, "", None)
"""Of a claim that no control is for."""


class Selector(BaseModel):
    """Which requests a control is for: those that meet everything it names. It names something.

    `lane` is a topic's full name. A criterion that this version does not know is refused, because without it the
    control would be for more than was meant.
    """

    model_config = _STORED | ConfigDict(extra="forbid")

    lane: _Text | None = None
    section: _Text | None = None
    source: _Text | None = None
    replay: _Text | None = None

    def model_post_init(self, _context: object, /) -> None:
        """Refuse one that would be for everything."""
        if not self.named:
            raise ValueError("it names nothing")

    @property
    def named(self) -> dict[str, str]:
        """What it names, by criterion."""
        return self.model_dump(exclude_none=True)

    @property
    def _meant(self) -> tuple[str | None, ...]:
        return self.lane, fold_section(self.section), self.source, self.replay

    def __eq__(self, other: object) -> bool:
        """Return whether both are for the same requests, however their sections are written."""
        return isinstance(other, Selector) and self._meant == other._meant

    def __hash__(self) -> int:
        """Return the hash of what is compared."""
        return hash(self._meant)

    def __str__(self) -> str:
        """Say it in words, such as `lane article-image-backfill, section sports`."""
        return ", ".join(f"{criterion} {value}" for criterion, value in self.named.items())

    def fits(self, traits: Traits) -> bool:
        """Return whether a request meets it. A retried one is of its first lane, too; a section's case is ignored."""
        return (
            self.lane in {None, traits.lane, traits.topic}
            and (self.section is None or fold_section(self.section) == fold_section(traits.section))
            and self.source in {None, traits.source}
            and self.replay in {None, traits.replay}
        )


def fold_section(section: str | None) -> str | None:
    """Return a section as it is compared: a CMS writes Sports, an operator sports."""
    return None if section is None else unicodedata.normalize("NFC", section.casefold())


class Pause(BaseModel):
    """Requests that are not begun until they are resumed. `since`: milliseconds since 1970."""

    model_config = _STORED

    match: Selector
    since: _Count


class Cancel(BaseModel):
    """Requests that are called off: those published `below` an offset, by topic. `at`: milliseconds since 1970."""

    model_config = _STORED

    match: Selector
    below: dict[str, _Count]
    at: _Count

    def holds(self, traits: Traits) -> bool:
        """Return whether a request is called off."""
        return traits.offset < self.below.get(traits.topic, 0) and self.match.fits(traits)

    def may_hold(self, finished: Mapping[str, int]) -> bool:
        """Return whether it may be for a request yet, if all below these offsets, by topic, is finished.

        A request that waits in a retry lane is one below that lane's own offset.
        """
        return any(finished.get(topic, 0) < below for topic, below in self.below.items())


@dataclass(frozen=True, slots=True)
class Controls:
    """The controls of one shard. `unread`: entries that this version does not understand, and leaves out of account.

    Which of them comes first for a request is the shard's owner to decide (`LatestWins.rule`).
    """

    pauses: tuple[Pause, ...] = ()
    cancels: tuple[Cancel, ...] = ()
    unread: int = 0

    def cancel_of(self, traits: Traits) -> Cancel | None:
        """Return what calls a request off, None if nothing does."""
        return next((cancel for cancel in self.cancels if cancel.holds(traits)), None)

    def pause_of(self, traits: Traits) -> Pause | None:
        """Return the oldest pause of a request, None if it is not paused."""
        fitting = (pause for pause in self.pauses if pause.match.fits(traits))
        return min(fitting, key=lambda pause: pause.since, default=None)

    def lane_paused(self, topic: str) -> bool:
        """Return whether nothing of the lane may be begun, so that it need not be read."""
        return any(pause.match.named == {"lane": topic} for pause in self.pauses)

    def pause(self, match: Selector, now_ms: int) -> Controls:
        """Return these with a pause; one that there is keeps its time."""
        if any(pause.match == match for pause in self.pauses):
            return self
        return Controls((*self.pauses, Pause(match=match, since=now_ms)), self.cancels)

    def resume(self, match: Selector) -> Controls:
        """Return these without that pause."""
        return Controls(tuple(pause for pause in self.pauses if pause.match != match), self.cancels)

    def cancel(self, match: Selector, below: Mapping[str, int], now_ms: int) -> Controls:
        """Return these with a cancel, in place of an earlier one like it; beyond the limit the oldest go."""
        others = [cancel for cancel in self.cancels if cancel.match != match]
        cancels = (*others, Cancel(match=match, below=dict(below), at=now_ms))
        return Controls(self.pauses, cancels[-MAX_CANCELS:])

    def encode(self) -> bytes:
        """Return the record's value."""
        stored = {
            "pauses": [pause.model_dump(exclude_none=True) for pause in self.pauses],
            "cancels": [cancel.model_dump(exclude_none=True) for cancel in self.cancels],
        }
        return json.dumps(stored).encode()


NO_CONTROLS = Controls()


class _StoredControls(BaseModel, strict=True):
    """A record of controls, into which others may write anything. A field that a newer version added is ignored."""

    pauses: list[Any]
    cancels: list[Any]


_Entry = TypeVar("_Entry", Pause, Cancel)


def read_controls(value: bytes | None) -> Controls:
    """Decode a record of controls. What cannot be read counts as `unread` and applies to nothing."""
    try:
        stored = _StoredControls.model_validate_json(value or b'{"pauses": [], "cancels": []}')
    except ValidationError:
        return Controls(unread=1)
    pauses, cancels = _understood(stored.pauses, Pause), _understood(stored.cancels, Cancel)
    unread = len(stored.pauses) + len(stored.cancels) - len(pauses) - len(cancels)
    return Controls(pauses, cancels, unread)


def _understood(entries: list[Any], kind: type[_Entry]) -> tuple[_Entry, ...]:
    found = []
    for entry in entries:
        try:
            found.append(kind.model_validate(entry))
        except ValidationError:
            continue
    return tuple(found)


def controls_key(group_id: str) -> bytes:
    """Return the key of a group's controls, which no head and no offset can have."""
    return json.dumps([group_id, "controls"], ensure_ascii=False).encode()


def group_of(key: bytes) -> str | None:
    """Return the group of a controls record's key, None for other keys."""
    try:
        group, _ = _KEY.validate_json(key)
    except ValidationError:
        return None
    return group
