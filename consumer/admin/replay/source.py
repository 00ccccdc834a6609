"""The lane that a replay reads: which requests of a range are valid, and which are the newest of their slots."""

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from consumer.admin.replay.selection import Filters, OffsetRange, RangeEnd
from consumer.delivery.heads import Slot
from consumer.delivery.ports import Partition
from consumer.delivery.retry import Headers
from consumer.errors import Fatal
from consumer.jobs import Record
from consumer.kafka.partition_reader import PartitionReader
from consumer.kafka.topics import retry_policy
from consumer.settings import Settings
from schemas import ContractError, ImageRequested, Reason
from schemas.cloudevents import Event
from schemas.reader import parse_request
from schemas.requests import ImageRequest

INVALID_NAMED: Final = 20
GAP: Final = 2_000
"""Offsets between two wanted records that are skipped rather than read."""


class SlotRequest(NamedTuple):
    """A request for a slot, ordered by revision, then by time written, then by position.

    `chosen`: it meets the filters. `pictures`: the number it asks for; a re-crop asks for none.
    """

    revision: int
    timestamp_ms: int
    partition: int
    offset: int
    chosen: bool = True
    pictures: int = 1


class NewestRequests:
    """Keeps one request for each slot: a few hundred bytes each, however many requests are offered."""

    def __init__(self) -> None:
        self._slots: dict[Slot, SlotRequest] = {}

    def offer(self, slot: Slot, request: SlotRequest) -> None:
        """Keep the request if it is the newest of its slot; the order of the offers does not matter."""
        kept = self._slots.get(slot)
        if kept is None or kept[:4] < request[:4]:
            self._slots[slot] = request

    def __iter__(self) -> Iterator[tuple[Slot, SlotRequest]]:
        return iter(self._slots.items())

    def per_partition(self) -> dict[int, list[SlotRequest]]:
        """Return the chosen requests of each partition, in offset order."""
        chosen: defaultdict[int, list[SlotRequest]] = defaultdict(list)
        for request in self._slots.values():
            if request.chosen:
                chosen[request.partition].append(request)
        return {partition: sorted(chosen[partition], key=lambda one: one.offset) for partition in sorted(chosen)}


@dataclass(slots=True)
class PartitionSurvey:
    """The counts of one partition: readable offsets, records read, valid, newest of their slot, and chosen."""

    span: range
    read: int = 0
    valid: int = 0
    newest: int = 0
    chosen: int = 0


@dataclass(slots=True)
class RangeSurvey:
    """What a range holds. `offsets` are those of the chosen records; `invalid` names the first invalid ones, and why.

    `pictures` is the number that the chosen requests ask for together. `decisions` of editors are never replayed: they
    hold until the next one, and an old one must not come after it.
    """

    partitions: dict[int, PartitionSurvey]
    offsets: Mapping[int, Sequence[int]] = field(default_factory=dict)
    pictures: int = 0
    decisions: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    invalid: list[tuple[str, str]] = field(default_factory=list)

    @property
    def chosen(self) -> int:
        """The number of requests to replay."""
        return sum(partition.chosen for partition in self.partitions.values())

    def reject(self, record: Record, error: ContractError) -> None:
        """Count a record that is not a valid request."""
        self.reasons[error.reason.value] += 1
        if len(self.invalid) < INVALID_NAMED:
            self.invalid.append((f"{record.partition}:{record.offset}", f"{error.message} ({error.reason})"))

    def choose(self, newest: NewestRequests) -> None:
        """Count the newest requests, and choose those among them that meet the filters."""
        for _slot, request in newest:
            self.partitions[request.partition].newest += 1
        chosen = newest.per_partition()
        self.offsets = {partition: [one.offset for one in requests] for partition, requests in chosen.items()}
        self.pictures = sum(one.pictures for requests in chosen.values() for one in requests)
        for partition, requests in chosen.items():
            self.partitions[partition].chosen = len(requests)


@dataclass(frozen=True, slots=True)
class OriginalRequest:
    """A valid request as its publisher wrote it; `headers` are without those of a retry."""

    record: Record
    headers: Headers
    event: Event
    request: ImageRequest


class SourceLane:
    """Reads one lane, in no group."""

    def __init__(self, settings: Settings, reader: PartitionReader, topic: str, partitions: int) -> None:
        self.topic = topic
        self._reader = reader
        self.retries = retry_policy(settings)
        self._partitions = [Partition(topic, number) for number in range(partitions)]

    async def resolve(self, since: RangeEnd, until: RangeEnd | None) -> OffsetRange:
        """Return the range as offsets; without `until` it ends where the lane ends now.

        Raises `BusError`, and `Fatal` for a partition that does not exist.
        """
        ends = [since, *([until] if until else [])]
        for number in sorted({number for end in ends for number, _ in end.offsets}):
            if number >= len(self._partitions):
                raise Fatal(
                    Reason.TOPICS_MISMATCH,
                    f"{self.topic} has no partition {number}: its partitions are 0 to {len(self._partitions) - 1}.",
                )
        chosen = [each for each in self._partitions if all(end.includes(each.number) for end in ends)]
        spans = await self._reader.spans(chosen)
        starts = await self._offsets(since, spans)
        stops = await self._offsets(until, spans) if until else {each: span.stop for each, span in spans.items()}
        return OffsetRange.of(self.topic, {each.number: range(starts[each], stops[each]) for each in chosen})

    async def _offsets(self, end: RangeEnd, spans: Mapping[Partition, range]) -> dict[Partition, int]:
        if end.moment is None:
            return {each: end.offset_in(each.number) or 0 for each in spans}
        if not spans:
            return {}
        found = await self._reader.first_since(dict.fromkeys(spans, max(0, int(end.moment.timestamp() * 1000))))
        return {each: span.stop if (at := found[each]) is None else at for each, span in spans.items()}

    async def survey(
        self,
        wanted: OffsetRange,
        filters: Filters,
        failed: Mapping[Slot, int] | None,
        watch: Callable[[float], None],
    ) -> RangeSurvey:
        """Read the range. `failed` has the revision of each slot whose last outcome is a failure; None: any request.

        The newest request of a slot is found before the filters apply: a request with a newer one is never replayed.
        """
        spans = await self._reader.spans([Partition(self.topic, number) for number in wanted.spans])
        partitions = {
            each.number: PartitionSurvey(_common(wanted.spans[each.number], span))
            for each, span in sorted(spans.items())
        }
        survey, newest = RangeSurvey(partitions), NewestRequests()
        total, done = sum(len(partition.span) for partition in partitions.values()), 0
        for number, partition in partitions.items():
            async for record in self._reader.records(Partition(self.topic, number), partition.span):
                watch((done + record.offset - partition.span.start) / total)
                partition.read += 1
                self._consider(record, survey, newest, filters, failed)
            done += len(partition.span)
        survey.choose(newest)
        return survey

    async def valid(self, wanted: OffsetRange, watch: Callable[[float], None]) -> AsyncIterator[OriginalRequest]:
        """Read all valid requests of the range, partition by partition; what is none is skipped."""
        spans = await self._reader.spans([Partition(self.topic, number) for number in wanted.spans])
        readable = {each: _common(wanted.spans[each.number], span) for each, span in sorted(spans.items())}
        total, done = sum(map(len, readable.values())), 0
        for partition, span in readable.items():
            async for record in self._reader.records(partition, span):
                watch((done + record.offset - span.start) / total)
                try:
                    original = self._parse(record)
                except ContractError:
                    continue
                if original is not None:
                    yield original
            done += len(span)

    def _consider(
        self,
        record: Record,
        survey: RangeSurvey,
        newest: NewestRequests,
        filters: Filters,
        failed: Mapping[Slot, int] | None,
    ) -> None:
        try:
            original = self._parse(record)
        except ContractError as error:
            survey.reject(record, error)
            return
        if original is None:
            survey.decisions += 1
            return
        request = original.request
        survey.partitions[record.partition].valid += 1
        slot, revision = Slot(request.article.id, request.slot), request.article.revision
        chosen = filters.match(request) and (failed is None or failed.get(slot) == revision)
        position = (record.timestamp_ms, record.partition, record.offset)
        pictures = request.output.variants if isinstance(request, ImageRequested) else 0
        newest.offer(slot, SlotRequest(revision, *position, chosen, pictures))

    def _parse(self, record: Record) -> OriginalRequest | None:
        """Parse a record; None for an editor's decision. Raises `ContractError` if it is not a valid request."""
        if record.not_read:
            raise ContractError(record.not_read_reason, record.not_read)
        headers = self.retries.unwrap(record).original.headers
        event, request = parse_request(record.key, headers, record.value)
        return OriginalRequest(record, headers, event, request) if isinstance(request, ImageRequest) else None

    async def originals(self, partition: int, offsets: Sequence[int]) -> AsyncIterator[OriginalRequest]:
        """Read single records again, in offset order; those deleted meanwhile are skipped."""
        wanted = frozenset(offsets)
        for span in runs(offsets):
            async for record in self._reader.records(Partition(self.topic, partition), span):
                if record.offset in wanted and (original := self._parse(record)) is not None:
                    yield original


def runs(offsets: Sequence[int]) -> list[range]:
    """Return spans that cover the ascending offsets, without wide gaps between two of them."""
    spans: list[range] = []
    for offset in offsets:
        if spans and offset - spans[-1].stop < GAP:
            spans[-1] = range(spans[-1].start, offset + 1)
        else:
            spans.append(range(offset, offset + 1))
    return spans


def _common(wanted: range, existing: range) -> range:
    start = max(wanted.start, existing.start)
    return range(start, max(start, min(wanted.stop, existing.stop)))
