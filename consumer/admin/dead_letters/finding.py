"""One letter, with its mark and as much of the original as there is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from consumer.admin.dead_letters.action import Impossible
from consumer.admin.dead_letters.letter import DeadLetter, Mark, State
from consumer.admin.dead_letters.redrive import Redrive

if TYPE_CHECKING:
    from consumer.admin.dead_letters.letter import Coordinates
    from consumer.admin.dead_letters.topic import DeadLetterTopic
    from consumer.settings import Settings


@dataclass(frozen=True, slots=True)
class Found:
    """A letter; its mark, if it was acted on; and why its value and headers cannot be told, if they cannot."""

    letter: DeadLetter
    mark: Mark | None
    missing: str | None

    @property
    def state(self) -> State:
        """What was done about it."""
        return self.mark.state if self.mark else State.OPEN


async def find(settings: Settings, shelf: DeadLetterTopic, at: Coordinates) -> Found | None:
    """Return the letter that lies there, None if there is none. What was not kept is read from its lane."""
    letter, mark = await _read(shelf, at)
    if letter is None:
        return None
    if not letter.omitted:
        return Found(letter, mark, None)
    try:
        original = await (await Redrive.prepare(settings, shelf)).original(letter)
    except Impossible as impossible:
        return Found(letter, mark, str(impossible))
    return Found(replace(letter, original=original), mark, None)


async def _read(shelf: DeadLetterTopic, at: Coordinates) -> tuple[DeadLetter | None, Mark | None]:
    """Read the letter and on to the end: a mark lies anywhere behind its letter."""
    letter, mark = None, None
    span = await shelf.span(at.partition) if at.partition < shelf.partitions else range(0)
    if at.offset not in span:
        return None, None
    async for entry in shelf.entries(at.partition, range(at.offset, span.stop)):
        if isinstance(entry, DeadLetter) and entry.at == at:
            letter = entry
        elif letter is None:
            break
        elif isinstance(entry, Mark) and entry.of == at.offset:
            mark = entry
    return letter, mark
