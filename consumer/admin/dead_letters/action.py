"""Acting on letters: what is done and the mark that says so are one transaction, so nothing is done twice.

For each partition: fence whoever acted before and settle what that left pending, only then read what is marked, then
write. A run that dies, is stopped, or is overtaken by another leaves marks for all that it did and nothing else.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from consumer.admin.dead_letters.dead_letter import DeadLetterRecord, DeadLetterState, ForeignRecord, mark
from consumer.delivery.batch_limit import MAX_BATCH_BYTES, MAX_BATCH_RECORDS
from consumer.delivery.ports import BusError, OutgoingRecord, RecordRefused
from consumer.errors import Fatal
from consumer.kafka.producer import open_epoch, was_fenced
from schemas import Reason

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from consumer.admin.dead_letters.dead_letter import Coordinates
    from consumer.admin.dead_letters.selection import Selection
    from consumer.admin.dead_letters.topic import DeadLetterTopic
    from consumer.kafka.producer import KafkaEpoch
    from consumer.settings import Settings

REFUSALS_TOLD: Final = 20


class ActionRefused(Exception):
    """An action cannot be done to a letter; says why."""


class DeadLetterAction(Protocol):
    """What is to be done to letters."""

    state: DeadLetterState
    """How they are marked."""

    async def letters(self, letter: DeadLetterRecord) -> Sequence[OutgoingRecord]:
        """Return what to write besides the mark. Raises `ActionRefused`."""


@dataclass(slots=True)
class DeadLetterReport:
    """What was done, or would be: `letters` acted on, by `reasons`; `already` marked before, of those named one by one.

    `refused` could not be acted on; `refusals` tells the first of them: coordinates and why. `deleted` letters went
    from the topic itself.
    """

    letters: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    already: int = 0
    refused: int = 0
    refusals: list[tuple[str, str]] = field(default_factory=list)
    deleted: int = 0

    def refuse(self, at: Coordinates, why: str) -> None:
        """Take note that nothing can be done about a letter."""
        self.refused += 1
        if len(self.refusals) < REFUSALS_TOLD:
            self.refusals.append((str(at), why))


@dataclass(slots=True)
class Batch:
    """Letters acted on in one transaction, and what that writes."""

    letters: list[DeadLetterRecord] = field(default_factory=list)
    writes: list[OutgoingRecord] = field(default_factory=list)
    size: int = 0

    def add(self, letter: DeadLetterRecord, writes: Sequence[OutgoingRecord]) -> None:
        """Put one more letter into the transaction."""
        self.letters.append(letter)
        self.writes += writes
        self.size += sum(write.size for write in writes)

    @property
    def full(self) -> bool:
        """True when the transaction is large enough: it must end well within its timeout."""
        return len(self.letters) >= MAX_BATCH_RECORDS or self.size >= MAX_BATCH_BYTES


class ActionRunner:
    """Does one action to the letters of a selection, or says what it would do; `watch` hears the share that is done."""

    def __init__(
        self,
        settings: Settings,
        topic: DeadLetterTopic,
        selection: Selection,
        action: DeadLetterAction,
        watch: Callable[[float], None],
    ) -> None:
        self._settings = settings
        self._topic = topic
        self._selection = selection
        self._action = action
        self._watch = watch
        self._seen: set[Coordinates] = set()
        self.report = DeadLetterReport()

    async def run(self, *, execute: bool) -> DeadLetterReport:
        """Go through the partitions. Raises `Fatal` or `BusError`; `report` then holds what was done for certain."""
        partitions = list(self._selection.partitions(self._topic.partitions))
        for done, partition in enumerate(partitions):
            await self._partition(partition, partial(self._told, done, len(partitions)), execute=execute)
        for at in sorted(self._selection.coordinates - self._seen):
            self.report.refuse(at, "no dead letter lies there")
        return self.report

    def _told(self, done: int, partitions: int, share: float) -> None:
        self._watch((done + share) / partitions)

    async def _partition(self, partition: int, watch: Callable[[float], None], *, execute: bool) -> None:
        if not await self._topic.span(partition, whole=True):
            return
        if not execute:
            await self._go_through(partition, await self._topic.span(partition), None, watch)
            return
        # Marks of an earlier run are only all there once its producer is fenced and its transaction settled.
        async with open_epoch(self._settings.kafka, f"dead-letters.{partition}", partition) as epoch:
            await self._go_through(partition, await self._topic.span(partition, whole=True), epoch, watch)

    async def _go_through(
        self, partition: int, span: range, epoch: KafkaEpoch | None, watch: Callable[[float], None]
    ) -> None:
        batch = Batch()
        async for letter in self._open(partition, span):
            watch((letter.at.offset - span.start) / len(span))
            try:
                writes = await self._action.letters(letter)
            except ActionRefused as impossible:
                self.report.refuse(letter.at, str(impossible))
                continue
            note = mark(letter, self._topic.name, self._action.state, datetime.now(UTC))
            batch.add(letter, [*writes, note])
            if batch.full:
                await self._finish(epoch, batch)
                batch = Batch()
        await self._finish(epoch, batch)
        watch(1.0)

    async def _open(self, partition: int, span: range) -> AsyncIterator[DeadLetterRecord]:
        """Yield the selected letters that nothing was done about."""
        states = await self._topic.states(partition, span)
        async for entry in self._topic.entries(partition, span):
            if isinstance(entry, ForeignRecord) and entry.at in self._selection.coordinates:
                self._seen.add(entry.at)
                self.report.refuse(entry.at, "it was not written by leadart")
            if not isinstance(entry, DeadLetterRecord) or not self._selection.matches(entry):
                continue
            self._seen.add(entry.at)
            if states[entry.at.offset] is DeadLetterState.OPEN:
                yield entry
            elif self._selection.coordinates:
                self.report.already += 1

    async def _finish(self, epoch: KafkaEpoch | None, batch: Batch) -> None:
        """Write a batch, unless this is a rehearsal, and count it."""
        if not batch.letters:
            return
        if epoch is not None:
            await self._commit(epoch, batch)
        self.report.letters += len(batch.letters)
        self.report.reasons.update(letter.reason for letter in batch.letters)

    async def _commit(self, epoch: KafkaEpoch, batch: Batch) -> None:
        first, last = batch.letters[0].at, batch.letters[-1].at
        try:
            await epoch.write_transaction(batch.writes)
        except RecordRefused as error:
            raise Fatal(
                Reason.ANNOUNCEMENT_REFUSED,
                f"Kafka refuses one of the letters {first} to {last}: {error}. None of them was {self._action.state}. "
                "Find it by naming them one by one.",
            ) from error
        except BusError as error:
            raise Fatal(
                Reason.BUS_UNAVAILABLE,
                f"Stopped at the letters {first} to {last}, after {self.report.letters} that are "
                f"{self._action.state} for certain: {_why(error)}. Run it again: what went through is marked, and "
                "nothing is doubled.",
            ) from error


def _why(error: BusError) -> str:
    if was_fenced(error):
        return "somebody else has begun to redrive or purge here, or Kafka ended the transaction for its age"
    return f"Kafka did not confirm it ({error})"
