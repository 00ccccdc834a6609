"""Burrow's rules for one partition, reimplemented from its published description."""

from __future__ import annotations

from collections import deque
from enum import Enum
from itertools import pairwise
from typing import NamedTuple

LOG_ENDS = 10
"""Log ends that are kept, one for each `LOG_SECONDS`."""

LOG_SECONDS = 10.0


class Status(Enum):
    """Burrow's status of a partition."""

    OK = "OK"
    WARN = "WARN"
    STALL = "STALL"
    STOP = "STOP"
    REWIND = "REWIND"


class Commit(NamedTuple):
    """One commit of the window: its time, offset and lag."""

    at: float
    offset: int
    lag: int


class Burrow:
    """Watches the commits of one partition: keeps `intervals` of them, at least `min_distance` seconds apart."""

    def __init__(self, intervals: int = 10, min_distance: float = 0.0) -> None:
        self._min_distance = min_distance
        self._window: deque[Commit] = deque(maxlen=intervals)
        self._ends: deque[tuple[float, int]] = deque(maxlen=LOG_ENDS)

    def log_end(self, at: float, end: int) -> None:
        """Record the log's end, which is read every few seconds."""
        if not self._ends or at - self._ends[-1][0] >= LOG_SECONDS:
            self._ends.append((at, end))

    def commit(self, at: float, offset: int, end: int) -> None:
        """Record a commit; one that follows too soon replaces the last, keeping its time."""
        if self._window and at - self._window[-1].at < self._min_distance:
            at = self._window.pop().at
        self._window.append(Commit(at, offset, max(0, end - offset)))

    def status(self, now: float, end: int) -> Status:
        """Apply the rules, the worst first."""
        if not self._window or end <= self._window[-1].offset:
            return Status.OK
        if self._stopped(now):
            return Status.STOP
        offsets, lags = [commit.offset for commit in self._window], [commit.lag for commit in self._window]
        if self._rewound(offsets):
            return Status.REWIND
        if not all(lags):
            return Status.OK
        if len(set(offsets)) == 1:
            return Status.STALL
        fell = any(later < earlier for earlier, later in pairwise(lags))
        return Status.OK if fell else Status.WARN

    def _stopped(self, now: float) -> bool:
        first, last = self._window[0], self._window[-1]
        caught_up = any(last.offset >= end for _, end in self._ends)
        return now - last.at > last.at - first.at and not caught_up

    @staticmethod
    def _rewound(offsets: list[int]) -> bool:
        back = [earlier for earlier, later in pairwise(offsets) if later < earlier]
        return bool(back) and offsets[-1] < max(back)
