"""Looking through the letters: the newest in full, all of them counted."""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from consumer.admin.dead_letters.letter import DeadLetter, State, Stranger, iso_ms
from consumer.admin.dead_letters.selection import article_of

if TYPE_CHECKING:
    from consumer.admin.dead_letters.letter import Coordinates
    from consumer.admin.dead_letters.selection import Selection
    from consumer.admin.dead_letters.topic import DeadLetterTopic


@dataclass(frozen=True, slots=True)
class Row:
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

    rows: list[Row] = field(default_factory=list)
    matching: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    strangers: int = 0


async def browse(shelf: DeadLetterTopic, selection: Selection, limit: int, *, everything: bool = False) -> Listing:
    """Read all letters and keep the `limit` newest that match; those acted on only with `everything`."""
    listing = Listing()
    newest: list[tuple[int, Coordinates, Row]] = []
    for partition in selection.partitions(shelf.partitions):
        span = await shelf.span(partition)
        states = await shelf.states(partition, span)
        async for entry in shelf.entries(partition, span):
            if isinstance(entry, Stranger):
                listing.strangers += 1
            if not isinstance(entry, DeadLetter) or not selection.takes(entry):
                continue
            state = states[entry.at.offset]
            if everything or state is State.OPEN:
                listing.matching += 1
                listing.reasons[entry.reason] += 1
                keep = heapq.heappush if len(newest) < limit else heapq.heappushpop
                keep(newest, (entry.kept_ms, entry.at, row(entry, state)))
    listing.rows = [told for _, _, told in sorted(newest)]
    return listing


def row(letter: DeadLetter, state: State) -> Row:
    """Return a letter in short."""
    origin, told = letter.original, letter.told
    return Row(
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
