"""Latest wins: which requests of a slot get their pictures, and which are superseded by a newer save.

Revisions decide, whatever lane a request comes by and in whatever order. Equal revisions leave each other alone: there
the recipe decides what is painted, further down. An editor's decision comes before revisions: a withdrawn slot gets no
picture at all, one with a choice keeps it (`editorial_decisions`). What an operator called off or paused does not
compete (`controls`); one that is being painted when a pause comes is finished.

A fast typist would never see a picture if every save ended the one before it. So after a few saves in a row that were
superseded while somebody waited, one is protected: it may finish and be announced, unless a newer one is ready first.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence

from consumer.delivery.editorial import Choice
from consumer.delivery.heads import Claim, Head, Heads, Slot
from consumer.delivery.in_flight import InFlightRecord
from consumer.delivery.ordinals import accept
from consumer.delivery.ports import RecordResult
from consumer.delivery.ruling import Ruling, Verdict

IN_A_ROW = 3
"""Saves superseded in a row before one is protected."""

WAITED_SECONDS = 1.0
"""A save counts as waited for once in flight this long: of a backlog read at once only the newest is painted."""

_UNWANTED = {Verdict.SUPERSEDED, Verdict.WITHDRAWN, Verdict.CANCELLED, Verdict.PAUSED}
"""Verdicts about requests that do not compete: they change no head."""


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

    def rule(self, request: InFlightRecord, claim: Claim) -> tuple[Ruling, Head | None]:
        """Return what would be decided about a claim, and the slot's head with it. Changes nothing."""
        head = self.heads.get(claim.slot)
        if (cancel := self.heads.controls.cancel_of(claim.traits)) is not None:
            return Ruling(Verdict.CANCELLED, message=str(cancel.match)), head
        if (withdrawal := self.heads.withdrawal(claim.slot)) is not None:
            return Ruling(Verdict.WITHDRAWN, withdrawal.ordinal, message=withdrawal.message), head
        if head is not None and claim.revision < head.revision and not _is_protected(request, claim, head):
            return Ruling(Verdict.SUPERSEDED), head
        pause = self.heads.controls.pause_of(claim.traits)
        # What was begun before the pause is finished; an idle owner may learn of a pause only after it began more.
        if pause is not None and not (request.under_way and claim.time_ms < pause.since):
            return Ruling(Verdict.PAUSED, message=str(pause.match), paused_since=pause.since), head
        newer, accepted = accept(head, claim)
        event, editorial = (claim.source, claim.request_id), newer.editorial
        choice = None if editorial.choice is None or editorial.choice.let_go else editorial.choice
        return Ruling(
            _verdict(choice, claim),
            accepted.ordinal,
            accepted.variation,
            choice,
            since=newer.since,
            held=editorial.held if editorial.held is not None and editorial.held.is_of(*event) else None,
            approved=editorial.approved == event,
        ), newer

    def admit(self, request: InFlightRecord, claim: Claim) -> Ruling:
        """Decide about a claim; a superseded request is completed.

        A revision newer than all before supersedes the older requests in flight.
        """
        before = self.heads.get(claim.slot)
        request.ruling, head = self.rule(request, claim)
        if request.ruling.verdict is Verdict.SUPERSEDED and head is not None:
            request.supersede(head.revision)
        if request.ruling.verdict in _UNWANTED or head is None:
            return request.ruling
        self.heads.set(claim.slot, head)
        if claim.supersedes and (before is None or claim.revision > before.revision):
            self._supersede_older(self._competing[claim.slot], head, claim.slot)
        self._competing[claim.slot].append(request)
        return request.ruling

    def readmit(self, request: InFlightRecord) -> bool:
        """Decide on work of an earlier epoch whose record was read again; False if it has to be begun anew."""
        if request.decides:
            return False
        if request.claim is None:
            return True
        earlier, overruled = request.ruling, request.overruled
        ruling = self.admit(request, request.claim)
        if ruling.verdict is Verdict.SUPERSEDED:
            request.cancel()
            return True
        if overruled or ruling != earlier:
            self._leave(request, request.claim.slot)
            return False
        return True

    def withdraw(self, slot: Slot, ruling: Ruling) -> None:
        """End what is in flight for a slot that was taken down."""
        for request in self._competing.pop(slot, []):
            request.withdraw(ruling)
            request.cancel()

    def recheck(self, request: InFlightRecord) -> None:
        """Decide once more before the outcome is written: a protected request may have come too late."""
        head = self.heads.get(request.claim.slot) if request.claim else None
        if head is None or request.claim is None or not request.protected:
            return
        if _is_protected(request, request.claim, head):
            return
        if request.claim.revision < head.revision:  # the newer one may be forgotten, with the epoch that knew of it
            request.supersede(head.revision)

    def changes(self, batch: Iterable[tuple[InFlightRecord, RecordResult]]) -> dict[Slot, Head]:
        """Return the heads that the batch's outcomes rest on, where the group does not know them yet."""
        return self.heads.unwritten({slot for request, _ in batch for slot in request.slots})

    def awaits_approved(self, slot: Slot) -> bool:
        """Return whether the slot's held request was approved, and is being worked on."""
        return any(request.releases is not None for request in self._competing.get(slot, ()))

    def conclude(self, request: InFlightRecord, result: RecordResult) -> None:
        """End the competition for a request whose outcome is in the next commit: no later claim changes it.

        Should that commit fail, the request is admitted again in the next epoch.
        """
        if request.claim is None:
            return
        if result.announces:
            self.heads.announce(request.claim)
        self._leave(request, request.claim.slot)

    def _leave(self, request: InFlightRecord, slot: Slot) -> None:
        if competing := self._competing.get(slot):
            remaining = [other for other in competing if other is not request]
            if remaining:
                self._competing[slot] = remaining
            else:
                del self._competing[slot]

    def _supersede_older(self, competing: list[InFlightRecord], head: Head, slot: Slot) -> None:
        older = [request for request in competing if not request.overruled]
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


def _verdict(choice: Choice | None, claim: Claim) -> Verdict:
    """Return what becomes of a request that is wanted, by the choice that stands in its slot."""
    if choice is None:
        return Verdict.PAINT
    if choice.decision.external:
        return Verdict.EXTERNAL
    if claim.picture is not None:
        return Verdict.CHOOSE if choice.is_of(claim.picture) else Verdict.OFFER
    return Verdict.OFFER if claim.fresh else Verdict.KEEP


def _is_protected(request: InFlightRecord, claim: Claim, head: Head) -> bool:
    return request.protected and (head.made is None or head.made < claim.revision)


def _longest_waited_for(requests: Sequence[InFlightRecord]) -> InFlightRecord:
    """Return one that is in the engine, or else the one in flight the longest."""
    return min(requests, key=lambda request: (not request.engine.inside, request.begun))
