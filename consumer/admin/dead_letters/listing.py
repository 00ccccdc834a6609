"""Looking through the letters: the newest in full, all of them counted."""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from consumer.admin.dead_letters.dead_letter import DeadLetterRecord, DeadLetterState, ForeignRecord, iso_ms
from consumer.admin.dead_letters.selection import article_of

if TYPE_CHECKING:
    from consumer.admin.dead_letters.dead_letter import Coordinates
    from consumer.admin.dead_letters.selection import Selection
    from consumer.admin.dead_letters.topic import DeadLetterTopic


@dataclass(frozen=True, slots=True)
class DeadLetterRow:
    """A letter in short. `at` and `origin` are written PARTITION:OFFSET, `kept` in ISO 8601; text is as it came."""

    at: str
    kept: str
    state: str
    topic: str
    origin: str
    article: str | None
    reason: str
    field: str
    message: str
    attempts: str


@dataclass(slots=True)
class Listing:
    """The newest matching letters, oldest first; how many match, by reason; how many records are not leadart's."""

    rows: list[DeadLetterRow] = field(default_factory=list)
    matching: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    strangers: int = 0


async def browse(topic: DeadLetterTopic, selection: Selection, limit: int, *, everything: bool = False) -> Listing:
    """Read all letters and keep the `limit` newest that match; those acted on only with `everything`."""
    listing = Listing()
    newest: list[tuple[int, Coordinates, DeadLetterRow]] = []
    for partition in selection.partitions(topic.partitions):
        span = await topic.span(partition)
        states = await topic.states(partition, span)
        async for entry in topic.entries(partition, span):
            if isinstance(entry, ForeignRecord):
                listing.strangers += 1
            if not isinstance(entry, DeadLetterRecord) or not selection.matches(entry):
                continue
            state = states[entry.at.offset]
            if everything or state is DeadLetterState.OPEN:
                listing.matching += 1
                listing.reasons[entry.reason] += 1
                keep = heapq.heappush if len(newest) < limit else heapq.heappushpop
                keep(newest, (entry.kept_ms, entry.at, row(entry, state)))
    listing.rows = [told for _, _, told in sorted(newest)]
    return listing


def row(letter: DeadLetterRecord, state: DeadLetterState) -> DeadLetterRow:
    """Return a letter in short."""
    origin, told = letter.original, letter.told
    return DeadLetterRow(
        at=str(letter.at),
        kept=iso_ms(letter.kept_ms),
        state=state.value,
        topic=origin.topic,
        origin=f"{origin.partition}:{origin.offset}",
        article=article_of(letter),
        reason=letter.reason,
        field=told.get("leadart-field", ""),
        message=told.get("leadart-message", ""),
        attempts=told.get("leadart-attempts", ""),
    )
