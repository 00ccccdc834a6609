"""Which dead letters an operator means. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from consumer.admin.dead_letters.dead_letter import Coordinates, DeadLetterRecord
from schemas.salvage import salvage


@dataclass(frozen=True, slots=True)
class Selection:
    """Conditions that a dead letter must meet, all of them; None and empty mean any.

    `topics` are full names of the lanes it first came from; `since` (inclusive) and `until` (exclusive) bound the time
    at which it became a dead letter.
    """

    reason: str | None = None
    topics: frozenset[str] = frozenset()
    article: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    coordinates: frozenset[Coordinates] = frozenset()

    @property
    def is_everything(self) -> bool:
        """Whether every dead letter matches."""
        return self == Selection()

    def partitions(self, count: int) -> Iterable[int]:
        """Return which of the topic's `count` partitions can hold matching dead letters."""
        if not self.coordinates:
            return range(count)
        return sorted({at.partition for at in self.coordinates if at.partition < count})

    def matches(self, letter: DeadLetterRecord) -> bool:
        """Return whether a dead letter meets all conditions."""
        return (
            (not self.coordinates or letter.at in self.coordinates)
            and (self.reason is None or letter.reason == self.reason)
            and (not self.topics or letter.original.topic in self.topics)
            and (self.since is None or letter.kept_ms >= self.since.timestamp() * 1000)
            and (self.until is None or letter.kept_ms < self.until.timestamp() * 1000)
            and (self.article is None or self.article == article_of(letter))
        )


def article_of(letter: DeadLetterRecord) -> str | None:
    """Return the id of the dead letter's article, as far as it can be read."""
    original = letter.original
    return salvage(original.key, original.headers, original.value).article_id
