"""Requests that a rule holds until an editor approves them: how they are kept, announced, worked on and ended."""

import time
from dataclasses import replace
from datetime import UTC, datetime

from consumer.delivery.editorial import Held
from consumer.delivery.heads import Slot
from consumer.delivery.held import EndReason, HeldEnd, record_of
from consumer.delivery.in_flight import InFlightRecord, Release
from consumer.delivery.ports import RecordResult
from consumer.delivery.retry import RetryState
from consumer.delivery.ruling import Ruling, Verdict
from consumer.errors import Rejected, Superseded
from consumer.jobs import Job, Lane
from consumer.processing.editorial_outcomes import EditorialOutcomes
from consumer.processing.outcomes import OutcomeBuilder, about
from consumer.processing.policy import PolicyDecision
from consumer.processing.reading import job_of, parsed
from consumer.processing.screening import applied
from schemas import ImageRequested, Reason
from schemas.editorial import ImageApproved


class Holding:
    """Holds requests and gives back those that are approved."""

    def __init__(self, outcomes: OutcomeBuilder) -> None:
        self._outcomes = outcomes
        self._editorial = EditorialOutcomes(outcomes)

    def hold(self, in_flight: InFlightRecord, job: Job, ruling: Ruling, policy: PolicyDecision) -> RecordResult:
        """Hold a request; return its result. One that is held already is announced as before."""
        in_flight.holds = held = ruling.held or _held(job, ruling, policy)
        return self._editorial.held(job, held, _moment(held))

    def find(self, in_flight: InFlightRecord, request: ImageApproved) -> tuple[Held, Job]:
        """Return the request that is approved, and its job as the rule wants it painted.

        Raises `Rejected` if none of that revision is held, `Superseded` to hand the record back.
        """
        in_flight.decides = True
        editorial = in_flight.editorial(Slot(request.article.id, request.slot))
        if editorial is None:
            raise Superseded
        held = editorial.held
        if held is None or held.revision != request.article.revision:
            message = f"No request of revision {request.article.revision} is held in the slot {request.slot}."
            raise Rejected(Reason.NOTHING_HELD, message, field="article.revision")
        job = self._job(in_flight.record.partition, held)
        facts = {**about(job), "outcome": "approved too late"}
        in_flight.releases = Release(held, RecordResult((), facts=facts))
        in_flight.decides = False  # from here on it competes like a request
        return held, replace(applied(decision_of(held), job), lane=Lane.INTERACTIVE)

    def ended(self, shard: int, held: Held, end: HeldEnd) -> RecordResult:
        """Announce the end of a held request that was not approved."""
        try:
            job = self._job(shard, held)
        except Rejected as error:  # another worker, of another version, took it
            return self._outcomes.failed(RetryState(record_of(held, shard)), error)
        match end.reason:
            case EndReason.SUPERSEDED:
                return self._outcomes.superseded(job, end.revision)
            case EndReason.WITHDRAWN:
                return self._editorial.withdrawn(job, Ruling(Verdict.WITHDRAWN, end.ordinal, message=end.message))
            case EndReason.EXPIRED:
                return self._outcomes.expired(job, _moment(held))

    def _job(self, shard: int, held: Held) -> Job:
        record = record_of(held, shard)
        state = RetryState(record)
        event, request = parsed(state)
        if not isinstance(request, ImageRequested):
            raise Rejected(Reason.WRONG_TYPE, "What is held is no request for new pictures.")
        return job_of(record, state, event, request)


def decision_of(held: Held) -> PolicyDecision:
    """Return what the policy said of a held request, with its approval."""
    return PolicyDecision(rule=held.rule, style=held.style, variants=held.variants, version=held.policy)


def _held(job: Job, ruling: Ruling, policy: PolicyDecision) -> Held:
    record, now_ms = job.record, time.time() * 1000
    until_ms = int(now_ms + policy.approval_seconds * 1000)
    if (expiry := job.event.expirytime) is not None:
        until_ms = min(until_ms, max(0, int(expiry.timestamp() * 1000)))
    return Held(
        source=job.event.source,
        request_id=job.event.id,
        revision=job.request.article.revision,
        ordinal=ruling.ordinal,
        variation=ruling.variation,
        until_ms=until_ms,
        topic=record.topic,
        offset=record.offset,
        key=record.key,
        value=record.value,
        headers=record.headers,
        timestamp_ms=max(0, record.timestamp_ms),
        rule=policy.rule or "",
        message=policy.message,
        style=policy.style,
        variants=policy.variants,
        policy=policy.version,
    )


def _moment(held: Held) -> datetime:
    return datetime.fromtimestamp(held.until_ms / 1000, UTC)
