"""Acting on dead letters: the action and its mark are one transaction, so nothing is done twice.

For each partition: fence the earlier run and settle what it left pending, only then read the marks, then write. A run
that dies, is stopped or is overtaken by another leaves marks for everything that it did, and nothing else.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

from consumer.admin.dead_letters.dead_letter import (
    Coordinates,
    DeadLetterRecord,
    DeadLetterState,
    ForeignRecord,
    build_mark,
)
from consumer.admin.dead_letters.selection import Selection
from consumer.admin.dead_letters.topic import DeadLetterTopic
from consumer.admin.transactions import RefusalReport, explain_unconfirmed
from consumer.delivery.batch_limit import MAX_BATCH_BYTES, MAX_BATCH_RECORDS
from consumer.delivery.ports import BusError, OutgoingRecord, RecordRefused
from consumer.errors import Fatal
from consumer.kafka.producer import KafkaEpoch, open_epoch
from consumer.settings import Settings
from schemas import Reason


class ActionRefused(Exception):
    """The action is impossible for a dead letter; the message says why."""


class DeadLetterAction(Protocol):
    """What to do to dead letters."""

    state: DeadLetterState
    """The state that they are marked with."""

    async def outgoing(self, letter: DeadLetterRecord) -> Sequence[OutgoingRecord]:
        """Return the records to write besides the mark. Raises `ActionRefused`."""


@dataclass(slots=True)
class DeadLetterReport(RefusalReport):
    """What was done, or would be: `letters` acted on, counted by `reasons`; `already` marked, of those named singly.

    `deleted` counts dead letters deleted from the topic itself.
    """

    letters: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    already: int = 0
    deleted: int = 0


@dataclass(slots=True)
class ActionBatch:
    """Dead letters acted on in one transaction, and the records it writes."""

    letters: list[DeadLetterRecord] = field(default_factory=list)
    outgoing: list[OutgoingRecord] = field(default_factory=list)
    size: int = 0

    def add(self, letter: DeadLetterRecord, outgoing: Sequence[OutgoingRecord]) -> None:
        """Add a dead letter and its records."""
        self.letters.append(letter)
        self.outgoing += outgoing
        self.size += sum(record.size for record in outgoing)

    @property
    def full(self) -> bool:
        """Whether the transaction has reached its limit."""
        return len(self.letters) >= MAX_BATCH_RECORDS or self.size >= MAX_BATCH_BYTES


@dataclass(slots=True)
class ActionRunner:
    """Applies an action to the selected dead letters, or rehearses it; `watch` is given the share that is done."""

    settings: Settings
    topic: DeadLetterTopic
    selection: Selection
    action: DeadLetterAction
    watch: Callable[[float], None]
    report: DeadLetterReport = field(default_factory=DeadLetterReport)
    _seen: set[Coordinates] = field(default_factory=set)

    async def run(self, *, execute: bool) -> DeadLetterReport:
        """Go through the partitions. Raises `Fatal` or `BusError`; `report` then holds what was done for certain."""
        partitions = list(self.selection.partitions(self.topic.partitions))
        for done, partition in enumerate(partitions):
            await self._partition(partition, partial(self._progress, done, len(partitions)), execute=execute)
        for at in sorted(self.selection.coordinates - self._seen):
            self.report.refuse(at, self.topic.explain_absence(at))
        return self.report

    def _progress(self, done: int, partitions: int, share: float) -> None:
        self.watch((done + share) / partitions)

    async def _partition(self, partition: int, watch: Callable[[float], None], *, execute: bool) -> None:
        if not await self.topic.span(partition, whole=True):
            return
        if not execute:
            await self._act(partition, await self.topic.span(partition), None, watch)
            return
        # The marks of an earlier run are complete only once its producer is fenced and its transaction settled.
        async with open_epoch(self.settings.kafka, f"dead-letters.{partition}", partition) as epoch:
            await self._act(partition, await self.topic.span(partition, whole=True), epoch, watch)

    async def _act(self, partition: int, span: range, epoch: KafkaEpoch | None, watch: Callable[[float], None]) -> None:
        batch = ActionBatch()
        async for letter in self._open_letters(partition, span):
            watch((letter.at.offset - span.start) / len(span))
            try:
                outgoing = await self.action.outgoing(letter)
            except ActionRefused as refused:
                self.report.refuse(letter.at, str(refused))
                continue
            mark = build_mark(letter, self.topic.name, self.action.state, datetime.now(UTC))
            batch.add(letter, [*outgoing, mark])
            if batch.full:
                await self._finish(epoch, batch)
                batch = ActionBatch()
        await self._finish(epoch, batch)
        watch(1.0)

    async def _open_letters(self, partition: int, span: range) -> AsyncIterator[DeadLetterRecord]:
        """Yield the selected dead letters that are still open."""
        states = await self.topic.states(partition, span)
        async for entry in self.topic.entries(partition, span):
            if isinstance(entry, ForeignRecord) and entry.at in self.selection.coordinates:
                self._seen.add(entry.at)
                self.report.refuse(entry.at, "it was not written by leadart")
            if not isinstance(entry, DeadLetterRecord) or not self.selection.matches(entry):
                continue
            self._seen.add(entry.at)
            if states[entry.at.offset] is DeadLetterState.OPEN:
                yield entry
            elif self.selection.coordinates:
                self.report.already += 1

    async def _finish(self, epoch: KafkaEpoch | None, batch: ActionBatch) -> None:
        """Write a batch, unless this is a dry run, and count it."""
        if not batch.letters:
            return
        if epoch is not None:
            await self._commit(epoch, batch)
        self.report.letters += len(batch.letters)
        self.report.reasons.update(letter.reason for letter in batch.letters)

    async def _commit(self, epoch: KafkaEpoch, batch: ActionBatch) -> None:
        first, last = batch.letters[0].at, batch.letters[-1].at
        try:
            await epoch.write_transaction(batch.outgoing)
        except RecordRefused as error:
            raise Fatal(
                Reason.ANNOUNCEMENT_REFUSED,
                f"Kafka refuses one of the dead letters {first} to {last}: {error}. "
                f"None of them was {self.action.state}. Find it by naming them one by one.",
            ) from error
        except BusError as error:
            why = explain_unconfirmed(error, "another run has begun to redrive or purge here")
            raise Fatal(
                Reason.BUS_UNAVAILABLE,
                f"Stopped at the dead letters {first} to {last}; {self.report.letters} before them are certainly "
                f"{self.action.state}: {why}. Run it again: what went through is marked, and nothing is done twice.",
            ) from error
