"""Latest wins: which requests of a slot get their pictures, and which are superseded by a newer save.

Revisions decide, whatever lane a request comes by and in whatever order. Equal revisions leave each other alone: there
the recipe decides what is painted, further down.

A fast typist would never see a picture if every save ended the one before it. So after a few saves in a row that were
superseded while somebody waited, one is protected: it may finish and be announced, unless a newer one is ready first.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence

from consumer.delivery.heads import Head, Heads, Slot
from consumer.delivery.in_flight import InFlightRecord
from consumer.delivery.ports import RecordResult

IN_A_ROW = 3
"""Saves superseded in a row before one is protected."""

WAITED_SECONDS = 1.0
"""A save counts as waited for once in flight this long: of a backlog read at once only the newest is painted."""


class LatestWins:
    """Decides which requests of one shard are wanted, within one epoch of its owner."""

    def __init__(self, heads: Heads) -> None:
        self.heads = heads
        self._competing: defaultdict[Slot, list[InFlightRecord]] = defaultdict(list)

    def begin_epoch(self) -> None:
        """Forget who competes: in a new epoch each record is admitted again when it is read again."""
        self._competing.clear()

    def forget(self) -> None:
        """Forget everything: the shard is another worker's now."""
        self._competing.clear()
        self.heads.forget()

    def admit(self, request: InFlightRecord) -> bool:
        """Return whether a request's pictures are wanted; if not, it is completed as superseded.

        A revision newer than all before supersedes the older requests in flight.
        """
        claim = request.claim
        if claim is None:
            return True
        head = self.heads.get(claim.slot)
        if head is not None and claim.revision < head.revision and not _is_protected(request, head):
            request.supersede(head.revision)
            return False
        if head is None or claim.revision > head.revision:
            self._supersede_older(self._competing[claim.slot], self.heads.advance(claim), claim.slot)
        self._competing[claim.slot].append(request)
        return True

    def readmit(self, request: InFlightRecord) -> bool:
        """Decide on work of an earlier epoch whose record was read again; False if it has to be begun anew."""
        if request.claim is not None and request.superseded:
            head = self.heads.get(request.claim.slot)
            if head is None or request.claim.revision >= head.revision:
                return False
            request.supersede(head.revision)
            return True
        if not self.admit(request):
            request.cancel()
        return True

    def recheck(self, request: InFlightRecord) -> None:
        """Decide once more before the outcome is written: a protected request may have come too late."""
        head = self.heads.get(request.claim.slot) if request.claim else None
        if head is None or request.claim is None or not request.protected or _is_protected(request, head):
            return
        if request.claim.revision < head.revision:  # the newer one may be forgotten, with the epoch that knew of it
            request.supersede(head.revision)

    def changes(self, batch: Iterable[tuple[InFlightRecord, RecordResult]]) -> dict[Slot, Head]:
        """Return the heads that the batch's outcomes rest on, where the group does not know them yet."""
        return self.heads.unwritten({request.claim.slot for request, _ in batch if request.claim is not None})

    def conclude(self, request: InFlightRecord, result: RecordResult) -> None:
        """End the competition for a request whose outcome is in the next commit: no later claim changes it.

        Should that commit fail, the request is admitted again in the next epoch.
        """
        if request.claim is None:
            return
        if result.announces:
            self.heads.announce(request.claim)
        if competing := self._competing.get(request.claim.slot):
            remaining = [other for other in competing if other is not request]
            if remaining:
                self._competing[request.claim.slot] = remaining
            else:
                del self._competing[request.claim.slot]

    def _supersede_older(self, competing: list[InFlightRecord], head: Head, slot: Slot) -> None:
        older = [request for request in competing if not request.superseded]
        if head.in_a_row >= IN_A_ROW and older and not any(request.protected for request in older):
            _longest_waited_for(older).protected = True
        superseded = [request for request in older if not request.protected]
        now = asyncio.get_running_loop().time()
        if any(now - request.begun >= WAITED_SECONDS for request in superseded):
            self.heads.count_superseded(slot)
        for request in superseded:
            request.supersede(head.revision)
            request.cancel()
        competing[:] = [request for request in competing if request.protected]


def _is_protected(request: InFlightRecord, head: Head) -> bool:
    claim = request.claim
    return request.protected and claim is not None and (head.made is None or head.made < claim.revision)


def _longest_waited_for(requests: Sequence[InFlightRecord]) -> InFlightRecord:
    """Return one that is in the engine, or else the one in flight the longest."""
    return min(requests, key=lambda request: (not request.engine.inside, request.begun))
