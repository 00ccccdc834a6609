"""Retry lanes: where a request waits after a passing failure, and how it is told apart from a first try.

Each lane holds one delay, so it is in order of due time. A record there carries the publisher's key, value and headers
untouched, and behind them one block of ours that begins with `leadart-topic`: where it came from, how often it was
tried, why it failed last, since when, and when it is due.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from schemas import names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consumer.jobs import Record
    from consumer.settings import Settings

Headers = tuple[tuple[str, bytes | None], ...]

DELAYS: Final[Mapping[str, float]] = {names.RETRY_1M: 60.0, names.RETRY_10M: 600.0, names.RETRY_1H: 3600.0}
"""Seconds that a record waits in each retry lane, in the order in which a request passes them."""

FIRST_OF_OURS: Final = "leadart-topic"


@dataclass(frozen=True, slots=True)
class RetryState:
    """A record as its publisher wrote it, at its first coordinates, and what became of it since.

    `attempts` made so far, `first_seen_ms` and `due_ms` in milliseconds since 1970 (0: never tried, due now).
    """

    original: Record
    attempts: int = 0
    first_seen_ms: int = 0
    due_ms: int = 0


@dataclass(frozen=True, slots=True)
class RetrySchedule:
    """When and where a request is tried again."""

    topic: str
    first_seen_ms: int
    due_ms: int


class RetryPolicy:
    """The house's patience: which lane comes next, and when there is none."""

    def __init__(self, settings: Settings) -> None:
        scale = settings.worker.retry_delay_scale
        self._delays = {settings.topics.named(base): seconds * scale for base, seconds in DELAYS.items()}
        self._attempts = settings.worker.attempts
        self._age_ms = settings.worker.retry_age_seconds * 1000

    def is_retry(self, topic: str) -> bool:
        """True for the full name of a retry lane."""
        return topic in self._delays

    def delay_ms(self, topic: str) -> int:
        """Return how long a record waits in a lane, in milliseconds; 0 where it does not."""
        return int(self._delays.get(topic, 0.0) * 1000)

    def unwrap(self, record: Record) -> RetryState:
        """Take our headers off. A record that only claims to be a retry, or is none, is a first try."""
        if not self.is_retry(record.topic):
            return RetryState(record)
        theirs, ours = split(record.headers)
        try:
            topic, partition = ours["leadart-topic"], _number(ours["leadart-partition"])
            offset, timestamp_ms = _number(ours["leadart-offset"]), _number(ours["leadart-timestamp"])
            attempts, first_seen = _number(ours["leadart-attempts"]), _number(ours["leadart-first-seen"])
            due = self._due(record, _number(ours["leadart-due"]))
        except (KeyError, ValueError):
            return RetryState(record)
        if partition != record.partition:  # from another cluster, or another count: nothing here leaves its shard
            return RetryState(record)
        original = replace(record, topic=topic, offset=offset, timestamp_ms=timestamp_ms, headers=theirs)
        return RetryState(original, attempts, first_seen, due)

    def again(self, tried: RetryState, now_ms: int) -> RetrySchedule | None:
        """Return where a request waits that has just failed once more; None when its attempts or its time are used up.

        It goes back to its own partition number: a request never leaves its shard.
        """
        made = tried.attempts + 1
        if made >= self._attempts:
            return None
        first_seen = tried.first_seen_ms or now_ms
        topic, delay = list(self._delays.items())[min(made, len(self._delays)) - 1]
        due = now_ms + int(delay * 1000)
        if due - first_seen > self._age_ms:
            return None
        return RetrySchedule(topic, first_seen, due)

    def _due(self, record: Record, due_ms: int) -> int:
        """Bound what a header says: the lane stands still until its first record is due, so none may say next year."""
        return min(due_ms, record.timestamp_ms + int(2 * self._delays[record.topic] * 1000))


def _number(text: str) -> int:
    """Read a count, an offset or a time. Raises ValueError for what Kafka could not hold either."""
    number = int(text)
    if not 0 <= number < 2**63:
        raise ValueError(f"{text[:40]} is out of range")
    return number


def split(headers: Headers) -> tuple[Headers, dict[str, str]]:
    """Tell the publisher's headers from ours behind them; no block of ours is an empty dictionary."""
    starts = [index for index, (name, _) in enumerate(headers) if name == FIRST_OF_OURS]
    if not starts:
        return headers, {}
    ours = headers[starts[-1] :]
    return headers[: starts[-1]], {name: (value or b"").decode(errors="replace") for name, value in ours}
