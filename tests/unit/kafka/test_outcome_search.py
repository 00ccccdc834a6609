"""The search for the newest outcomes, on a topic in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.delivery.ports import Partition
from consumer.jobs import Record
from consumer.kafka import outcome_search
from consumer.kafka.outcome_search import OutcomeSearch
from consumer.kafka.partition_reader import PartitionReader, SpanRecords
from tests.support.announcements import record

TOPIC = "outcomes"


class Topic:
    """Stands in for a `PartitionReader`: half of the offsets are control markers, as transactions leave them."""

    def __init__(self, articles: Sequence[tuple[int, str]], *, partitions: int = 3, time_is_up: bool = False) -> None:
        self.most_read = 0
        self._time_is_up = time_is_up
        self.records: dict[Partition, list[Record]] = {Partition(TOPIC, number): [] for number in range(partitions)}
        for ms, (number, article) in enumerate(articles):
            kept = self.records[Partition(TOPIC, number)]
            kept.append(record("ready", article_id=article, place=(number, 2 * len(kept)), ms=ms))

    @property
    def spans(self) -> dict[Partition, range]:
        return {at: range(2 * len(records)) for at, records in self.records.items()}

    async def side_by_side(self, spans: Mapping[Partition, range], seconds: float) -> dict[Partition, SpanRecords]:
        del seconds
        self.most_read = max(self.most_read, sum(map(len, spans.values())))
        return {
            at: SpanRecords(
                [one for one in self.records[at] if one.offset in span],
                span.start if self._time_is_up else span.stop,
            )
            for at, span in spans.items()
        }


async def search(topic: Topic, last: int, article: str | None = None, steps: int = 1000) -> OutcomeSearch:
    found = OutcomeSearch(topic.spans, last, article)
    while steps and found.steps and not found.is_complete:
        await found.step_back(cast("PartitionReader", topic), 1.0)
        steps -= 1
    return found


@given(
    articles=st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["a", "b", "c"])), max_size=60),
    last=st.integers(1, 10),
    article=st.sampled_from([None, "a"]),
)
async def test_the_newest_outcomes_are_found(articles: list[tuple[int, str]], last: int, article: str | None) -> None:
    """Exactly those, oldest first, however the partitions share the traffic."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outcome_search, "FIRST_OFFSETS", 6)
        found = (await search(Topic(articles), last, article)).result()
    wanted = [ms for ms, (_, of) in enumerate(articles) if article in {None, of}][-last:]

    assert [event.record.timestamp_ms for event in found.outcomes] == wanted
    assert found.searched_since is None


async def test_a_long_topic_is_read_in_bounded_steps() -> None:
    """What is held in memory does not grow with the topic."""
    topic = Topic([(ms % 3, "rare" if ms == 0 else "usual") for ms in range(20_000)])
    found = (await search(topic, 5, "rare")).result()

    assert [event.article for event in found.outcomes] == ["rare"]
    assert topic.most_read <= outcome_search.MOST_OFFSETS


@pytest.mark.parametrize("time_is_up", [False, True])
async def test_a_search_without_end_says_how_far_it_came(*, time_is_up: bool) -> None:
    """Between two steps, or within the only one: older outcomes may be missing."""
    topic = Topic([(ms % 3, "usual") for ms in range(600 if time_is_up else 6_000)], time_is_up=time_is_up)
    found = (await search(topic, 5, "rare", steps=1)).result()

    assert found.searched_since is not None
