"""What the worker counts and logs of what its shards commit: one line with each request's whole story."""

import time
from functools import cache

import structlog

from consumer.delivery.own_offsets import ForeignCommit, replay_command
from consumer.delivery.ports import BusError, RecordResult
from consumer.jobs import Lane, Record
from consumer.processing.outcomes import OutcomeBuilder
from consumer.telemetry.metrics import Metrics, Stage, TransactionResult
from schemas import OutcomeKind, Reason

log = structlog.get_logger(__name__)


class DeliveryLog:
    """Hears what becomes of records and transactions, as a `DeliveryObserver`."""

    def __init__(self, outcomes: OutcomeBuilder, metrics: Metrics) -> None:
        self._outcomes = outcomes
        self._metrics = metrics
        # Looking a label up costs more than counting, and every record is counted several times.
        self._stage = cache(metrics.stage_duration.labels)
        self._outcome = cache(metrics.outcomes.labels)
        self._age = cache(metrics.event_age.labels)

    def announced(self, record: Record, result: RecordResult, seconds: float) -> None:
        """Count the result and log the one line with a record's whole story."""
        self._stage(Stage.ANNOUNCE).observe(seconds)
        facts = result.facts
        written = {outgoing.topic for outgoing in result.records}
        if self._outcomes.outcome_topic in written:
            count = sum(outgoing.topic == self._outcomes.outcome_topic for outgoing in result.records)
            self._outcome(facts["outcome"]).inc(count)
        if self._outcomes.dead_letter_topic in written:
            self._metrics.dead_letters.labels(facts.get("reason", Reason.ANNOUNCEMENT_REFUSED)).inc()
        if facts["outcome"] == OutcomeKind.READY:
            self._metrics.last_success.set_to_current_time()
        age = max(0.0, time.time() - float(facts["asked_at"]))
        if self._outcomes.outcome_topic in written:
            self._age(facts.get("lane", Lane.LIVE)).observe(age)
        log.info(
            "article_image",
            **facts,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            announce_seconds=round(seconds, 4),
            age_seconds=round(age, 3),
        )

    def epoch_ended(self, shard: int, error: BusError) -> None:
        """Count and log a broken epoch."""
        self._metrics.transactions.labels(TransactionResult.FAILED).inc()
        self._metrics.shard_reopens.inc()
        log.warning("epoch_ended", shard=shard, error=str(error))

    def foreign_commit(self, commit: ForeignCommit) -> None:
        """Count and log a commit by somebody else, with the command that shows what it would have skipped."""
        self._metrics.foreign_commits.inc()
        log.error(
            "foreign_commit",
            topic=commit.topic,
            partition=commit.partition,
            offset=commit.offset,
            own_offset=commit.own.offset,
            message="Somebody else committed an offset for this group. The worker goes on where leadart stood, so that "
            "no request is skipped. Find out who reads with this group: leadart doctor.",
            replay=replay_command(commit.topic, {commit.partition: commit.skipped}) if commit.skipped else None,
        )

    def records_deleted(self, topic: str, shard: int, records: int) -> None:
        """Count and log requests that nobody will ever read."""
        self._metrics.deleted_unread.labels(topic).inc(records)
        log.error("records_deleted_unread", topic=topic, partition=shard, records=records)

    def committed(self, shard: int, seconds: float, records: int) -> None:
        """Count a committed transaction."""
        self._metrics.transactions.labels(TransactionResult.COMMITTED).inc()
        self._metrics.transaction_duration.observe(seconds)
        log.debug("committed", shard=shard, seconds=seconds, records=records)
