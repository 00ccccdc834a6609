"""Looking through a range of a lane: what is valid there, and which requests are the newest of their slots."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from consumer.admin.replay.newest_requests import NewestRequests, SlotRequest
from consumer.admin.replay.offset_range import OffsetRange
from consumer.delivery.heads import Slot
from consumer.delivery.ports import Partition
from consumer.kafka.topics import retry_policy
from schemas import ContractError
from schemas.reader import parse_request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from consumer.admin.replay.offset_range import RangeEnd
    from consumer.admin.replay.selection import Filters
    from consumer.delivery.retry import Headers
    from consumer.jobs import Record
    from consumer.kafka.partition_reader import PartitionReader
    from consumer.settings import Settings
    from schemas import ImageRequested
    from schemas.cloudevents import Event

INVALID_TOLD: Final = 20
GAP: Final = 2_000
"""Offsets between two sought records that are rather passed over than read."""


@dataclass(slots=True)
class PartitionSurvey:
    """One partition's part: offsets that could be read, records read, valid ones, newest of their slot, and chosen."""

    span: range
    read: int = 0
    valid: int = 0
    newest: int = 0
    chosen: int = 0


@dataclass(slots=True)
class Survey:
    """What lies in a range. `offsets` are those of the chosen records; `told` names the first that were invalid.

    `pictures` is how many the chosen ones ask for together.
    """

    shares: dict[int, PartitionSurvey]
    offsets: Mapping[int, Sequence[int]] = field(default_factory=dict)
    pictures: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    told: list[tuple[str, str]] = field(default_factory=list)

    @property
    def chosen(self) -> int:
        """How many requests are to be replayed."""
        return sum(share.chosen for share in self.shares.values())

    def refuse(self, record: Record, error: ContractError) -> None:
        """Take note of a record that is no valid request."""
        self.reasons[error.reason.value] += 1
        if len(self.told) < INVALID_TOLD:
            self.told.append((f"{record.partition}:{record.offset}", f"{error.message} ({error.reason})"))


@dataclass(frozen=True, slots=True)
class OriginalRequest:
    """A valid request as its publisher wrote it; `theirs` are its headers without those of a retry."""

    record: Record
    theirs: Headers
    event: Event
    request: ImageRequested


class SourceLane:
    """Reads one lane, in no group."""

    def __init__(self, settings: Settings, reader: PartitionReader, topic: str, partitions: int) -> None:
        self.topic = topic
        self._reader = reader
        self._retries = retry_policy(settings)
        self._partitions = [Partition(topic, number) for number in range(partitions)]

    async def resolve(self, since: RangeEnd, until: RangeEnd | None) -> OffsetRange:
        """Return the range as offsets. Without `until` it ends where the lane does now. Raises `BusError`."""
        ends = [since, *([until] if until else [])]
        named = [tp for tp in self._partitions if all(end.includes(tp.number) for end in ends)]
        there = await self._reader.spans(named)
        starts = await self._ends(since, there)
        stops = await self._ends(until, there) if until else {tp: span.stop for tp, span in there.items()}
        return OffsetRange.of(self.topic, {tp.number: range(starts[tp], stops[tp]) for tp in named})

    async def _ends(self, place: RangeEnd, there: Mapping[Partition, range]) -> dict[Partition, int]:
        if place.moment is None:
            return {tp: place.offset_in(tp.number) or 0 for tp in there}
        if not there:
            return {}
        found = await self._reader.first_since(dict.fromkeys(there, max(0, int(place.moment.timestamp() * 1000))))
        return {tp: span.stop if (at := found[tp]) is None else at for tp, span in there.items()}

    async def survey(
        self, extent: OffsetRange, filters: Filters, failed: Mapping[Slot, int] | None, watch: Callable[[float], None]
    ) -> Survey:
        """Read the range. `failed` tells the revision of each slot whose last outcome was a failure, None: any will do.

        The newest request of a slot is found before the filters are asked: what has a newer one is never replayed.
        """
        there = await self._reader.spans([Partition(self.topic, number) for number in extent.spans])
        shares = {tp.number: PartitionSurvey(_common(extent.spans[tp.number], span)) for tp, span in there.items()}
        survey, newest = Survey(shares), NewestRequests()
        total, done = sum(len(share.span) for share in shares.values()), 0
        for partition, share in shares.items():
            async for record in self._reader.records(Partition(self.topic, partition), share.span):
                watch((done + record.offset - share.span.start) / total)
                share.read += 1
                self._consider(record, survey, newest, filters, failed)
            done += len(share.span)
        return _counted(survey, newest)

    def _consider(
        self,
        record: Record,
        survey: Survey,
        newest: NewestRequests,
        filters: Filters,
        failed: Mapping[Slot, int] | None,
    ) -> None:
        try:
            request = self.original(record).request
        except ContractError as error:
            survey.refuse(record, error)
            return
        survey.shares[record.partition].valid += 1
        slot, revision = Slot(request.article.id, request.output.slot), request.article.revision
        chosen = filters.take(request) and (failed is None or failed.get(slot) == revision)
        at = (record.timestamp_ms, record.partition, record.offset)
        newest.offer(slot, SlotRequest(revision, *at, chosen, request.output.variants))

    def original(self, record: Record) -> OriginalRequest:
        """Read a record. Raises `ContractError` for one that is no valid request."""
        theirs = self._retries.unwrap(record).original.headers
        return OriginalRequest(record, theirs, *parse_request(record.key, theirs, record.value))

    async def originals(self, partition: int, offsets: Sequence[int]) -> AsyncIterator[OriginalRequest]:
        """Read single records again, in the order of their offsets; those that are gone meanwhile are left out."""
        wanted = frozenset(offsets)
        for span in runs(offsets):
            async for record in self._reader.records(Partition(self.topic, partition), span):
                if record.offset in wanted:
                    yield self.original(record)


def runs(offsets: Sequence[int]) -> list[range]:
    """Return spans that hold all of the ascending offsets, and no wide gap between two of them."""
    spans: list[range] = []
    for offset in offsets:
        if spans and offset - spans[-1].stop < GAP:
            spans[-1] = range(spans[-1].start, offset + 1)
        else:
            spans.append(range(offset, offset + 1))
    return spans


def _common(wanted: range, there: range) -> range:
    start = max(wanted.start, there.start)
    return range(start, max(start, min(wanted.stop, there.stop)))


def _counted(survey: Survey, newest: NewestRequests) -> Survey:
    for _slot, candidate in newest:
        survey.shares[candidate.partition].newest += 1
    chosen = newest.per_partition()
    survey.offsets = {partition: [one.offset for one in found] for partition, found in chosen.items()}
    survey.pictures = sum(one.pictures for found in chosen.values() for one in found)
    for partition, found in chosen.items():
        survey.shares[partition].chosen = len(found)
    return survey
