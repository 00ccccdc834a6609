"""Publishing a replay: each record once, however earlier runs ended.

One transactional producer for each replay id: whoever starts it shuts out every other run of the same replay and
settles what that left open. Only then is the lane read for what is in it, and only then is anything written.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from consumer.admin.replay.replayed_record import ReplayOrigin, forced, origin, replayed
from consumer.delivery.batch_limit import MAX_BATCH_BYTES
from consumer.delivery.ports import MAX_RECORD_BYTES, BusError, Partition, RecordRefused
from consumer.errors import Fatal
from consumer.kafka.producer import open_epoch, was_fenced
from schemas import Reason
from schemas.names import BACKFILL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from consumer.admin.replay.selection import ReplaySpec
    from consumer.admin.replay.source import OriginalRequest, SourceLane
    from consumer.admin.replay.throttle import Throttle
    from consumer.delivery.ports import OutgoingRecord
    from consumer.jobs import Record
    from consumer.kafka.partition_reader import PartitionReader
    from consumer.kafka.producer import KafkaEpoch
    from consumer.settings import Settings

REFUSALS_TOLD: Final = 20


@dataclass(frozen=True, slots=True)
class BackfillLane:
    """Where a replay goes: `committed` and `everything` read it; `max_bytes` is the largest record it takes."""

    committed: PartitionReader
    everything: PartitionReader
    max_bytes: int = MAX_RECORD_BYTES


@dataclass(slots=True)
class ReplayReport:
    """What a run did: records `published`, `already` in the lane from before, `gone` from their source meanwhile.

    `refusals` tells those that the lane would not take: where they lie, and why.
    """

    published: int = 0
    already: int = 0
    gone: int = 0
    refused: int = 0
    refusals: list[tuple[str, str]] = field(default_factory=list)


class ReplayPublisher:
    """One run of a replay; `watch` hears how many records are done."""

    def __init__(  # noqa: PLR0913, PLR0917 - what it works with
        self,
        settings: Settings,
        order: ReplaySpec,
        source: SourceLane,
        lane: BackfillLane,
        pace: Throttle,
        watch: Callable[[int], None],
    ) -> None:
        self._settings = settings
        self._order = order
        self._source = source
        self._lane = lane
        self._pace = pace
        self._watch = watch
        self._topic = settings.topics.named(BACKFILL)
        self.report = ReplayReport()

    async def run(self, offsets: Mapping[int, Sequence[int]]) -> ReplayReport:
        """Publish what is not in the lane. Raises `Fatal` or `BusError`; `report` holds what went through for certain.

        Cancelling is safe at any await: the next run reads what became of a transaction that was under way.
        """
        async with open_epoch(self._settings.kafka, f"replay.{self._order.id}", 0) as epoch:
            left: deque[tuple[int, deque[int]]] = deque()
            for partition, chosen in offsets.items():
                there = await self._published(partition)
                self.report.already += sum(offset in there for offset in chosen)
                left.append((partition, deque(offset for offset in chosen if offset not in there)))
            self._watch(self.report.already)
            while left:  # in turn, so that every worker has some of it from the start
                partition, rest = left.popleft()
                if rest:
                    await self._some(epoch, partition, rest)
                    left.append((partition, rest))
        return self.report

    async def _published(self, partition: int) -> set[int]:
        """Return the offsets of the source whose records are in the lane from this replay.

        Read up to all that was written by now: they may lie behind a transaction that somebody else has open.
        """
        tp = Partition(self._topic, partition)
        span, there = await self._lane.everything.span(tp), set()
        async for record in self._lane.committed.records(tp, span):
            found = origin(record.headers)
            if found == ReplayOrigin(self._order.id, self._order.extent.topic, partition, found.offset if found else 0):
                there.add(found.offset)
        return there

    async def _some(self, epoch: KafkaEpoch, partition: int, rest: deque[int]) -> None:
        """Publish the next records of a partition, as many as may go now."""
        most = await self._pace.grant()
        offsets = [rest.popleft() for _ in range(min(most, len(rest)))]
        letters: list[OutgoingRecord] = []
        size = seen = 0
        async for original in self._source.originals(partition, offsets):
            seen += 1
            try:
                letter = self._letter(original)
            except ValueError as error:
                self._refuse(original.record, str(error))
                continue
            if letters and size + letter.size > MAX_BATCH_BYTES:
                await self._write(epoch, letters)
                letters, size = [], 0
            letters.append(letter)
            size += letter.size
        await self._write(epoch, letters)
        self.report.gone += len(offsets) - seen
        self._watch(len(offsets))

    def _letter(self, original: OriginalRequest) -> OutgoingRecord:
        """Return the record for the lane. Raises ValueError for one that the lane cannot take."""
        letter = replayed(original.record, original.theirs, self._topic, self._order.id)
        if self._order.force:
            record = original.record
            at = ReplayOrigin(self._order.id, record.topic, record.partition, record.offset)
            letter = forced(letter, original.event, original.request, at)
        if letter.size > (most := self._lane.max_bytes):
            raise ValueError(f"with our headers it has {letter.size} bytes, and {self._topic} takes {most}")
        return letter

    def _refuse(self, record: Record, why: str) -> None:
        self.report.refused += 1
        if len(self.report.refusals) < REFUSALS_TOLD:
            self.report.refusals.append((f"{record.partition}:{record.offset}", why))

    async def _write(self, epoch: KafkaEpoch, letters: Sequence[OutgoingRecord]) -> None:
        if not letters:
            return
        try:
            await epoch.write_transaction(letters)
        except RecordRefused as error:
            raise Fatal(Reason.ANNOUNCEMENT_REFUSED, self._stopped(f"Kafka refuses a record: {error}")) from error
        except BusError as error:
            why = f"Kafka did not confirm it ({error})"
            if was_fenced(error):
                why = "another run of this replay has begun, or Kafka ended the transaction for its age"
            raise Fatal(Reason.BUS_UNAVAILABLE, self._stopped(why)) from error
        self.report.published += len(letters)
        self._pace.spent(len(letters))

    def _stopped(self, why: str) -> str:
        return (
            f"Stopped after {self.report.published} records that are published for certain: {why}. Run it again with "
            "the same range: nothing is doubled."
        )
