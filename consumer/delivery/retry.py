"""Retry lanes: where a request waits after a transient failure, and how a retry is told from a first attempt.

Each lane has one delay, so its records are ordered by due time. A record keeps the publisher's key, value and headers
untouched; one block of our own headers follows, beginning with `leadart-topic`: origin, attempts, last failure, first
failure's time and due time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from consumer.jobs import Record
from schemas import names

Headers = tuple[tuple[str, bytes | None], ...]

DELAYS: Final[Mapping[str, float]] = {names.RETRY_1M: 60.0, names.RETRY_10M: 600.0, names.RETRY_1H: 3600.0}
"""Seconds a record waits in each retry lane, in the order in which a request passes through them."""

FIRST_OF_OURS: Final = "leadart-topic"
"""The header our block begins with."""


@dataclass(frozen=True, slots=True)
class RetryState:
    """A record as published, at its original coordinates, and its attempts so far.

    `first_seen_ms` and `due_ms` are milliseconds since 1970 (0: never attempted, due now).
    """

    original: Record
    attempts: int = 0
    first_seen_ms: int = 0
    due_ms: int = 0


@dataclass(frozen=True, slots=True)
class RetrySchedule:
    """Where and when a request is attempted again."""

    topic: str
    first_seen_ms: int
    due_ms: int


class RetryPolicy:
    """The next retry lane, or None once attempts or age are exhausted.

    `delays` are the lanes' seconds by full topic name, in the order of `DELAYS`.
    """

    def __init__(self, delays: Mapping[str, float], *, attempts: int, max_age_seconds: float) -> None:
        self._delays = dict(delays)
        self._attempts = attempts
        self._max_age_ms = max_age_seconds * 1000

    def is_retry(self, topic: str) -> bool:
        """Return whether `topic` is the full name of a retry lane."""
        return topic in self._delays

    def delay_ms(self, topic: str) -> int:
        """Return the lane's delay in milliseconds, 0 for other topics."""
        return int(self._delays.get(topic, 0.0) * 1000)

    def unwrap(self, record: Record) -> RetryState:
        """Remove our headers. A record that is no retry, or only claims to be one, is a first attempt."""
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
        if partition != record.partition:  # another cluster's, or before topics grew
            return RetryState(record)
        original = replace(record, topic=topic, offset=offset, timestamp_ms=timestamp_ms, headers=theirs)
        return RetryState(original, attempts, first_seen, due)

    def next_attempt(self, state: RetryState, now_ms: int) -> RetrySchedule | None:
        """Schedule a request that has just failed again; None once its attempts or its age are exhausted.

        It keeps its partition number: a request never leaves its shard.
        """
        made = state.attempts + 1
        if made >= self._attempts:
            return None
        first_seen = state.first_seen_ms or now_ms
        topic, delay = list(self._delays.items())[min(made, len(self._delays)) - 1]
        due = now_ms + int(delay * 1000)
        if due - first_seen > self._max_age_ms:
            return None
        return RetrySchedule(topic, first_seen, due)

    def hold(self, state: RetryState, since_ms: int, now_ms: int) -> RetrySchedule:
        """Schedule another look at a request that is paused since then: soon at first, later at longer intervals.

        No attempt was made, and the time until then does not count towards its age.
        """
        soon, later = list(self._delays.items())[:2]
        topic, delay = later if now_ms - since_ms > later[1] * 1000 else soon
        due = now_ms + int(delay * 1000)
        return RetrySchedule(topic, state.first_seen_ms and state.first_seen_ms + due - now_ms, due)

    def _due(self, record: Record, due_ms: int) -> int:
        """Cap the header's due time: the whole lane pauses until its first record is due."""
        return min(due_ms, record.timestamp_ms + int(2 * self._delays[record.topic] * 1000))


def _number(text: str) -> int:
    """Parse a count, an offset or a time. Raises ValueError outside of Kafka's 63 bits."""
    number = int(text)
    if not 0 <= number < 2**63:
        raise ValueError(f"{text[:40]} is out of range")
    return number


def split(headers: Headers) -> tuple[Headers, dict[str, str]]:
    """Separate the publisher's headers from the block of ours after them, which may be empty."""
    starts = [index for index, (name, _) in enumerate(headers) if name == FIRST_OF_OURS]
    if not starts:
        return headers, {}
    ours = headers[starts[-1] :]
    return headers[: starts[-1]], {name: (value or b"").decode(errors="replace") for name, value in ours}
