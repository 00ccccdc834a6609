"""Where an article's records are looked for: first in the partition of its key, then in all others."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from consumer.admin.trace.assembly import last_holds, traced_heads, traced_letters, traced_outcomes, traced_requests
from consumer.admin.trace.filters import ArticleFilter, HeadFilter, LetterFilter, RecordFilter, RequestFilter
from consumer.admin.trace.group import GroupView
from consumer.admin.trace.scan import TopicScan
from consumer.admin.trace.timeline import SearchFacts, Timeline
from consumer.delivery.controls import controls_key
from consumer.delivery.ports import Partition
from consumer.jobs import Record
from consumer.kafka.topics import key_partition, lane_topics, retry_policy
from consumer.settings import Settings
from schemas import names
from schemas.salvage import salvage

_Found = Mapping[Partition, Sequence[Record]]


@dataclass(frozen=True, slots=True)
class TraceQuery:
    """What is traced: an article, or a request and with it its article.

    `since_ms` leaves out older records (0: none). `all_partitions` reads all of them, not only the one that the key
    belongs in. `verify` compares the digests of stored files, not only their sizes. `seconds` bounds the reading of the
    topics.
    """

    article: str = ""
    request_id: str = ""
    since_ms: int = 0
    all_partitions: bool = False
    verify: bool = False
    seconds: float = 600.0


def trace_topics(settings: Settings) -> tuple[str, ...]:
    """Return the full names of the topics that a trace reads, in that order: outcomes after what they answer."""
    rest = (settings.topics.named(base) for base in (names.DEAD_LETTER, names.OUTCOME, names.HEADS))
    return (*lane_topics(settings), *rest)


class TraceSearch:
    """One search. `counts` has the partition count of each topic."""

    def __init__(
        self, settings: Settings, counts: Mapping[str, int], group: GroupView, scan: TopicScan, query: TraceQuery
    ) -> None:
        self._settings = settings
        self._counts = counts
        self._group = group
        self._scan = scan
        self._query = query
        self._lanes = lane_topics(settings)
        self._letters = settings.topics.named(names.DEAD_LETTER)
        self._outcomes = settings.topics.named(names.OUTCOME)
        self._heads = settings.topics.named(names.HEADS)

    async def run(self) -> Timeline:
        """Read what is needed. Raises `BusError` and `Fatal`."""
        article, numbers = self._query.article, set[int]()
        mine: _Found = {}
        every = set(range(max(self._counts.values())))
        if not article:
            mine = await self._of_request(every)
            article, numbers = _article_of(mine), {at.number for at, records in mine.items() if records}
        home = key_partition(article.encode(), self._counts[self._lanes[0]])
        numbers = every if self._query.all_partitions or not article else numbers | {home}
        found = await self._find(article, numbers) if article else {}
        elsewhere = bool(article) and not self._any(found) and numbers < every
        if elsewhere:
            found = await self._find(article, every - numbers)
            numbers = every
        return await self._timeline(article, _joined(found, mine), home, numbers, elsewhere=elsewhere)

    def _any(self, found: _Found) -> bool:
        """Return whether anything of the article was found: every partition has controls."""
        controls = controls_key(self._settings.kafka.group_id)
        return any(record.key != controls for record in chain(*found.values()))

    async def _of_request(self, numbers: Collection[int]) -> _Found:
        wanted: RecordFilter = RequestFilter(self._query.request_id)
        topics = [*self._lanes, self._letters, self._outcomes]
        return await self._read(dict.fromkeys(topics, wanted), numbers)

    async def _find(self, article: str, numbers: Collection[int]) -> _Found:
        wanted: RecordFilter = ArticleFilter(article)
        filters = {
            **dict.fromkeys([*self._lanes, self._outcomes], wanted),
            self._letters: LetterFilter(wanted),
            self._heads: HeadFilter(self._settings.kafka.group_id, article),
        }
        return await self._read(filters, numbers)

    async def _read(self, filters: Mapping[str, RecordFilter], numbers: Collection[int]) -> _Found:
        partitions = [
            Partition(topic, number)
            for topic in trace_topics(self._settings)
            for number in sorted(numbers)
            if topic in filters and number < self._counts[topic]
        ]
        spans = await self._scan.spans(partitions, self._heads)
        return await self._scan.find({at: spans[at] for at in partitions if spans[at]}, filters)

    async def _timeline(
        self, article: str, found: _Found, home: int, numbers: Collection[int], *, elsewhere: bool
    ) -> Timeline:
        report, retries = self._scan.report, retry_policy(self._settings)
        group_id, lanes = self._settings.kafka.group_id, list(_of(found, *self._lanes))
        used = {record.partition for record in lanes} or set(numbers)
        holds = last_holds(_of(found, self._heads), self._group, article)
        requests = traced_requests(lanes, retries, self._group, holds)
        search = SearchFacts(
            home=home,
            partitions=tuple(sorted(numbers)),
            elsewhere=elsewhere,
            since_ms=self._query.since_ms,
            records=report.records,
            left_out=report.left_out,
            hidden=await self._hidden(used),
            unread=tuple(report.unread),
        )
        return Timeline(
            article=article,
            search=search,
            group=self._group.facts(used),
            requests=requests,
            outcomes=traced_outcomes(_of(found, self._outcomes), requests),
            letters=traced_letters(_of(found, self._letters)),
            heads=traced_heads(_of(found, self._heads), group_id, article),
        )

    async def _hidden(self, numbers: Collection[int]) -> int:
        """Return how many offsets of the lanes wait behind an open transaction, where no worker sees them."""
        spans = {at: span for at, span in self._group.spans.items() if at.number in numbers}
        ends = await self._scan.reader.ends(list(spans)) if spans else {}
        return sum(max(0, span.stop - ends[at]) for at, span in spans.items())


def _of(found: _Found, *topics: str) -> Iterable[Record]:
    return chain(*(records for partition, records in found.items() if partition.topic in topics))


def _article_of(found: _Found) -> str:
    """Return the article of the newest record that says one, empty if none does."""
    newest = sorted(chain(*found.values()), key=lambda one: one.timestamp_ms, reverse=True)
    articles = (salvage(record.key, record.headers, record.value).article_id for record in newest)
    return next((article for article in articles if article), "")


def _joined(found: _Found, others: _Found) -> _Found:
    """Return the records of both, each once and in the topic's order: of the article's, only the newest are kept."""
    return {
        at: sorted({one.offset: one for one in (*found.get(at, ()), *others.get(at, ()))}.values(), key=_offset)
        for at in {**found, **others}
    }


def _offset(record: Record) -> int:
    return record.offset
