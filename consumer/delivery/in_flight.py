"""In-flight records: the handler works on them, the owner of their shard commits what comes of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

import structlog

from consumer.delivery.engine_exposure import EnginePresence
from consumer.delivery.heads import Claim
from consumer.delivery.own_offsets import ForeignCommit
from consumer.delivery.ports import MAX_RECORD_BYTES, BusError, RecordResult
from consumer.jobs import Record

log = structlog.get_logger(__name__)


class Cancellable(Protocol):
    """Work under way on a record."""

    def cancel(self, *, running: bool) -> None:
        """End the work. What is being painted goes on unless `running`."""


class RecordHandler(Protocol):
    """Works on records."""

    @property
    def outage(self) -> str:
        """The reason code of what keeps the handler from working; empty when nothing does."""

    def admits(self) -> bool:
        """Return whether to poll more records."""

    def seconds_until_due(self, record: Record) -> float:
        """Return the seconds until the record may be worked on; its lane pauses until then."""

    def begin(self, in_flight: InFlightRecord) -> Cancellable:
        """Start work, which calls `complete` once at its end. Returns before the work's first step."""


class DeliveryObserver(Protocol):
    """Hears what became of records and transactions."""

    def announced(self, record: Record, result: RecordResult, seconds: float) -> None:
        """The result was committed, `seconds` after it was complete."""

    def epoch_ended(self, shard: int, error: BusError) -> None:
        """An epoch broke; the next begins after a pause."""

    def foreign_commit(self, commit: ForeignCommit) -> None:
        """Somebody else committed an offset for the group; the shard goes on where this fleet stood."""

    def records_deleted(self, topic: str, shard: int, records: int) -> None:
        """At most that many records were deleted from the lane before they were read: it goes on behind them."""

    def committed(self, shard: int, seconds: float, records: int) -> None:
        """A transaction of that many records went through."""


class InFlightRecord:
    """A record from its delivery to the commit of its result, across epochs.

    `admit_claim` is the owner's: it decides whether the record's claim is still wanted. `wake` asks for a commit.
    """

    def __init__(
        self,
        record: Record,
        deaths: int,
        wake: Callable[[], None],
        admit_claim: Callable[[InFlightRecord], bool] = lambda _in_flight: True,
    ) -> None:
        self.record = record
        self.engine = EnginePresence(deaths, wake)
        self.begun = asyncio.get_running_loop().time()
        self.claim: Claim | None = None
        self.protected = self.superseded = False
        self.result: RecordResult | None = None
        self.completed_at = 0.0
        self._wake = wake
        self._admit_claim = admit_claim
        self._superseded_by: Callable[[int], RecordResult] | None = None
        self._work: Cancellable | None = None
        self._released = False

    def start(self, handler: RecordHandler) -> None:
        """Have the handler work on it."""
        self._work = handler.begin(self)

    def cancel(self, *, running: bool = True) -> None:
        """End the handler's work; what is being painted goes on unless `running`."""
        if self._work is not None:
            self._work.cancel(running=running)

    def release(self, *, cancel_running: bool) -> None:
        """Drop the record: another owner's, or finished already. Painting goes on unless `cancel_running`."""
        self._released = True
        self.engine.release()
        self.cancel(running=cancel_running)

    def register_claim(self, claim: Claim, superseded: Callable[[int], RecordResult]) -> bool:
        """Say which slot a valid request competes for; False if a newer revision is known, and the record is complete.

        `superseded` makes the result for a newer revision; when one comes later, the work is cancelled.
        """
        self.claim, self._superseded_by = claim, superseded
        return self._released or self._admit_claim(self)

    def supersede(self, revision: int) -> None:
        """Complete it as superseded by that revision, whatever its result would have been."""
        if self._superseded_by is None:
            return
        self.superseded = False
        self.complete(self._superseded_by(revision))
        self.superseded = True

    def complete(self, result: RecordResult) -> None:
        """Take the result; that of a record that was released or superseded is dropped."""
        if self._released or self.superseded:
            return
        if result.fallback and any(outgoing.size > MAX_RECORD_BYTES for outgoing in result.records):
            log.error(
                "announcement_too_large",
                topic=self.record.topic,
                shard=self.record.partition,
                offset=self.record.offset,
            )
            result = result.fall_back()
        self.result, self.completed_at = result, time.monotonic()
        self.engine.release()
        self._wake()
