"""Held requests: those that wait for an editor's approval, in the heads of their slots, and how each of them ends.

A held request's own record is finished once `held` was announced. Its end is written with whatever causes it, in the
transaction that takes it out of the head: the approval's, a newer save's, a withdrawal's, or one of its own when its
time is over. So there is exactly one, and only results that are in the next commit change what is held.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from consumer.delivery.editorial import Editorial, Held
from consumer.delivery.heads import Head, Heads, Slot
from consumer.delivery.in_flight import InFlightRecord
from consumer.delivery.latest_wins import LatestWins
from consumer.delivery.ports import RecordResult
from consumer.jobs import Record

MOST_AT_ONCE: Final = 50
"""Requests that expire in one transaction; each may be as large as a record."""

Ends = list[tuple[InFlightRecord, RecordResult]]


class EndReason(StrEnum):
    """What ended a held request without an approval."""

    SUPERSEDED = "superseded"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class HeldEnd:
    """The end of a held request: by which revision it was superseded, by which withdrawal withdrawn."""

    reason: EndReason
    revision: int = 0
    ordinal: int = 0
    message: str | None = None


EndHeld = Callable[[int, Held, HeldEnd], RecordResult]
"""Makes the result that announces an end, in a shard."""


class HeldRequests:
    """The held requests of one shard."""

    def __init__(self, shard: int, latest_wins: LatestWins, end: EndHeld | None) -> None:
        self._shard = shard
        self._latest_wins = latest_wins
        self._heads: Heads = latest_wins.heads
        self._end = end
        self._ends: Ends = []

    def recheck(self, request: InFlightRecord) -> None:
        """Before a result is taken: an approval whose request has ended otherwise says nothing."""
        release, claim = request.releases, request.claim
        if release is not None and claim is not None and self._heads.editorial(claim.slot).held != release.held:
            request.releases, request.result = None, release.too_late

    def conclude(self, request: InFlightRecord) -> None:
        """Hold, release, or end what the request's result, which is in the next commit, holds, releases or ends."""
        for slot in request.slots:
            editorial = self._heads.editorial(slot)
            own = request.claim is not None and request.claim.slot == slot
            if own and request.releases is not None:
                held = request.releases.held
                self._change(slot, editorial, held=None, approved=(held.source, held.request_id))
            elif own and request.holds is not None:
                if editorial.held is not None and editorial.held != request.holds:
                    self._ended(slot, editorial.held, HeldEnd(EndReason.SUPERSEDED, request.holds.revision))
                self._change(slot, editorial, held=request.holds, approved=editorial.approved)
            elif editorial.held is not None and (end := self._over(slot, editorial.held)) is not None:
                self._ended(slot, editorial.held, end)
                self._change(slot, editorial, held=None, approved=editorial.approved)

    def take_ends(self) -> Ends:
        """Return what ended with the results of the next commit, and what is over by its time."""
        now_ms = time.time() * 1000
        for slot in list(self._heads.holding):
            editorial = self._heads.editorial(slot)
            if editorial.held is None:
                self._heads.holding.discard(slot)
            elif editorial.held.until_ms <= now_ms and not self._latest_wins.awaits_approved(slot):
                if len(self._ends) >= MOST_AT_ONCE:
                    break
                self._ended(slot, editorial.held, HeldEnd(EndReason.EXPIRED))
                self._change(slot, editorial, held=None, approved=editorial.approved)
        ends, self._ends = self._ends, []
        return ends

    def _over(self, slot: Slot, held: Held) -> HeldEnd | None:
        if (withdrawal := self._heads.withdrawal(slot)) is not None:
            return HeldEnd(EndReason.WITHDRAWN, ordinal=withdrawal.ordinal, message=withdrawal.message)
        head = self._heads.get(slot)
        if head is not None and head.revision > held.revision:
            return HeldEnd(EndReason.SUPERSEDED, head.revision)
        return None

    def _ended(self, slot: Slot, held: Held, end: HeldEnd) -> None:
        if self._end is None:
            raise TypeError("nobody announces the end of what is held")
        ended, result = InFlightRecord(record_of(held, self._shard), 0, lambda: None), self._end(self._shard, held, end)
        ended.slots, ended.result, ended.completed_at = frozenset({slot}), result, time.monotonic()
        self._ends.append((ended, result))

    def _change(self, slot: Slot, before: Editorial, *, held: Held | None, approved: tuple[str, str] | None) -> None:
        head: Head | None = self._heads.get(slot)
        if head is not None:
            editorial = before.model_copy(update={"held": held, "approved": approved})
            self._heads.set(slot, head._replace(editorial=editorial))


def record_of(held: Held, shard: int) -> Record:
    """Return a held request's record as its publisher wrote it; the shard may be another since the topics grew."""
    return Record(held.topic, shard, held.offset, held.key, held.value, held.headers, held.timestamp_ms)
