"""The newest outcomes of a topic that may be long: searched from its end, bounded in time and in memory."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from consumer.delivery.ports import Partition
from consumer.jobs import Record
from consumer.kafka.admin_client import require_topics
from consumer.kafka.announced import AnnouncedEvent, parse_announced
from consumer.kafka.partition_reader import PartitionReader, open_partition_reader
from consumer.settings import Settings
from schemas import names

SEARCH_SECONDS = 20.0
FIRST_OFFSETS, MOST_OFFSETS = 2_000, 16_000
"""Offsets of all partitions together that are read and held at once: in the first step, and in a later one."""


@dataclass(frozen=True, slots=True)
class RecentOutcomes:
    """The newest outcomes found, oldest first."""

    outcomes: Sequence[AnnouncedEvent]
    searched_since: datetime | None
    """Where the search ran out of time: older outcomes may be missing. None if none is."""


async def recent_outcomes(
    settings: Settings, last: int, article: str | None = None, seconds: float = SEARCH_SECONDS
) -> RecentOutcomes:
    """Return the `last` outcomes, of one article if given, found within `seconds`.

    Raises `BusError` when no broker answers, `Fatal` if the topic is missing or may not be read.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    topic = settings.topics.named(names.OUTCOME)
    counts = await require_topics(settings.kafka, [topic])
    async with open_partition_reader(settings.kafka) as reader:
        spans = await reader.spans([Partition(topic, number) for number in range(counts[topic])])
        search = OutcomeSearch(spans, last, article)
        while search.steps and not search.is_complete and loop.time() < deadline:
            await search.step_back(reader, deadline - loop.time())
    return search.result()


class OutcomeSearch:
    """Goes back through all partitions side by side, in steps that double."""

    def __init__(self, spans: Mapping[Partition, range], last: int, article: str | None) -> None:
        self._unread = {partition: span for partition, span in spans.items() if span}
        self._since = dict.fromkeys(self._unread, int(datetime.now(UTC).timestamp() * 1000))
        self._last = last
        self._key = None if article is None else article.encode()
        self._offsets = FIRST_OFFSETS
        self._found: list[AnnouncedEvent] = []
        self._ran_out_of_time = False

    @property
    def steps(self) -> dict[Partition, range]:
        """The part of each partition to be read next; empty at the beginning of all."""
        each = self._offsets // max(len(self._unread), 1) or 1
        return {at: range(max(span.start, span.stop - each), span.stop) for at, span in self._unread.items()}

    @property
    def is_complete(self) -> bool:
        """True once nothing unread can be newer than the outcomes found."""
        enough = len(self._found) >= self._last
        return enough and all(self._found[0].record.timestamp_ms >= self._since[at] for at in self._unread)

    async def step_back(self, reader: PartitionReader, seconds: float) -> None:
        """Read the next step. Raises `BusError`."""
        steps = self.steps
        for partition, done in (await reader.side_by_side(steps, seconds)).items():
            self._take(partition, done.records)
            self._ran_out_of_time |= done.stop < steps[partition].stop
        unread = {at: range(span.start, steps[at].start) for at, span in self._unread.items()}
        self._unread = {at: span for at, span in unread.items() if span}
        self._offsets = min(2 * self._offsets, MOST_OFFSETS)

    def _take(self, partition: Partition, records: Sequence[Record]) -> None:
        if records:
            self._since[partition] = records[0].timestamp_ms
        chosen = [record for record in records if self._key in {None, record.key}]
        outcomes = filter(None, map(parse_announced, chosen[-self._last :]))
        self._found = sorted([*self._found, *outcomes], key=lambda one: one.record.timestamp_ms)[-self._last :]

    def result(self) -> RecentOutcomes:
        """Return what has been found so far."""
        if self.is_complete or not (self._unread or self._ran_out_of_time):
            return RecentOutcomes(self._found, None)
        since = max(self._since[at] for at in self._unread or self._since)
        return RecentOutcomes(self._found, datetime.fromtimestamp(since / 1000, UTC))
