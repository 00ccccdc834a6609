"""Retry lanes: which comes next, and what their records say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from consumer.delivery.retry import RetryPolicy, RetryState, split
from consumer.jobs import Record
from consumer.kafka.topics import retry_policy
from consumer.settings import Settings
from schemas import names

NOW = 1_700_000_000_000
HOUR = 3_600_000
RECORD = Record(names.REQUESTED, 2, 40, b"a-1", b"{}", (("leadart-topic", b"theirs"),), NOW - HOUR)
HISTORY = {
    "leadart-topic": names.REQUESTED,
    "leadart-partition": "2",
    "leadart-offset": "40",
    "leadart-timestamp": str(NOW - HOUR),
    "leadart-attempts": "1",
    "leadart-first-seen": str(NOW),
    "leadart-due": str(NOW + 60_000),
}


def retries(**worker: Any) -> RetryPolicy:
    return retry_policy(Settings.model_validate({"worker": worker}))


def waiting(**history: str | None) -> Record:
    """Return the record in the first retry lane; a header of None is missing."""
    headers = {**HISTORY, **history}
    ours = tuple((name, text.encode()) for name, text in headers.items() if text is not None)
    return replace(RECORD, topic=names.RETRY_1M, offset=7, headers=RECORD.headers + ours, timestamp_ms=NOW)


def test_each_failure_waits_longer() -> None:
    """A minute, ten minutes, an hour; then there is no further attempt."""
    turns = [retries().next_attempt(RetryState(RECORD, attempts, NOW), NOW) for attempts in range(4)]

    assert [turn and (turn.topic, turn.due_ms - NOW) for turn in turns] == [
        (names.RETRY_1M, 60_000),
        (names.RETRY_10M, 600_000),
        (names.RETRY_1H, HOUR),
        None,
    ]


def test_more_attempts_wait_an_hour_each() -> None:
    """Attempts beyond the lanes all wait in the last one."""
    turn = retries(attempts=10).next_attempt(RetryState(RECORD, 7, NOW), NOW)

    assert turn is not None
    assert turn.topic == names.RETRY_1H


def test_a_pause_costs_neither_attempts_nor_age() -> None:
    """A minute at first, then ten: that time is taken out of the age, and a first attempt has none."""
    tried, fresh = RetryState(RECORD, 2, NOW - HOUR), RetryState(RECORD)
    soon, later = (retries().hold(tried, NOW - since, NOW) for since in (600_000, 600_001))

    assert (soon.topic, soon.due_ms, soon.first_seen_ms) == (names.RETRY_1M, NOW + 60_000, NOW - HOUR + 60_000)
    assert (later.topic, later.due_ms, later.first_seen_ms) == (names.RETRY_10M, NOW + 600_000, NOW - HOUR + 600_000)
    assert retries().hold(fresh, NOW, NOW).first_seen_ms == 0


def test_age_is_capped_too() -> None:
    """A request first attempted too long ago does not wait again, however few its attempts."""
    old = RetryState(RECORD, 1, NOW - 5 * HOUR)

    assert retries(retry_age_seconds=6 * 3600).next_attempt(old, NOW) is not None
    assert retries(retry_age_seconds=5 * 3600).next_attempt(old, NOW) is None


def test_a_retry_is_taken_apart() -> None:
    """The publisher's record comes back with its own headers, even those that look like ours, and its history."""
    assert retries().unwrap(waiting()) == RetryState(RECORD, 1, NOW, NOW + 60_000)


def test_no_header_says_next_year() -> None:
    """A due time far beyond the lane's delay is bounded: it would stop the whole lane."""
    assert retries().unwrap(waiting(**{"leadart-due": str(NOW + 1000 * HOUR)})).due_ms == NOW + 120_000


@pytest.mark.parametrize("history", [{"leadart-attempts": None}, {"leadart-due": "soon"}, {"leadart-offset": ""}])
def test_what_only_looks_like_a_retry_is_a_first_try(history: dict[str, str | None]) -> None:
    """A record that another client wrote into a retry lane is worked on as it is, at once."""
    record = waiting(**history)

    assert retries().unwrap(record) == RetryState(record)


def test_other_lanes_are_never_unwrapped() -> None:
    """A publisher's headers mean nothing to the worker, whatever their names."""
    record = replace(waiting(), topic=names.REQUESTED)

    assert retries().unwrap(record) == RetryState(record)
    assert split(RECORD.headers[:0]) == ((), {})


def test_tests_may_shorten_the_delays() -> None:
    """The delays scale together; the lanes' names stay what they are."""
    turn = retries(retry_delay_scale=0.01).next_attempt(RetryState(RECORD, 0), NOW)

    assert turn is not None
    assert (turn.topic, turn.due_ms, turn.first_seen_ms) == (names.RETRY_1M, NOW + 600, NOW)


@pytest.mark.parametrize(
    "history",
    [
        {"leadart-due": "-" + "9" * 400},
        {"leadart-due": "9" * 400},
        {"leadart-attempts": "-5"},
        {"leadart-partition": "99999"},
        {"leadart-offset": str(2**63)},
    ],
)
def test_a_history_from_elsewhere_is_not_believed(history: dict[str, str | None]) -> None:
    """Numbers beyond Kafka's range, or another partition, are no history of ours: a first attempt, in its shard."""
    record = waiting(**history)

    assert retries().unwrap(record) == RetryState(record)
