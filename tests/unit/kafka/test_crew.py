"""From the raw record to its settlement: whatever comes, each record is settled exactly once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.errors import Fatal, Rejected
from consumer.jobs import Record
from consumer.kafka.crew import Crew
from consumer.kafka.outbox import Outbox
from consumer.kafka.progress import ProgressFeed
from consumer.scheduler import HandedBack
from consumer.settings import Settings
from consumer.telemetry.metrics import make_metrics
from schemas import ImageRequested, Reason, names
from schemas.cloudevents import Event, write

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumer.jobs import Job
    from consumer.kafka.bus import Settlement

BOUND = 10.0
TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
HEADER_NAMES = st.sampled_from(["content-type", "ce_id", "ce_source", "ce_type", "ce_specversion"]) | TEXT
RECORDS = st.builds(
    Record,
    topic=st.just(names.REQUESTED),
    partition=st.integers(0, 11),
    offset=st.integers(0, 2**40),
    key=st.none() | st.binary(max_size=20),
    value=st.none() | st.binary(max_size=200) | st.just(b'{"article": {"id": "a-1"}}'),
    headers=st.lists(st.tuples(HEADER_NAMES, st.none() | st.binary(max_size=20)), max_size=6).map(tuple),
    timestamp_ms=st.integers(0, 2**41),
)


class Pipeline:
    """Ends every job with one error."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error
        self.jobs: list[Job] = []

    async def produce(self, job: Job, teller: object, timings: object) -> Any:
        del teller, timings
        self.jobs.append(job)
        if self.error is None:
            await asyncio.Event().wait()
        raise self.error or AssertionError


def valid() -> Record:
    data = {"article": {"id": "a-1", "revision": 1, "headline": "Storm"}, "priority": "interactive"}
    headers, value = write(Event(id="r-1", source="/cms", type=names.IMAGE_REQUESTED, data=data))
    assert ImageRequested.model_validate(data)
    return Record(names.REQUESTED, 0, 0, b"a-1", value, tuple(headers), 0)


async def work(record: Record, pipeline: Pipeline, touch: Callable[[Any], None] = lambda _: None) -> list[Settlement]:
    """Let a crew work on one record and return what it settled."""
    settings, metrics = Settings(), make_metrics()
    settled: list[Settlement] = []
    outbox = Outbox(settings)
    async with asyncio.timeout(BOUND), asyncio.TaskGroup() as tasks:
        feed = ProgressFeed(settings, outbox, metrics)
        crew = Crew(tasks, pipeline=pipeline, outbox=outbox, progress=feed, metrics=metrics)  # type: ignore[arg-type]
        withdraw = crew.begin(record, settled.append)
        await asyncio.sleep(0)
        touch(withdraw)
    return settled


@given(RECORDS)
def test_any_record_is_settled_once_and_kept(record: Record) -> None:
    """Arbitrary bytes, keys and headers: one settlement, one dead letter, and an outcome where an article is known."""
    pipeline = Pipeline(Rejected(Reason.NOT_PAINTED, "no"))
    (settlement,) = asyncio.run(work(record, pipeline))
    topics = [letter.topic for letter in settlement.letters]

    assert topics.count(names.DEAD_LETTER) == 1
    assert topics.count(names.OUTCOME) == (settlement.facts["article_id"] is not None)


async def test_a_defect_of_ours_is_an_outcome_too() -> None:
    """An error nobody foresaw fails the one request, as `internal`, and keeps its record."""
    (settlement,) = await work(valid(), Pipeline(ZeroDivisionError()))

    assert settlement.facts["reason"] == "internal"
    assert [letter.topic for letter in settlement.letters] == [names.OUTCOME, names.DEAD_LETTER]


async def test_a_fatal_error_ends_the_worker_and_no_request() -> None:
    """What only an operator can mend must not drain the lane into the dead letters."""
    with pytest.raises(ExceptionGroup) as raised:
        await work(valid(), Pipeline(Fatal(Reason.MODEL_UNAVAILABLE, "no model")))

    assert raised.group_contains(Fatal)


async def test_work_handed_back_settles_nothing() -> None:
    """A job that the stopping worker hands back is left to the next owner."""
    assert await work(valid(), Pipeline(HandedBack())) == []


async def test_withdrawn_work_that_has_not_begun_is_cancelled() -> None:
    """A job without a turn at the engine ends at once when its shard moves."""
    assert await work(valid(), Pipeline(), lambda withdraw: withdraw(False)) == []


@pytest.mark.parametrize(("topic", "lane"), [(names.REQUESTED, "interactive"), ("t-" + names.BACKFILL, "backfill")])
async def test_the_lane_comes_from_topic_and_priority(topic: str, lane: str) -> None:
    """An editor's request is interactive; nothing in the backfill lane is."""
    pipeline = Pipeline(Rejected(Reason.NOT_PAINTED, "no"))
    await work(replace(valid(), topic=topic), pipeline)

    assert pipeline.jobs[0].lane == lane
