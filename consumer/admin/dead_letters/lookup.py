"""Look up one dead letter, with its mark and as much of the original as there is."""

from dataclasses import dataclass, replace

from consumer.admin.dead_letters.action import ActionRefused
from consumer.admin.dead_letters.dead_letter import ActionMark, Coordinates, DeadLetterRecord, DeadLetterState
from consumer.admin.dead_letters.redrive import Redrive
from consumer.admin.dead_letters.topic import DeadLetterTopic
from consumer.settings import Settings


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
