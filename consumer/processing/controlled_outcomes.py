"""What becomes of requests that an operator called off or paused. Pure; the shard's owner writes it."""

import time

from consumer.delivery.ports import OutgoingRecord, RecordResult
from consumer.delivery.retry import RetryPolicy, RetryState
from consumer.delivery.ruling import Ruling, Verdict
from consumer.jobs import Job
from consumer.processing.outcomes import OutcomeBuilder, about, article_revision, identity_of, ignored_fields, refused
from schemas import ImageCancelled, OutcomeKind

PAUSED = "paused"
"""What the log says instead of an outcome kind, and the retry record instead of a reason."""


class ControlledOutcomes:
    """Builds these results."""

    def __init__(self, outcomes: OutcomeBuilder, retries: RetryPolicy) -> None:
        self._outcomes = outcomes
        self._retries = retries

    def carry_out(self, job: Job, state: RetryState, ruling: Ruling) -> RecordResult:
        """Return what becomes of a request that was called off or paused."""
        off = ruling.verdict is Verdict.CANCELLED
        return self.cancelled(job, ruling) if off else self.paused(job, state, ruling)

    def cancelled(self, job: Job, ruling: Ruling) -> RecordResult:
        """Announce that an operator called the request off."""
        message = f"An operator called this off: {ruling.message}."
        data = ImageCancelled(
            request_id=job.event.id,
            article=article_revision(job),
            slot=job.request.slot,
            message=message,
            **ignored_fields(job.ignored),
        )
        outcome = self._outcomes.outcome(job.record.partition, identity_of(job), data, [message])
        return RecordResult((outcome,), facts={"outcome": OutcomeKind.CANCELLED, "message": message} | about(job))

    def paused(self, job: Job, state: RetryState, ruling: Ruling) -> RecordResult:
        """Send the request round a retry lane as its publisher wrote it; that counts neither as attempt nor as age."""
        schedule = self._retries.hold(state, ruling.paused_since, int(time.time() * 1000))
        record, message = state.original, f"Paused by an operator: {ruling.message}."
        headers = self._outcomes.round_headers(state, schedule, PAUSED, message)
        outgoing = OutgoingRecord(schedule.topic, record.partition, record.key, record.value, headers)
        facts = {"outcome": PAUSED, "message": message, "retry_topic": schedule.topic, "due_at": schedule.due_ms / 1000}
        return RecordResult((outgoing,), lambda: self._outcomes.failed(state, refused(record)), facts | about(job))
