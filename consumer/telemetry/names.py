"""Every metric the worker exports: the one list that code, dashboards, alert rules and documents draw on.

Each name stands with the sentence that `/metrics` shows as its help: what it counts, and what a rise means.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class MetricName(StrEnum):
    """A metric's name as Prometheus stores it; `help` says what a rise means."""

    help: str

    def __new__(cls, name: str, help_: str) -> Self:
        """Make a member of its name and its help."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.help = help_
        return member

    # Events: what comes in and what the CMS is told.
    EVENTS_CONSUMED = (
        "leadart_events_consumed_total",
        "Request records taken off the bus. A rise that outcomes do not follow means records wait.",
    )
    OUTCOMES = (
        "leadart_outcomes_total",
        "Outcomes announced, by kind. A rise of anything but ready means stories without a picture.",
    )
    REJECTED = (
        "leadart_rejected_total",
        "Requests refused for their own fault, by reason. A rise means a publisher sends what the contract forbids.",
    )
    FAILURES = (
        "leadart_failures_total",
        "Attempts that failed for our fault, by reason. A rise means the engine, the store or the bus is ill.",
    )
    RETRIES = (
        "leadart_retries_total",
        "Requests sent to a retry lane, by the reason of the failure. A rise means attempts fail that may yet succeed.",
    )
    DEAD_LETTERS = (
        "leadart_dead_letters_total",
        "Records put among the dead letters, by reason. A rise means somebody has to look at them.",
    )
    EVENT_AGE = (
        "leadart_event_age_seconds",
        "Age of an event when its outcome is announced: the promise to the editor. A rise means editors wait longer.",
    )
    LAST_SUCCESS = (
        "leadart_last_success_timestamp_seconds",
        "When a ready outcome was last announced; at first, when the worker started. Standing still: no pictures.",
    )

    # Work: what happens to a job on its way.
    STAGE_DURATION = (
        "leadart_stage_duration_seconds",
        "Time a job spent in a stage. A rise names the stage that holds the others up.",
    )
    PICTURES = (
        "leadart_pictures_total",
        "Pictures announced, by style and whether an earlier one was used again. A rise of new ones costs GPU time.",
    )
    JOBS_IN_HAND = (
        "leadart_jobs_in_hand",
        "Requests admitted and not yet announced, by topic. A rise to its bound means a lane is paused.",
    )
    PICTURES_UNSTORED = (
        "leadart_pictures_unstored",
        "Painted pictures held in memory. A rise means the store is slow or down.",
    )
    PROGRESS_DROPPED = (
        "leadart_progress_dropped_total",
        "Progress events given up because the bus was slow. A rise means progress jumps; nothing is lost.",
    )

    BREAKER_OPEN = (
        "leadart_breaker_open",
        "1 while nothing succeeds, so that no records are admitted and failing requests are held, else 0.",
    )

    # Engine: the child process that paints.
    ENGINE_RESTARTS = (
        "leadart_engine_restarts_total",
        "Engine processes that ended and were started again. A rise means crashes, hangs or memory running out.",
    )
    ENGINE_READY = (
        "leadart_engine_ready",
        "1 while the model is loaded and a process answers on at least one device, else 0.",
    )
    ENGINE_DEVICE_READY = (
        "leadart_engine_device_ready",
        "By device: 1 while its process answers, else 0. A fall: it is replaced; for long: the device is given up.",
    )

    # Bus: ownership, commits, lag.
    TRANSACTIONS = (
        "leadart_transactions_total",
        "Transactions, by result. A rise of failed ones means a broker is away or a shard changed hands.",
    )
    TRANSACTION_DURATION = (
        "leadart_transaction_duration_seconds",
        "Time from begin to the commit's answer. A rise holds back every read-committed subscriber of the partition.",
    )
    SHARDS_OPEN = (
        "leadart_shards_open",
        "Shards this worker owns and serves. A rise means it took over another's; below those assigned: some are shut.",
    )
    SHARD_REOPENS = (
        "leadart_shard_reopens_total",
        "Shards closed and opened again after an ambiguous error. A steady rise means the bus is unwell.",
    )
    ASSIGNED_PARTITIONS = (
        "leadart_assigned_partitions",
        "Partitions the group gave this worker. A rise means another worker left.",
    )
    REBALANCES = (
        "leadart_rebalances_total",
        "Assignments received. A steady rise means workers come and go, or fall silent too long.",
    )
    CONSUMER_LAG = (
        "leadart_consumer_lag_records",
        "Records between the committed offset and the last stable one. Absent while unknown. A rise: work piles up.",
    )
    COMMITTED_OFFSET = (
        "leadart_committed_offset",
        "The group's committed offset. Absent while unknown. Standing still under lag: the oldest record is stuck.",
    )
    INCOMPLETE = (
        "leadart_incomplete_records",
        "Records that are due and not finished. Absent while unknown. A rise: more is asked than painted.",
    )
    OLDEST_PENDING = (
        "leadart_oldest_pending_age_seconds",
        "How long the oldest record that is due has waited. Absent where unknown or none. A rise: editors wait longer.",
    )
    NOT_DUE = (
        "leadart_not_due_records",
        "Records of a retry lane that wait for their time, which is no lag. A rise: attempts fail that may succeed.",
    )
    HIDDEN = (
        "leadart_hidden_records",
        "Offsets behind an open transaction, which no worker sees. Staying above 0: a producer's transaction hangs.",
    )
    BACKLOG_ENGINE = (
        "leadart_backlog_engine_seconds",
        "What the incomplete records take in the engine at most. Absent till one was painted. A rise: too few devices.",
    )
    LAG_VERDICT = (
        "leadart_lag_verdict",
        "What the lag means: 0 OK, 1 slow, 2 stalled, 3 stopped. Absent while unknown. From 2 on somebody must look.",
    )

    # Identity: what runs.
    BUILD_INFO = (
        "leadart_build_info",
        "Always 1; its label is the worker's version.",
    )
    MODEL_INFO = (
        "leadart_model_info",
        "Always 1 once the model is loaded; its labels are the model's name and the SHA-256 of its weights.",
    )
