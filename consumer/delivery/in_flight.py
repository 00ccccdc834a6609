"""In-flight records: the handler works on them, the owner of their shard commits what comes of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from consumer.delivery.editorial import Choice, Editorial, Held, Position, Withdrawal
from consumer.delivery.engine_exposure import EnginePresence
from consumer.delivery.heads import Claim, Slot
from consumer.delivery.own_offsets import ForeignCommit
from consumer.delivery.ports import MAX_RECORD_BYTES, BusError, RecordResult
from consumer.delivery.ruling import UNRULED, Ruling
from consumer.jobs import Record

log = structlog.get_logger(__name__)


class Cancellable(Protocol):
    """Work under way on a record."""

    @property
    def painting(self) -> bool:
        """Whether a picture is being painted for it, or was."""

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


class SlotDecisions(Protocol):
    """Decides, for one epoch of a shard, who gets a slot. Nothing here waits.

    Where the answer may be None, the record was not read in this epoch: it is decided about when it is.
    """

    def preview(self, request: InFlightRecord, claim: Claim) -> Ruling:
        """Return what `admit` would decide."""

    def admit(self, request: InFlightRecord, claim: Claim) -> Ruling:
        """Decide about a request; one that is superseded is completed."""

    def chosen(self, request: InFlightRecord, slot: Slot, at: Position) -> Choice | None:
        """Return the slot's choice; one that was let go of only to the event at `at` that did so."""

    def editorial(self, request: InFlightRecord, slot: Slot) -> Editorial | None:
        """Return what was decided about the slot."""

    def choose(self, request: InFlightRecord, slot: Slot, at: Position, choice: Choice) -> Ruling | None:
        """Make the choice the slot's, or let go of it."""

    def withdraw(
        self, request: InFlightRecord, article_id: str, slot: str | None, at: Position, by: Withdrawal
    ) -> list[WithdrawnSlot] | None:
        """Take the slot down, or all of the article; what is in flight there ends. Empty for a slot without a head."""

    def restore(self, request: InFlightRecord, article_id: str, slot: str | None, at: Position) -> bool | None:
        """Open what was taken down; False for a slot of an article that is withdrawn as a whole."""


@dataclass(frozen=True, slots=True)
class WithdrawnSlot:
    """A slot that was taken down, its newest revision, and the withdrawal's ordinal in it.

    `late`: a later decision was applied before, so nothing was done.
    """

    slot: Slot
    revision: int
    ordinal: int
    late: bool = False


@dataclass(frozen=True, slots=True)
class Release:
    """An approval of a held request. `too_late` is its result if something else ended the request before."""

    held: Held
    too_late: RecordResult


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

    `decisions` are the owner's; without them there is nothing to compete for. `wake` asks for a commit. `slots` are
    those whose heads its result rests on. `decides`: it is an editorial decision, and begun anew in each epoch.
    `overruled`: its result is another request's doing, whatever its own would have been. `holds`: its result is to hold
    it until an editor approves; `releases`: its result is the end of the request that was held.
    """

    def __init__(
        self,
        record: Record,
        deaths: int,
        wake: Callable[[], None],
        decisions: SlotDecisions | None = None,
    ) -> None:
        self.record = record
        self.engine = EnginePresence(deaths, wake)
        self.begun = asyncio.get_running_loop().time()
        self.claim: Claim | None = None
        self.ruling = UNRULED
        self.slots: frozenset[Slot] = frozenset()
        self.protected = self.overruled = self.decides = False
        self.holds: Held | None = None
        self.releases: Release | None = None
        self.result: RecordResult | None = None
        self.completed_at = 0.0
        self._wake = wake
        self._decisions = decisions
        self._superseded_by: Callable[[int], RecordResult] | None = None
        self._withdrawn_by: Callable[[Ruling], RecordResult] | None = None
        self._work: Cancellable | None = None
        self._released = False

    @property
    def under_way(self) -> bool:
        """True once a picture is being painted for it, or its result is there: a pause comes too late."""
        return self.result is not None or (self._work is not None and self._work.painting)

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

    def settle(self, seconds: float) -> None:
        """Count the wait for its pictures only from then on: until then a newer request is waited for."""
        self.begun = asyncio.get_running_loop().time() + max(0.0, seconds)

    def preview(self, claim: Claim) -> Ruling:
        """Return what `register_claim` would decide now."""
        return UNRULED if self._decisions is None else self._decisions.preview(self, claim)

    def register_claim(
        self,
        claim: Claim,
        superseded: Callable[[int], RecordResult],
        withdrawn: Callable[[Ruling], RecordResult] | None = None,
    ) -> Ruling:
        """Say which slot a valid request competes for; with a newer revision known, the record is complete.

        `superseded` and `withdrawn` make the results for a newer revision and for a withdrawal; when one comes later,
        the work is cancelled.
        """
        self.claim, self.slots = claim, frozenset({claim.slot})
        self._superseded_by, self._withdrawn_by = superseded, withdrawn
        if self._released or self._decisions is None:
            return UNRULED
        return self._decisions.admit(self, claim)

    def chosen(self, slot: Slot, at: Position) -> Choice | None:
        """Return the slot's choice; one that was let go of only to the event at `at` that did so."""
        return None if self._decisions is None else self._decisions.chosen(self, slot, at)

    def editorial(self, slot: Slot) -> Editorial | None:
        """Return what was decided about the slot; None: hand the record back, it is read again."""
        return None if self._released or self._decisions is None else self._decisions.editorial(self, slot)

    def choose(self, slot: Slot, at: Position, choice: Choice) -> Ruling | None:
        """Make the choice the slot's, or let go of it; None: hand the record back, it is read again."""
        if self._released or self._decisions is None:
            return None
        self.decides, self.slots = True, self.slots | {slot}
        return self._decisions.choose(self, slot, at, choice)

    def withdraw_slots(
        self, article_id: str, slot: str | None, at: Position, by: Withdrawal
    ) -> list[WithdrawnSlot] | None:
        """Take a slot down, or a whole article; None: hand the record back, it is read again."""
        if self._released or self._decisions is None:
            return None
        self.decides = True
        return self._decisions.withdraw(self, article_id, slot, at, by)

    def restore_slots(self, article_id: str, slot: str | None, at: Position) -> bool | None:
        """Open what was taken down; None: hand the record back, it is read again."""
        if self._released or self._decisions is None:
            return None
        self.decides = True
        return self._decisions.restore(self, article_id, slot, at)

    def supersede(self, revision: int) -> None:
        """Complete it as superseded by that revision, whatever its result would have been."""
        if self._superseded_by is not None:
            self._overrule(self._superseded_by(revision))

    def withdraw(self, ruling: Ruling) -> None:
        """Complete it as withdrawn, whatever its result would have been."""
        if self._withdrawn_by is not None:
            self._overrule(self._withdrawn_by(ruling))

    def _overrule(self, result: RecordResult) -> None:
        self.overruled, self.holds = False, None  # its end is announced, so it must not be held and end once more
        self.complete(result)
        self.overruled = True

    def complete(self, result: RecordResult) -> None:
        """Take the result; that of a record that was released or overruled is dropped."""
        if self._released or self.overruled:
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
