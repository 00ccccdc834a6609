"""Which letters an operator means. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from schemas.salvage import salvage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from consumer.admin.dead_letters.dead_letter import Coordinates, DeadLetterRecord

UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION: Final = re.compile(r"([0-9]{1,5})([smhdw])")


@dataclass(frozen=True, slots=True)
class Selection:
    """Conditions that a letter has to meet, all of them; None and nothing at all mean any.

    `topics` are full names of the lanes it first came from, `since` (inclusive) and `until` (exclusive) bound when it
    became a dead letter.
    """

    reason: str | None = None
    topics: frozenset[str] = frozenset()
    article: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    coordinates: frozenset[Coordinates] = frozenset()

    @property
    def anything(self) -> bool:
        """True if every letter meets it."""
        return self == Selection()

    def partitions(self, count: int) -> Iterable[int]:
        """Return the partitions, of so many, in which such letters can lie."""
        if not self.coordinates:
            return range(count)
        return sorted({at.partition for at in self.coordinates if at.partition < count})

    def takes(self, letter: DeadLetterRecord) -> bool:
        """Tell whether a letter is meant."""
        return (
            (not self.coordinates or letter.at in self.coordinates)
            and (self.reason is None or letter.reason == self.reason)
            and (not self.topics or letter.original.topic in self.topics)
            and (self.since is None or letter.kept_ms >= self.since.timestamp() * 1000)
            and (self.until is None or letter.kept_ms < self.until.timestamp() * 1000)
            and (self.article is None or self.article == article_of(letter))
        )


def article_of(letter: DeadLetterRecord) -> str | None:
    """Return the id of the article that a letter is about, as far as that can be read."""
    original = letter.original
    return salvage(original.key, original.headers, original.value).article_id


def parse_moment(text: str, now: datetime) -> datetime:
    """Read a moment: ISO 8601 with a zone, or how long before `now`, such as 90s, 30m, 2h, 7d. Raises `ValueError`."""
    if ago := _DURATION.fullmatch(text):
        return now - timedelta(**{UNITS[ago[2]]: int(ago[1])})
    try:
        told = datetime.fromisoformat(text)
    except ValueError:
        told = None
    if told is None or told.tzinfo is None:
        raise ValueError(
            f"{text[:40]!a} is no moment: write it with its zone, such as 2031-05-17T08:00:00Z, or as an age, "
            "such as 90s, 30m, 2h, 7d."
        )
    return told
