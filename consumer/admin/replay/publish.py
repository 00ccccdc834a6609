"""Publish a replay: each record once, however earlier runs ended.

Each replay id has one transactional producer: starting it shuts out every other run of the same replay and settles what
that left open. Only then is the lane searched for published records, and only then is anything written.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from consumer.admin.controls import shard_controls
from consumer.admin.queued import traits_of
from consumer.admin.replay.replayed_record import build_forced, build_replayed
from consumer.admin.replay.selection import ReplaySpec
from consumer.admin.replay.source import OriginalRequest, SourceLane
from consumer.admin.replay.throttle import Throttle
from consumer.admin.transactions import RefusalReport, explain_unconfirmed
from consumer.delivery.batch_limit import MAX_BATCH_BYTES
from consumer.delivery.controls import Controls
from consumer.delivery.ports import MAX_RECORD_BYTES, BusError, OutgoingRecord, Partition, RecordRefused
from consumer.delivery.replay_origin import ReplayOrigin, parse_origin
from consumer.errors import Fatal
from consumer.kafka.partition_reader import PartitionReader
from consumer.kafka.producer import KafkaEpoch, open_epoch
from consumer.settings import Settings
from schemas import ImageRequested, Reason
from schemas.names import BACKFILL


@dataclass(frozen=True, slots=True)
class BackfillLane:
    """The lane that a replay writes to: its readers of `committed` records and of `everything`, its record limit."""

    committed: PartitionReader
    everything: PartitionReader
    max_bytes: int = MAX_RECORD_BYTES


@dataclass(slots=True)
class ReplayReport(RefusalReport):
    """What a run did: records `published`, `already` in the lane before, `gone` from their source meanwhile.

    `refusals` are those that the lane does not take; editors' `decisions` are left out.
    """

    published: int = 0
    already: int = 0
    gone: int = 0
    decisions: int = 0


@dataclass(slots=True)
class ReplayPublisher:
    """One run of a replay; `watch` is given the number of records just done."""

    settings: Settings
    spec: ReplaySpec
    source: SourceLane
    lane: BackfillLane
    throttle: Throttle
    watch: Callable[[int], None]
    report: ReplayReport = field(default_factory=ReplayReport)

    @property
    def _topic(self) -> str:
        return self.settings.topics.named(BACKFILL)

    async def run(self, offsets: Mapping[int, Sequence[int]]) -> ReplayReport:
        """Publish what is not in the lane. Raises `Fatal` or `BusError`; `report` holds what was done for certain.

        It is safe to cancel at any await: the next run reads what became of the transaction that was open.
        """
        async with open_epoch(self.settings.kafka, f"replay.{self.spec.id}", 0) as epoch:
            queue: deque[tuple[int, deque[int]]] = deque()
            controls = await shard_controls(self.settings) if offsets else []
            for partition, chosen in offsets.items():
                published = await self._published(partition, controls[partition])
                self.report.already += sum(offset in published for offset in chosen)
                queue.append((partition, deque(offset for offset in chosen if offset not in published)))
            self.watch(self.report.already)
            while queue:  # partitions take turns, so that every worker has work from the start
                partition, rest = queue.popleft()
                if rest:
                    await self._publish_some(epoch, partition, rest)
                    queue.append((partition, rest))
        return self.report

    async def _published(self, partition: int, controls: Controls) -> set[int]:
        """Return the source offsets of this replay's records in the lane, without those that were called off.

        Everything that has been written is read: they may follow a transaction that another producer has open.
        """
        lane, offsets = Partition(self._topic, partition), set()
        span = await self.lane.everything.span(lane)
        async for record in self.lane.committed.records(lane, span):
            origin = parse_origin(record.headers)
            if origin and origin == ReplayOrigin(self.spec.id, self.spec.range.topic, partition, origin.offset):
                traits = traits_of(record, self.source.retries)
                if traits is None or controls.cancel_of(traits) is None:
                    offsets.add(origin.offset)
        return offsets

    async def _publish_some(self, epoch: KafkaEpoch, partition: int, rest: deque[int]) -> None:
        """Publish the next records of a partition, as many as the throttle grants now."""
        granted = await self.throttle.acquire()
        offsets = [rest.popleft() for _ in range(min(granted, len(rest)))]
        batch: list[OutgoingRecord] = []
        size = seen = 0
        async for original in self.source.originals(partition, offsets):
            seen += 1
            try:
                outgoing = self._outgoing(original)
            except ValueError as error:
                self.report.refuse(f"{original.record.partition}:{original.record.offset}", str(error))
                continue
            if batch and size + outgoing.size > MAX_BATCH_BYTES:
                await self._write(epoch, batch)
                batch, size = [], 0
            batch.append(outgoing)
            size += outgoing.size
        await self._write(epoch, batch)
        self.report.gone += len(offsets) - seen
        self.watch(len(offsets))

    def _outgoing(self, original: OriginalRequest) -> OutgoingRecord:
        """Return the record for the lane. Raises `ValueError` for one that the lane cannot take."""
        record = original.record
        outgoing = build_replayed(record, original.headers, self._topic, self.spec.id)
        if self.spec.force and isinstance(original.request, ImageRequested):  # a re-crop names its picture
            origin = ReplayOrigin(self.spec.id, record.topic, record.partition, record.offset)
            outgoing = build_forced(outgoing, original.event, original.request, origin)
        if outgoing.size > (limit := self.lane.max_bytes):
            raise ValueError(f"with our headers it has {outgoing.size} bytes, and {self._topic} takes {limit}")
        return outgoing

    async def _write(self, epoch: KafkaEpoch, batch: Sequence[OutgoingRecord]) -> None:
        if not batch:
            return
        try:
            await epoch.write_transaction(batch)
        except RecordRefused as error:
            raise Fatal(Reason.ANNOUNCEMENT_REFUSED, self._stopped(f"Kafka refuses a record: {error}")) from error
        except BusError as error:
            why = explain_unconfirmed(error, "another run of this replay has begun")
            raise Fatal(Reason.BUS_UNAVAILABLE, self._stopped(why)) from error
        self.report.published += len(batch)
        self.throttle.spend(len(batch))

    def _stopped(self, why: str) -> str:
        return (
            f"Stopped after {self.report.published} records that are certainly published: {why}. Run it again with the "
            "same range: nothing is published twice."
        )
