"""List dead letters, the newest in short and all of them counted, or look one up with its mark and original."""

import heapq
from collections import Counter
from dataclasses import dataclass, field, replace

from consumer.admin.dead_letters.action import ActionRefused
from consumer.admin.dead_letters.dead_letter import (
    ActionMark,
    Coordinates,
    DeadLetterRecord,
    DeadLetterState,
    ForeignRecord,
    format_time_ms,
)
from consumer.admin.dead_letters.redrive import Redrive
from consumer.admin.dead_letters.selection import Selection, article_of
from consumer.admin.dead_letters.topic import DeadLetterTopic
from consumer.settings import Settings


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


@dataclass(frozen=True, slots=True)
class DeadLetterDetails:
    """A dead letter; its mark, if it was acted on; and why its value and headers are `missing`, if they are."""

    letter: DeadLetterRecord
    mark: ActionMark | None
    missing: str | None

    @property
    def state(self) -> DeadLetterState:
        """What was done about it."""
        return self.mark.state if self.mark else DeadLetterState.OPEN


async def look_up(settings: Settings, topic: DeadLetterTopic, at: Coordinates) -> DeadLetterDetails | None:
    """Return the dead letter at these coordinates, or None. A value that was not kept is read from its lane."""
    letter, mark = await _read(topic, at)
    if letter is None:
        return None
    if not letter.omitted:
        return DeadLetterDetails(letter, mark, None)
    try:
        original = await (await Redrive.prepare(settings, topic)).original(letter)
    except ActionRefused as refused:
        return DeadLetterDetails(letter, mark, str(refused))
    return DeadLetterDetails(replace(letter, original=original), mark, None)


async def _read(topic: DeadLetterTopic, at: Coordinates) -> tuple[DeadLetterRecord | None, ActionMark | None]:
    """Read the dead letter and on to the end of the partition: its mark may lie anywhere behind it."""
    letter, mark = None, None
    span = await topic.span(at.partition) if at.partition < topic.partitions else range(0)
    if at.offset not in span:
        return None, None
    async for entry in topic.entries(at.partition, range(at.offset, span.stop)):
        if isinstance(entry, DeadLetterRecord) and entry.at == at:
            letter = entry
        elif letter is None:
            break
        elif isinstance(entry, ActionMark) and entry.of == at.offset:
            mark = entry
    return letter, mark
