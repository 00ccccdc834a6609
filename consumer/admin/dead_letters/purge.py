"""Purge: mark dead letters that will not be redriven, and delete what is done from the start of each partition."""

from collections.abc import Sequence

from consumer.admin.dead_letters.dead_letter import ActionMark, DeadLetterRecord, DeadLetterState
from consumer.admin.dead_letters.topic import DeadLetterTopic
from consumer.delivery.ports import OutgoingRecord, Partition


class Purge:
    """The action: only the mark is written."""

    state = DeadLetterState.PURGED

    async def outgoing(self, letter: DeadLetterRecord) -> Sequence[OutgoingRecord]:
        """Return no record besides the mark."""
        del letter
        return ()


async def delete_done(topic: DeadLetterTopic, *, execute: bool) -> int:
    """Delete each partition's records before its first open dead letter; return the number of dead letters deleted.

    Without `execute` they are only counted. Kafka deletes from the start of a partition only: what is done behind an
    open dead letter stays until that one is done too, or until the topic's retention. Raises `BusError`, and `Fatal`
    where the right to delete is missing.
    """
    deleted = 0
    for partition in range(topic.partitions):
        before, letters = await _done(topic, partition)
        if letters and execute:
            await topic.admin.delete_records(Partition(topic.name, partition), before)
        deleted += letters
    return deleted


async def _done(topic: DeadLetterTopic, partition: int) -> tuple[int, int]:
    """Return the offset before which nothing is open, and the number of dead letters before it."""
    span = await topic.span(partition)
    states = await topic.states(partition, span)
    letters = 0
    async for entry in topic.entries(partition, span):
        if isinstance(entry, ActionMark):
            continue
        if not isinstance(entry, DeadLetterRecord) or states[entry.at.offset] is DeadLetterState.OPEN:
            return entry.at.offset, letters
        letters += 1
    return span.stop, letters
