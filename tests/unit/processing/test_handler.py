"""From the raw record to its result: whatever comes, each record gets exactly one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.delivery.heads import Claim, Slot
from consumer.delivery.in_flight import InFlightRecord
from consumer.delivery.ports import RecordResult
from consumer.delivery.ruling import UNRULED, Ruling, Verdict
from consumer.errors import Fatal, Overloaded, Rejected, Transient, Unpaintable, Unstorable, WorkerStopping
from consumer.jobs import Job, Record
from consumer.kafka.topics import retry_policy
from consumer.processing.ability import Ability
from consumer.processing.circuit_breaker import IN_A_ROW, BreakerPermit, CircuitBreaker
from consumer.processing.context import JobContext
from consumer.processing.handler import RequestHandler
from consumer.processing.outcomes import OutcomeBuilder
from consumer.processing.store_outage import Operation, StoreOutage
from consumer.settings import Settings
from consumer.telemetry.metrics import make_metrics
from consumer.testing.store import MemoryStore
from schemas import ImageProgress, ImageRequested, Reason, names
from schemas.cloudevents import Event, write

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


class NoFeed:
    """Publishes no progress."""

    enabled = False

    def publish(self, job: Job, progress: ImageProgress) -> None:
        raise AssertionError(job, progress)


class Pipeline:
    """Ends every job with one error."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error
        self.contexts: list[JobContext] = []

    def plan(self, context: JobContext, ruling: Ruling) -> Any:
        assert ruling == UNRULED
        return context

    def handover(self, context: JobContext, plan: Any) -> Any:
        assert plan is context
        return nullcontext()

    async def produce(self, context: JobContext, plan: Any) -> Any:
        assert plan is context
        self.contexts.append(context)
        if self.error is None:
            await asyncio.Event().wait()
        raise self.error or AssertionError


class InFlight(InFlightRecord):
    """A record in flight that nobody owns."""

    def __init__(self, record: Record, deaths: int = 0) -> None:
        super().__init__(record, deaths, lambda: None)
        self.results: list[RecordResult] = []
        self.competed: list[Claim] = []
        self.newer: int | None = None

    def register_claim(
        self,
        claim: Claim,
        superseded: Callable[[int], RecordResult],
        withdrawn: Callable[[Ruling], RecordResult] | None = None,
    ) -> Ruling:
        assert withdrawn is not None
        self.competed.append(claim)
        if self.newer is not None:
            self.complete(superseded(self.newer))
        return UNRULED if self.newer is None else Ruling(Verdict.SUPERSEDED)

    def complete(self, result: RecordResult) -> None:
        self.results.append(result)


def valid() -> Record:
    data = {"article": {"id": "a-1", "revision": 1, "headline": "Storm"}, "priority": "interactive"}
    headers, value = write(Event(id="r-1", source="/cms", type=names.IMAGE_REQUESTED, data=data))
    assert ImageRequested.model_validate(data)
    return Record(names.REQUESTED, 0, 0, b"a-1", value, tuple(headers), 0)


def handler_of(
    tasks: asyncio.TaskGroup,
    pipeline: Pipeline,
    breaker: CircuitBreaker | None = None,
    outage: StoreOutage | None = None,
    store: MemoryStore | None = None,
) -> RequestHandler:
    settings, metrics = Settings(), make_metrics()
    outcomes = OutcomeBuilder(settings)
    breaker, outage = breaker or CircuitBreaker(), outage or StoreOutage()
    return RequestHandler(
        tasks,
        pipeline=pipeline,  # type: ignore[arg-type]
        store=store or MemoryStore(),
        breaker=breaker,
        outage=outage,
        ability=Ability(lambda: True, outage, breaker),
        retries=retry_policy(settings),
        outcomes=outcomes,
        progress=NoFeed(),
        metrics=metrics,
        poison_deaths=2,
    )


async def work(
    record: Record, pipeline: Pipeline, touch: Callable[[Any], None] = lambda _: None, *, deaths: int = 0
) -> list[RecordResult]:
    """Let a handler work on one record and return what it settled."""
    in_flight = InFlight(record, deaths)
    async with asyncio.timeout(BOUND), asyncio.TaskGroup() as tasks:
        task = handler_of(tasks, pipeline).begin(in_flight)
        await asyncio.sleep(0)
        touch(task)
    return in_flight.results


@given(RECORDS)
def test_any_record_is_settled_once_and_kept(record: Record) -> None:
    """Arbitrary bytes, keys and headers: one result, one dead letter, and an outcome where an article is known."""
    pipeline = Pipeline(Rejected(Reason.NOT_PAINTED, "no"))
    (result,) = asyncio.run(work(record, pipeline))
    topics = [written.topic for written in result.records]

    assert topics.count(names.DEAD_LETTER) == 1
    assert topics.count(names.OUTCOME) == (result.facts["article_id"] is not None)


@pytest.mark.parametrize(
    ("error", "reason"),
    [(ZeroDivisionError(), "internal"), (Transient(Reason.ENGINE_FAILED, "x"), "engine_failed")],
)
async def test_a_passing_failure_is_tried_again_later(error: Exception, reason: str) -> None:
    """A failure of ours, foreseen or not, sends the request to the first retry lane and tells the CMS nothing yet."""
    (result,) = await work(valid(), Pipeline(error))

    assert result.facts["reason"] == reason
    assert [written.topic for written in result.records] == [names.RETRY_1M]


async def test_the_last_failure_is_an_outcome() -> None:
    """A request whose attempts are used up fails, its record kept, its reason that of the last attempt."""
    record, error = valid(), Transient(Reason.ENGINE_FAILED, "x")
    topics = []
    while names.DEAD_LETTER not in topics:
        (result,) = await work(record, Pipeline(error))
        written = result.records[-1]
        topics.append(written.topic)
        record = Record(written.topic, 0, 9, written.key, written.value, written.headers, 0)

    assert topics == [names.RETRY_1M, names.RETRY_10M, names.RETRY_1H, names.DEAD_LETTER]
    assert (result.facts["attempts"], result.facts["reason"]) == (4, "engine_failed")


async def test_a_record_too_large_to_read_fails_unparsed() -> None:
    """What stands for it says why: it becomes a dead letter, and nothing is painted."""
    pipeline = Pipeline()
    (result,) = await work(replace(valid(), value=None, not_read="The record has over a million bytes."), pipeline)

    assert (result.facts["reason"], result.facts["message"]) == ("too_large", "The record has over a million bytes.")
    assert pipeline.contexts == []


async def test_a_request_that_two_workers_ended_with_is_tried_again_later() -> None:
    """After a worker's death a request is painted alone; after the second it waits in a retry lane."""
    suspected, waiting = Pipeline(Rejected(Reason.NOT_PAINTED, "no")), Pipeline()
    await work(valid(), suspected, deaths=1)
    (result,) = await work(valid(), waiting, deaths=2)

    assert suspected.contexts[0].suspect
    assert waiting.contexts == []
    assert result.facts["reason"] == "engine_failed"
    assert [written.topic for written in result.records] == [names.RETRY_1M]


async def test_an_open_breaker_holds_what_fails() -> None:
    """From the fifth failure in a row nothing is sent on: the requests wait, and no more are admitted."""
    pipeline, breaker = Pipeline(Transient(Reason.ENGINE_FAILED, "x")), CircuitBreaker()
    records = [InFlight(replace(valid(), offset=offset)) for offset in range(8)]
    async with asyncio.timeout(BOUND), asyncio.TaskGroup() as tasks:
        handler = handler_of(tasks, pipeline, breaker)
        handled = [handler.begin(in_flight) for in_flight in records]
        while len(pipeline.contexts) < len(records):
            await asyncio.sleep(0)
        pipeline.error = None
        assert (handler.outage, breaker() is None) == ("engine_failed", False)
        for task in handled:
            task.cancel(running=True)

    assert sum(len(in_flight.results) for in_flight in records) == 4


@pytest.mark.parametrize("reason", [Reason.NOT_FINITE, Reason.NOT_PAINTED])
async def test_an_engine_that_refuses_every_recipe_is_found(reason: Reason) -> None:
    """One recipe that gives no picture is its request's fault; the fifth in a row opens the breaker."""
    breaker, records = CircuitBreaker(60), [InFlight(replace(valid(), offset=offset)) for offset in range(5)]
    causes = []
    async with asyncio.timeout(BOUND), asyncio.TaskGroup() as tasks:
        handler = handler_of(tasks, Pipeline(Unpaintable(reason, "no")), breaker)
        for in_flight in records:
            handler.begin(in_flight)
            while not in_flight.results:
                await asyncio.sleep(0)
            causes.append(breaker.cause)
        breaker.stop()

    assert causes == [None, None, None, None, reason]
    assert [result.facts["reason"] for in_flight in records for result in in_flight.results] == [reason] * 5


async def test_a_request_at_fault_says_nothing_of_the_engine() -> None:
    """Requests that ask for what there is not never open the breaker, however many come."""
    breaker, records = CircuitBreaker(60), [InFlight(replace(valid(), offset=offset)) for offset in range(20)]
    async with asyncio.timeout(BOUND), asyncio.TaskGroup() as tasks:
        handler = handler_of(tasks, Pipeline(Rejected(Reason.UNKNOWN_STYLE, "no")), breaker)
        for in_flight in records:
            handler.begin(in_flight)

    assert breaker.cause is None


async def test_a_fatal_error_ends_the_worker_and_no_request() -> None:
    """What only an operator can mend must not drain the lane into the dead letters."""
    with pytest.raises(ExceptionGroup) as raised:
        await work(valid(), Pipeline(Fatal(Reason.MODEL_UNAVAILABLE, "no model")))

    assert raised.group_contains(Fatal)


async def test_work_handed_back_settles_nothing() -> None:
    """A job that the stopping worker hands back is left to the next owner."""
    assert await work(valid(), Pipeline(WorkerStopping())) == []


async def test_taskn_work_that_has_not_begun_is_cancelled() -> None:
    """A job without a turn at the engine ends at once when its shard moves."""
    assert await work(valid(), Pipeline(), lambda task: task.cancel(running=False)) == []


async def test_a_store_that_is_down_stops_admission() -> None:
    """While the store is down no more records are read than it takes to hear of its return."""
    outage, admitted = StoreOutage(), []
    async with asyncio.timeout(BOUND), asyncio.TaskGroup() as tasks:
        handler = handler_of(tasks, Pipeline(), outage=outage)
        outage.begin(Operation.FIND, Overloaded(Reason.STORE_UNAVAILABLE, "down"))
        admitted.append(handler.admits())
        task = handler.begin(InFlight(valid()))
        admitted.append(handler.admits())
        assert handler.outage == "store_unavailable"
        outage.end(Operation.FIND)
        admitted.append(handler.admits())
        task.cancel(running=True)

    assert admitted == [True, False, True]


async def test_pictures_that_the_store_finds_too_large_open_no_breaker() -> None:
    """Each goes to the retry lanes by itself, however many come in a row: smaller ones are stored all the while."""
    breaker, records = CircuitBreaker(60), [InFlight(valid()) for _ in range(2 * IN_A_ROW)]
    refused = Pipeline(Unstorable(Reason.STORE_UNAVAILABLE, "413"))
    async with asyncio.timeout(BOUND), asyncio.TaskGroup() as tasks:
        handler = handler_of(tasks, refused, breaker)
        for in_flight in records:
            handler.begin(in_flight)

    assert [len(in_flight.results) for in_flight in records] == [1] * len(records)
    assert breaker.admits
    assert handler.admits()


async def test_a_store_that_is_not_fit_for_work_gets_none() -> None:
    """As long as its check at the start fails no record is read: the check itself is what asks again."""
    outage = StoreOutage()
    async with asyncio.timeout(BOUND), asyncio.TaskGroup() as tasks:
        handler = handler_of(tasks, Pipeline(), outage=outage)
        outage.begin(Operation.CHECK, Overloaded(Reason.MISCONFIGURED, "ignores If-None-Match"))
        assert not handler.admits()
        outage.end(Operation.CHECK)
        assert handler.admits()


@pytest.mark.parametrize(("topic", "lane"), [(names.REQUESTED, "interactive"), ("t-" + names.BACKFILL, "backfill")])
async def test_the_lane_comes_from_topic_and_priority(topic: str, lane: str) -> None:
    """An editor's request is interactive; nothing in the backfill lane is."""
    pipeline = Pipeline(Rejected(Reason.NOT_PAINTED, "no"))
    await work(replace(valid(), topic=topic), pipeline)

    assert pipeline.contexts[0].job.lane == lane


class SlowStore(MemoryStore):
    """Opens an article when the test lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.opens = asyncio.Event()

    async def restore(self, article_id: str, slot: str | None) -> None:
        await self.opens.wait()
        await super().restore(article_id, slot)


class Restored(InFlight):
    """A restoration that its owner lets through."""

    def restore_slots(self, *_: object) -> bool:
        return True


async def test_a_request_waits_for_what_was_decided_about_its_article_before() -> None:
    """A save right after a restoration competes once the article is open; one of another article at once."""
    headers, value = write(Event(id="w-1", source="/cms", type=names.ARTICLE_RESTORED, data={"article": {"id": "a-1"}}))
    restored = Restored(replace(valid(), value=value, headers=tuple(headers)))
    save = InFlight(replace(valid(), offset=1))
    other = InFlight(replace(valid(), key=b"a-2", value=(valid().value or b"").replace(b"a-1", b"a-2")))
    store = SlowStore()
    async with asyncio.timeout(BOUND), asyncio.TaskGroup() as tasks:
        handler = handler_of(tasks, Pipeline(Rejected(Reason.NOT_PAINTED, "no")), store=store)
        for each in (restored, save, other):
            handler.begin(each)
        while not other.results:
            await asyncio.sleep(0)
        assert (restored.results, save.competed) == ([], [])
        store.opens.set()

    assert [len(each.results) for each in (restored, save)] == [1, 1]
    assert len(save.competed) == 1


def recropping(**parts: Any) -> Record:
    data = {"article": {"id": "a-1", "revision": 8}, "slot": "lead", "picture": {"sha256": "0" * 64}, **parts}
    headers, value = write(Event(id="c-1", source="/cms", type=names.IMAGE_RECROP_REQUESTED, data=data))
    return Record(names.REQUESTED, 0, 0, b"a-1", value, tuple(headers), 0)


@pytest.mark.parametrize(("topic", "lane"), [(names.REQUESTED, "interactive"), ("t-" + names.BACKFILL, "backfill")])
async def test_an_editor_waits_for_a_re_crop(topic: str, lane: str) -> None:
    """A re-crop is interactive, unless it was published for a backfill."""
    pipeline = Pipeline(Rejected(Reason.NOT_PAINTED, "no"))
    await work(replace(recropping(), topic=topic), pipeline)

    assert pipeline.contexts[0].job.lane == lane


async def test_a_re_crop_competes_for_its_slot() -> None:
    """Latest wins by its article's revision and its own slot, and what is told of it names both."""
    in_flight = InFlight(recropping())
    in_flight.newer = 9
    async with asyncio.timeout(BOUND), asyncio.TaskGroup() as tasks:
        handler_of(tasks, Pipeline()).begin(in_flight)

    (claim,) = in_flight.competed
    assert (claim.slot, claim.revision, claim.source, claim.request_id) == (Slot("a-1", "lead"), 8, "/cms", "c-1")
    assert claim.picture is not None
    (written,) = in_flight.results[0].records
    told = json.loads(written.value or b"")
    assert (told["slot"], told["article"]) == ("lead", {"id": "a-1", "revision": 8})


@pytest.mark.parametrize(
    ("parts", "reason", "field", "message"),
    [
        ({"picture": None}, "missing_field", "picture", "`picture` is missing: fill it in."),
        ({"picture": {}}, "missing_field", "picture", "`picture` names no picture: fill in `sha256` or `recipe`."),
        (
            {"picture": {"sha256": "0" * 64, "recipe": "1" * 64}},
            "invalid_field",
            "picture",
            "`picture` has both `sha256` and `recipe`: leave one of them out.",
        ),
        (
            {"picture": {"sha256": "abc"}},
            "invalid_field",
            "picture.sha256",
            "`picture.sha256` has the wrong form: write a SHA-256 in lower-case hex, 64 characters.",
        ),
        (
            {"focal_point": {"x": 1.5, "y": 0}},
            "invalid_field",
            "focal_point.x",
            "`focal_point.x` is 1.5, which is too large: at most 1.0.",
        ),
        ({"focal_point": {"y": 0}}, "missing_field", "focal_point.x", "`focal_point.x` is missing: fill it in."),
        ({"crops": []}, "invalid_field", "crops", "`crops` is not an object: write it as a JSON object."),
        (
            {"crops": {"Square!": {"x": 0, "y": 0, "width": 9, "height": 9}}},
            "invalid_field",
            "crops",
            "`crops` has the wrong form: write 1 to 40 characters out of a-z, 0-9 and -, a letter first.",
        ),
        (
            {"crops": {"square": {"x": -1, "y": 0, "width": 9, "height": 9}}},
            "invalid_field",
            "crops.square.x",
            "`crops.square.x` is -1, which is too small: at least 0.",
        ),
        (
            {"crops": {"square": {"x": 0, "y": 0, "width": 0, "height": 9}}},
            "invalid_field",
            "crops.square.width",
            "`crops.square.width` is 0, which is too small: at least 1.",
        ),
    ],
)
async def test_a_bad_re_crop_fails_with_a_sentence(
    parts: dict[str, Any], reason: str, field: str, message: str
) -> None:
    """Each mistake is answered at once, with the field and what to do about it."""
    (result,) = await work(recropping(**parts), Pipeline())

    assert [result.facts[name] for name in ("reason", "field", "message")] == [reason, field, message]
    outcome = json.loads(result.records[0].value or b"")
    assert (outcome["slot"], outcome["article"]["revision"], outcome["field"]) == ("lead", 8, field)


@pytest.mark.parametrize(("number", "reason"), [(b"NaN", "not_json"), (b"1e999", "invalid_field")])
async def test_a_focal_point_that_is_no_number_fails_with_a_sentence(number: bytes, reason: str) -> None:
    """NaN is no JSON; what overflows is no finite number."""
    record = recropping(focal_point={"x": 0.125, "y": 0})
    (result,) = await work(replace(record, value=(record.value or b"").replace(b"0.125", number)), Pipeline())

    assert result.facts["reason"] == reason
    if reason == "invalid_field":
        assert result.facts["message"] == "`focal_point.x` is not a finite number."


class Failing(Pipeline):
    """Fails every job after it began to paint."""

    async def produce(self, context: JobContext, plan: Any) -> Any:
        assert plan is context
        context.progress.started(0)
        raise Transient(Reason.ENGINE_FAILED, "x")


async def test_held_work_goes_with_its_shard() -> None:
    """A request that the breaker holds is not being painted: when its shard moves it is let go of."""
    breaker = CircuitBreaker(60)
    for _ in range(5):
        breaker.failed(BreakerPermit(), Reason.ENGINE_FAILED)
    async with asyncio.timeout(BOUND), asyncio.TaskGroup() as tasks:
        handler = handler_of(tasks, Failing(), breaker)
        task = handler.begin(InFlight(valid()))
        while breaker.admits == (not breaker._held):
            await asyncio.sleep(0)
        task.cancel(running=False)
    assert not breaker._held


async def test_poison_is_never_held() -> None:
    """Even while the breaker is open, a request that ended two engines is failed: trying it again ends two more."""
    breaker, in_flight = CircuitBreaker(60), InFlight(valid())
    for _ in range(5):
        breaker.failed(BreakerPermit(), Reason.ENGINE_FAILED)
    async with asyncio.timeout(BOUND), asyncio.TaskGroup() as tasks:
        handler_of(tasks, Pipeline(Unpaintable(Reason.ENGINE_POISON, "twice")), breaker).begin(in_flight)

    assert in_flight.results[0].facts["reason"] == "engine_poison"


async def test_a_request_with_a_newer_one_before_it_is_not_painted() -> None:
    """What its owner superseded at once is settled as that, and never reaches the stages."""
    pipeline, in_flight = Pipeline(), InFlight(valid())
    in_flight.newer = 9
    async with asyncio.timeout(BOUND), asyncio.TaskGroup() as tasks:
        handler_of(tasks, pipeline).begin(in_flight)

    (result,) = in_flight.results
    (written,) = result.records
    assert dict(written.headers)["ce_type"] == names.IMAGE_SUPERSEDED.encode()
    assert json.loads(written.value or b"")["superseded_by"] == {"revision": 9}
    assert (result.facts["outcome"], result.facts["revision"], pipeline.contexts) == ("superseded", 1, [])


async def test_an_expired_request_ends_as_expired_and_supersedes_nothing() -> None:
    """A request past its expirytime ends as expired, without a dead letter, and lays no claim to its slot."""
    past = "2026-11-01T08:00:00+01:00"
    record = valid()
    pipeline, in_flight = (
        Pipeline(),
        InFlight(replace(record, headers=(*record.headers, ("ce_expirytime", past.encode())))),
    )
    in_flight.newer = 9
    async with asyncio.timeout(BOUND), asyncio.TaskGroup() as tasks:
        handler_of(tasks, pipeline).begin(in_flight)

    (result,) = in_flight.results
    (written,) = result.records
    assert dict(written.headers)["ce_type"] == names.IMAGE_EXPIRED.encode()
    assert datetime.fromisoformat(json.loads(written.value or b"")["expired_at"]) == datetime.fromisoformat(past)
    assert result.facts["outcome"] == "expired"
