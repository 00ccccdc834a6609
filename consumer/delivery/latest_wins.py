"""Latest wins: which requests of a slot get their pictures, and which are superseded by a newer save.

Revisions decide, whatever lane a request comes by and in whatever order. Equal revisions leave each other alone: there
the recipe decides, further down, what is painted.

A fast typist would never see a picture if every save ended the one before it. So after a few saves in a row that were
superseded while somebody waited, one is spared: it is let finish and announced, unless a newer one was ready first.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from consumer.delivery.heads import Head, Heads, Slot
    from consumer.delivery.in_flight import InFlightRecord
    from consumer.delivery.ports import RecordResult

IN_A_ROW = 3
"""Saves superseded in a row before one is spared."""

WAITED_SECONDS = 1.0
"""A save counts as waited for when it was in hand this long: of a backlog read at once only the newest is painted."""


class LatestWins:
    """Judges the requests of one shard within one epoch of its owner."""

    def __init__(self, heads: Heads) -> None:
        self.heads = heads
        self._entered: defaultdict[Slot, list[InFlightRecord]] = defaultdict(list)

    def begin_epoch(self) -> None:
        """Forget who entered: in a new epoch each enters again when its record is read again."""
        self._entered.clear()

    def forget(self) -> None:
        """Forget everything: the shard is another worker's now."""
        self._entered.clear()
        self.heads.forget()

    def enter(self, work: InFlightRecord) -> bool:
        """Judge a request that made its claim: True if its pictures are wanted, else it is settled as superseded.

        A newer revision than all before ends the work of the older ones.
        """
        claim = work.claim
        if claim is None:
            return True
        head = self.heads.get(claim.slot)
        if head is not None and claim.revision < head.revision and not _is_spared(work, head):
            work.supersede(head.revision)
            return False
        if head is None or claim.revision > head.revision:
            self._overtake(self._entered[claim.slot], self.heads.advance(claim), claim.slot)
        self._entered[claim.slot].append(work)
        return True

    def enter_again(self, work: InFlightRecord) -> bool:
        """Judge work of an earlier epoch whose record was read again; False if it has to be begun anew."""
        if work.claim is not None and work.superseded:
            head = self.heads.get(work.claim.slot)
            if head is None or work.claim.revision >= head.revision:
                return False
            work.supersede(head.revision)
            return True
        if not self.enter(work):
            work.withdraw(True)
        return True

    def confirm(self, work: InFlightRecord) -> None:
        """Judge once more, before the outcome is written: one that was spared may have come too late."""
        head = self.heads.get(work.claim.slot) if work.claim else None
        if head is None or work.claim is None or not work.spared or _is_spared(work, head):
            return
        if work.claim.revision < head.revision:  # the newer one may be forgotten, with the epoch that knew of it
            work.supersede(head.revision)

    def changes(self, batch: Iterable[tuple[InFlightRecord, RecordResult]]) -> dict[Slot, Head]:
        """Return the heads that the batch's outcomes rest on, where the group does not know them yet."""
        return self.heads.unwritten({work.claim.slot for work, _ in batch if work.claim is not None})

    def leave(self, work: InFlightRecord, settlement: RecordResult) -> None:
        """Take note that this outcome is written with the next commit: whatever claims the slot now changes it no more.

        Should that commit fail, the work enters again with the next epoch.
        """
        if work.claim is None:
            return
        if settlement.announces:
            self.heads.announce(work.claim)
        if entered := self._entered.get(work.claim.slot):
            remaining = [other for other in entered if other is not work]
            if remaining:
                self._entered[work.claim.slot] = remaining
            else:
                del self._entered[work.claim.slot]

    def _overtake(self, entered: list[InFlightRecord], head: Head, slot: Slot) -> None:
        older = [work for work in entered if not work.superseded]
        if head.in_a_row >= IN_A_ROW and older and not any(work.spared for work in older):
            _longest_waited_for(older).spared = True
        hit = [work for work in older if not work.spared]
        now = asyncio.get_running_loop().time()
        if any(now - work.begun >= WAITED_SECONDS for work in hit):
            self.heads.count_superseded(slot)
        for work in hit:
            work.supersede(head.revision)
            work.withdraw(True)
        entered[:] = [work for work in entered if work.spared]


def _is_spared(work: InFlightRecord, head: Head) -> bool:
    return work.spared and work.claim is not None and (head.made is None or head.made < work.claim.revision)


def _longest_waited_for(works: Sequence[InFlightRecord]) -> InFlightRecord:
    """Return one that is in the engine, or else the one that has been in hand longest."""
    return min(works, key=lambda work: (not work.is_in_engine, work.begun))
