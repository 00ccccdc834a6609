"""Held requests, from the rule that holds them to the outcome that follows an approval."""

from __future__ import annotations

import asyncio
import json
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from consumer.delivery.editorial import Editorial, Held
from consumer.delivery.held import EndReason, HeldEnd
from consumer.delivery.in_flight import InFlightRecord
from consumer.delivery.ports import OutgoingRecord, RecordResult
from consumer.delivery.ruling import Ruling, Verdict
from consumer.errors import Rejected, Transient
from consumer.jobs import Job, Lane, Record
from consumer.kafka.topics import retry_policy
from consumer.processing.ability import Ability
from consumer.processing.circuit_breaker import CircuitBreaker
from consumer.processing.context import JobContext
from consumer.processing.handler import RequestHandler
from consumer.processing.holding import Holding
from consumer.processing.outcomes import OutcomeBuilder
from consumer.processing.policy import PolicyDecision
from consumer.processing.store_outage import StoreOutage
from consumer.settings import Settings
from consumer.telemetry.metrics import make_metrics
from consumer.testing.store import MemoryStore
from schemas import ImageProgress, Reason, names
from schemas.cloudevents import Event, write
from tests.support.pipeline import job

BOUND = 10.0
RULE = PolicyDecision(
    rule="courts", message="The desk looks first.", needs_approval=True, approval_seconds=60, version="v1"
)


def record_of(event_type: str, data: dict[str, Any], event_id: str) -> Record:
    headers, value = write(Event(id=event_id, source="/cms", type=event_type, data=data))
    return Record(names.REQUESTED, 0, 7, b"a-1", value, tuple(headers), 0)


REQUESTED = record_of(
    names.IMAGE_REQUESTED, {"article": {"id": "a-1", "revision": 3, "headline": "Storm"}, "surprise": 1}, "r-3"
)
APPROVED = record_of(names.IMAGE_APPROVED, {"article": {"id": "a-1", "revision": 3}}, "ok")


def held(**changes: Any) -> Held:
    base = Held(
        source="/cms",
        request_id="r-3",
        revision=3,
        ordinal=5,
        variation=2,
        until_ms=2_000_000_000_000,
        topic=REQUESTED.topic,
        offset=7,
        key=REQUESTED.key,
        value=REQUESTED.value,
        headers=REQUESTED.headers,
        rule="courts",
        message="The desk looks first.",
        style="illustration",
        policy="v1",
    )
    return base.model_copy(update=changes)


class InFlight(InFlightRecord):
    """A record in flight; `known` is what its slot's head remembers, None in another epoch."""

    def __init__(self, record: Record, known: Editorial | None) -> None:
        super().__init__(record, 0, lambda: None)
        self.known = known
        self.verdict = Verdict.PAINT

    def editorial(self, slot: Any) -> Editorial | None:
        assert slot == ("a-1", "hero")
        return self.known

    def register_claim(self, claim: Any, superseded: Any, withdrawn: Any = None) -> Ruling:
        assert (claim.request_id, claim.fresh, claim.variation) == ("r-3", True, 2)
        assert callable(superseded)
        assert callable(withdrawn)
        self.claim = claim
        return Ruling(self.verdict, 5, 2)


class Pipeline:
    """Ends every job with an error, and keeps what it was asked for."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.contexts: list[JobContext] = []

    def plan(self, context: JobContext, ruling: Ruling) -> Any:
        assert ruling.verdict is Verdict.PAINT
        return context

    def handover(self, context: JobContext, plan: Any) -> Any:
        assert plan is context
        return nullcontext()

    async def produce(self, context: JobContext, plan: Any) -> Any:
        assert plan is context
        self.contexts.append(context)
        raise self.error


class Silent:
    enabled = False

    def publish(self, job: Job, progress: ImageProgress) -> None:
        raise AssertionError(job, progress)


async def approve(known: Editorial | None, error: Exception) -> tuple[InFlight, Pipeline]:
    """Let a handler work on an approval; what painting ends with is the error."""
    settings, breaker, outage = Settings(), CircuitBreaker(), StoreOutage()
    in_flight, pipeline = InFlight(APPROVED, known), Pipeline(error)
    async with asyncio.timeout(BOUND), asyncio.TaskGroup() as tasks:
        RequestHandler(
            tasks,
            pipeline=pipeline,  # type: ignore[arg-type]
            store=MemoryStore(),
            breaker=breaker,
            outage=outage,
            ability=Ability(lambda: True, outage, breaker),
            retries=retry_policy(settings),
            outcomes=OutcomeBuilder(settings),
            progress=Silent(),
            metrics=make_metrics(),
            poison_deaths=2,
        ).begin(in_flight)
    return in_flight, pipeline


def written(in_flight: InFlightRecord, base: str) -> OutgoingRecord:
    assert in_flight.result is not None
    (found,) = [record for record in in_flight.result.records if record.topic == base]
    return found


async def test_an_approved_request_is_painted_as_its_rule_says() -> None:
    """An editor waits for it now; its style and its policy's version are those of when it was held."""
    _, pipeline = await approve(Editorial(held=held()), Rejected(Reason.NOT_PAINTED, "No."))
    (context,) = pipeline.contexts
    request: Any = context.job.request
    assert (request.style.preset, context.job.lane, context.policy.version) == ("illustration", Lane.INTERACTIVE, "v1")


async def test_a_failure_ends_the_held_request_and_keeps_its_record() -> None:
    """The outcome has its id, and the dead letter is the request, not the approval."""
    in_flight, _ = await approve(Editorial(held=held()), Rejected(Reason.NOT_PAINTED, "No."))
    outcome = json.loads(written(in_flight, names.OUTCOME).value or b"")
    assert (outcome["request_id"], outcome["reason"]) == ("r-3", "not_painted")
    assert written(in_flight, names.DEAD_LETTER).value == REQUESTED.value
    assert in_flight.releases is not None
    assert in_flight.releases.held == held()


async def test_an_attempt_that_failed_leaves_it_held() -> None:
    """The approval goes to a retry lane, and finds the request there when it is due."""
    in_flight, _ = await approve(Editorial(held=held()), Transient(Reason.ENGINE_FAILED, "Once more."))
    assert in_flight.result is not None
    (retry,) = in_flight.result.records
    assert (retry.topic, retry.value) == ("article-image-retry-1m", APPROVED.value)
    assert in_flight.releases is None


@pytest.mark.parametrize("known", [Editorial(), Editorial(held=held(revision=2))])
async def test_an_approval_of_what_is_not_held_is_refused(known: Editorial) -> None:
    """In words, under the approval's own id."""
    in_flight, _ = await approve(known, AssertionError("painted"))
    outcome = json.loads(written(in_flight, names.OUTCOME).value or b"")
    assert (outcome["request_id"], outcome["reason"], outcome["field"]) == ("ok", "nothing_held", "article.revision")
    assert outcome["message"] == "No request of revision 3 is held in the slot hero."


async def test_an_approval_that_was_not_read_in_this_epoch_is_handed_back() -> None:
    """It is read again, and decided by what is held then."""
    in_flight, pipeline = await approve(None, AssertionError("painted"))
    assert (in_flight.result, pipeline.contexts, in_flight.decides) == (None, [], True)


def hold(asked: Job, ruling: Ruling) -> tuple[InFlight, RecordResult]:
    in_flight = InFlight(asked.record, Editorial())
    return in_flight, Holding(OutcomeBuilder(Settings())).hold(in_flight, asked, ruling, RULE)


async def test_holding_keeps_the_publishers_record() -> None:
    """Byte by byte, with what the rule said, until its time."""
    asked = replace(job(), record=REQUESTED)
    in_flight, result = hold(asked, Ruling(Verdict.PAINT, 5, 2))
    kept = in_flight.holds
    assert kept is not None
    assert (kept.key, kept.value, kept.headers) == (REQUESTED.key, REQUESTED.value, REQUESTED.headers)
    assert (kept.ordinal, kept.variation, kept.rule, kept.policy) == (5, 2, "courts", "v1")
    data = json.loads(result.records[0].value or b"")
    until = datetime.fromisoformat(data["held_until"])
    assert timedelta(seconds=50) < until - datetime.now(UTC) <= timedelta(seconds=60)
    assert (data["rule"], data["message"], data["ordinal"]) == ("courts", "The desk looks first.", 5)


async def test_what_is_held_already_is_announced_as_before() -> None:
    """A repeat has the same end of its time, and so the same event id."""
    asked = replace(job(), record=REQUESTED)
    in_flight, first = hold(asked, Ruling(Verdict.PAINT, 5, held=held()))
    _, second = hold(asked, Ruling(Verdict.PAINT, 5, held=held()))
    assert in_flight.holds == held()
    assert ids(first) == ids(second)


def ids(result: RecordResult) -> list[bytes | None]:
    return [value for record in result.records for name, value in record.headers if name == "ce_id"]


async def test_nothing_is_held_beyond_its_own_expiry() -> None:
    """A request that its publisher gives a minute is not held for a day."""
    soon = (datetime.now(UTC) + timedelta(seconds=10)).isoformat()
    asked = replace(job(), record=REQUESTED)
    asked = replace(asked, event=replace(asked.event, extensions={"expirytime": soon}))
    in_flight, _ = hold(asked, Ruling(Verdict.PAINT, 5))
    assert in_flight.holds is not None
    assert in_flight.holds.until_ms == int(datetime.fromisoformat(soon).timestamp() * 1000)


@pytest.mark.parametrize(
    ("end", "kind", "fields"),
    [
        (HeldEnd(EndReason.SUPERSEDED, 4), names.IMAGE_SUPERSEDED, {"superseded_by": {"revision": 4}}),
        (HeldEnd(EndReason.EXPIRED), names.IMAGE_EXPIRED, {"expired_at": "2033-05-18T03:33:20Z"}),
        (HeldEnd(EndReason.WITHDRAWN, ordinal=6, message="Law."), names.IMAGE_WITHDRAWN, {"message": "Law."}),
    ],
)
def test_each_end_is_announced_under_the_requests_id(end: HeldEnd, kind: str, fields: dict[str, Any]) -> None:
    """In the shard where it is held now, with what of the request was not understood."""
    result = Holding(OutcomeBuilder(Settings())).ended(4, held(), end)
    (outcome,) = result.records
    data = json.loads(outcome.value or b"")
    assert dict(outcome.headers)["ce_type"] == kind.encode()
    assert (outcome.partition, data["request_id"], data["ignored"]) == (4, "r-3", ["surprise"])
    assert {name: data[name] for name in fields} == fields


def test_what_cannot_be_read_any_more_fails() -> None:
    """Another version of the worker took it: it still gets an end, and is kept as a dead letter."""
    broken = held(value=b'{"article": {"id": "a-1"}}')
    result = Holding(OutcomeBuilder(Settings())).ended(0, broken, HeldEnd(EndReason.EXPIRED))
    assert {record.topic for record in result.records} == {names.OUTCOME, names.DEAD_LETTER}
