"""Every metric that the worker exports: the single source for code, dashboards, alert rules and documents.

With each name stands the help text that `/metrics` shows: what it measures, and what a rise means.
"""

from enum import StrEnum
from typing import Self


class MetricName(StrEnum):
    """A metric's name as stored by Prometheus; `help` says what it measures and what a rise means."""

    help: str

    def __new__(cls, name: str, help_: str) -> Self:
        """Create a member from its name and help text."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.help = help_
        return member

    # Events: requests in, outcomes out.
    EVENTS_CONSUMED = (
        "leadart_events_consumed_total",
        "Request records consumed. If outcomes do not rise with it, requests are waiting.",
    )
    OUTCOMES = (
        "leadart_outcomes_total",
        "Outcomes published, by kind. A rise in failed or expired means articles without the picture that they want.",
    )
    REJECTED = (
        "leadart_rejected_total",
        "Invalid requests, by reason. A rise means a publisher breaks the contract.",
    )
    FAILURES = (
        "leadart_failures_total",
        "Attempts that failed on our side, by reason. A rise means the engine, the store or Kafka has a problem.",
    )
    RETRIES = (
        "leadart_retries_total",
        "Requests sent to a retry topic, by reason of the failure. A rise means more attempts fail and are repeated.",
    )
    DEAD_LETTERS = (
        "leadart_dead_letters_total",
        "Records sent to the dead-letter topic, by reason. A rise means that an operator has to look at them.",
    )
    EVENT_AGE = (
        "leadart_event_age_seconds",
        "Time from a request event to its outcome: what an editor waits. A rise means editors wait longer.",
    )
    LAST_SUCCESS = (
        "leadart_last_success_timestamp_seconds",
        "Time of the last ready outcome, or of the worker's start before the first. If it stops rising: no pictures.",
    )

    # Jobs: the way of a request through the stages.
    STAGE_DURATION = (
        "leadart_stage_duration_seconds",
        "Time that a job spends in a stage. A rise shows which stage is the bottleneck.",
    )
    PICTURES = (
        "leadart_pictures_total",
        "Pictures announced, by style and by whether they were reused. A rise in new ones means more GPU time.",
    )
    JOBS_IN_HAND = (
        "leadart_jobs_in_hand",
        "Requests admitted and not yet answered, by topic. At its limit the topic is paused.",
    )
    PICTURES_UNSTORED = (
        "leadart_pictures_unstored",
        "Painted pictures in memory, not yet stored. A rise means the store is slow or down.",
    )
    LOG_LINES_LOST = (
        "leadart_log_lines_lost_total",
        "Log lines that could not be written. A rise means that nobody reads the log or its volume is full.",
    )
    PROGRESS_DROPPED = (
        "leadart_progress_dropped_total",
        "Progress events dropped because Kafka was slow. A rise means that progress jumps; no outcome is lost.",
    )
    BREAKER_OPEN = (
        "leadart_breaker_open",
        "1 while the circuit breaker is open (nothing succeeds: no records are admitted, failures are held), else 0.",
    )

    PAUSED = (
        "leadart_paused",
        "Pauses in force: lanes, sections, sources. Above 0, matching requests wait until they are resumed.",
    )

    # Engine: the child processes that paint.
    ENGINE_RESTARTS = (
        "leadart_engine_restarts_total",
        "Engine processes that ended and were restarted. A rise means crashes, hangs or too little memory.",
    )
    ENGINE_READY = (
        "leadart_engine_ready",
        "1 while the model is loaded and a process responds on at least one device, else 0.",
    )
    ENGINE_DEVICE_READY = (
        "leadart_engine_device_ready",
        "By device: 1 while its process responds, else 0. A fall: it is being replaced; for long: device given up.",
    )

    # Kafka: ownership, commits, lag.
    TRANSACTIONS = (
        "leadart_transactions_total",
        "Transactions, by result. A rise in failed ones means a broker is down or a shard changed owner.",
    )
    TRANSACTION_DURATION = (
        "leadart_transaction_duration_seconds",
        "Time from a transaction's begin to its commit. A rise delays every read-committed subscriber.",
    )
    SHARDS_OPEN = (
        "leadart_shards_open",
        "Shards that this worker serves. A rise means it took over others; fewer than assigned means some are closed.",
    )
    SHARD_REOPENS = (
        "leadart_shard_reopens_total",
        "Shards closed and reopened after an ambiguous error. A steady rise means that Kafka has a problem.",
    )
    ASSIGNED_PARTITIONS = (
        "leadart_assigned_partitions",
        "Partitions assigned to this worker. A rise means that another worker left.",
    )
    REBALANCES = (
        "leadart_rebalances_total",
        "Assignments received. A steady rise means that workers restart, or miss their poll interval.",
    )
    GROUP_STRANGERS = (
        "leadart_group_strangers",
        "1 while members that read other topics keep shards from this worker, else 0. At 1, some requests wait.",
    )
    FOREIGN_COMMITS = (
        "leadart_foreign_commits_total",
        "Offsets that somebody else committed for the group, not gone by. A rise: another program uses the group.",
    )
    FOREIGN_OFFSETS = (
        "leadart_foreign_offsets",
        "Offsets that somebody else's commit is ahead of leadart's own. Above 0, other monitors show too little lag.",
    )
    CONSUMER_LAG = (
        "leadart_consumer_lag_records",
        "Records from the committed offset to the last stable one. Absent while unknown. A rise: the backlog grows.",
    )
    COMMITTED_OFFSET = (
        "leadart_committed_offset",
        "The group's committed offset. Absent while unknown. If it stops despite lag, the oldest record is stuck.",
    )
    INCOMPLETE = (
        "leadart_incomplete_records",
        "Records due and not finished. Absent while unknown. A rise means more is requested than painted.",
    )
    DELETED_UNREAD = (
        "leadart_deleted_unread_records_total",
        "Records deleted from a topic (retention, an operator) before they were read. A rise means requests are lost.",
    )
    OLDEST_PENDING = (
        "leadart_oldest_pending_age_seconds",
        "Wait of the oldest due record. Absent while unknown or none is due. A rise means editors wait longer.",
    )
    NOT_DUE = (
        "leadart_not_due_records",
        "Records in a retry topic before their due time; not lag. A rise means more attempts fail and are repeated.",
    )
    HIDDEN = (
        "leadart_hidden_records",
        "Offsets behind an open transaction, not yet readable. If it stays above 0, a producer's transaction hangs.",
    )
    BACKLOG_ENGINE = (
        "leadart_backlog_engine_seconds",
        "Upper bound of engine time for the incomplete records. Absent until one was painted. A rise: too few devices.",
    )
    LAG_VERDICT = (
        "leadart_lag_verdict",
        "Health of the lag: 0 OK, 1 slow, 2 stalled, 3 stopped. Absent while unknown. From 2 on an operator must act.",
    )

    # What runs.
    READY = (
        "leadart_ready",
        "1 while `/readyz` passes, else 0. A fall means that the worker cannot work; `/readyz` says why.",
    )
    BUILD_INFO = (
        "leadart_build_info",
        "Always 1; the label is the worker's version.",
    )
    MODEL_INFO = (
        "leadart_model_info",
        "1 once the model is loaded; the labels are its name and the SHA-256 of its weights.",
    )
