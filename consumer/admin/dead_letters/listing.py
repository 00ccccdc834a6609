"""List dead letters: the newest in short, all of them counted."""

import heapq
from collections import Counter
from dataclasses import dataclass, field

from consumer.admin.dead_letters.dead_letter import (
    Coordinates,
    DeadLetterRecord,
    DeadLetterState,
    ForeignRecord,
    format_time_ms,
)
from consumer.admin.dead_letters.selection import Selection, article_of
from consumer.admin.dead_letters.topic import DeadLetterTopic


@dataclass(frozen=True, slots=True)
class DeadLetterRow:
    """A dead letter in short. `at` and `origin` are PARTITION:OFFSET, `kept` is ISO 8601; text is not escaped."""

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
class DeadLetterListing:
    """The newest matching dead letters, oldest first; how many match, by reason; and how many records are foreign."""

    rows: list[DeadLetterRow] = field(default_factory=list)
    matching: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    foreign: int = 0


async def browse(
    topic: DeadLetterTopic, selection: Selection, limit: int, *, everything: bool = False
) -> DeadLetterListing:
    """Read all dead letters and keep the `limit` newest that match; `everything` includes those acted on."""
    listing = DeadLetterListing()
    newest: list[tuple[int, Coordinates, DeadLetterRow]] = []
    for partition in selection.partitions(topic.partitions):
        span = await topic.span(partition)
        states = await topic.states(partition, span)
        async for entry in topic.entries(partition, span):
            if isinstance(entry, ForeignRecord):
                listing.foreign += 1
            if not isinstance(entry, DeadLetterRecord) or not selection.matches(entry):
                continue
            state = states[entry.at.offset]
            if everything or state is DeadLetterState.OPEN:
                listing.matching += 1
                listing.reasons[entry.reason] += 1
                keep = heapq.heappush if len(newest) < limit else heapq.heappushpop
                keep(newest, (entry.kept_ms, entry.at, _row(entry, state)))
    listing.rows = [row for _, _, row in sorted(newest)]
    return listing


def _row(letter: DeadLetterRecord, state: DeadLetterState) -> DeadLetterRow:
    origin, facts = letter.original, letter.facts
    return DeadLetterRow(
        at=str(letter.at),
        kept=format_time_ms(letter.kept_ms),
        state=state.value,
        topic=origin.topic,
        origin=f"{origin.partition}:{origin.offset}",
        article=article_of(letter),
        reason=letter.reason,
        field=facts.get("leadart-field", ""),
        message=facts.get("leadart-message", ""),
        attempts=facts.get("leadart-attempts", ""),
    )
