"""Editorial decisions: a choice, a withdrawal, a restoration take effect in a slot's head.

They do not compete by revision: each takes effect when it is applied, and of two in one partition the later offset
wins, whatever is read again. What is accepted afterwards has a higher ordinal, so that a subscriber can tell.
"""

from collections.abc import Callable

from consumer.delivery.editorial import Choice, Editorial, Position, Withdrawal
from consumer.delivery.heads import NO_HEAD, WHOLE_ARTICLE, Claim, Head, Heads, Slot
from consumer.delivery.in_flight import InFlightRecord, WithdrawnSlot
from consumer.delivery.latest_wins import LatestWins
from consumer.delivery.ordinals import forget_accepted
from consumer.delivery.ruling import UNRULED, Ruling, Verdict


class EditorialDecisions:
    """The `SlotDecisions` of one shard. `is_ours` tells whether a record was read in this epoch."""

    def __init__(self, latest_wins: LatestWins, is_ours: Callable[[InFlightRecord], bool]) -> None:
        self._latest_wins = latest_wins
        self._heads: Heads = latest_wins.heads
        self._is_ours = is_ours

    def preview(self, request: InFlightRecord, claim: Claim) -> Ruling:
        """Return what `admit` would decide."""
        return self._latest_wins.rule(request, claim)[0] if self._is_ours(request) else UNRULED

    def admit(self, request: InFlightRecord, claim: Claim) -> Ruling:
        """Decide about a request."""
        return self._latest_wins.admit(request, claim) if self._is_ours(request) else UNRULED

    def chosen(self, request: InFlightRecord, slot: Slot, at: Position) -> Choice | None:
        """Return the slot's choice; one that was let go of only to the event at `at` that did so."""
        editorial = self._heads.editorial(slot)
        choice = editorial.choice if self._is_ours(request) else None
        return None if choice is None or (choice.let_go and editorial.at != at) else choice

    def editorial(self, request: InFlightRecord, slot: Slot) -> Editorial | None:
        """Return what was decided about the slot."""
        return self._heads.editorial(slot) if self._is_ours(request) else None

    def choose(self, request: InFlightRecord, slot: Slot, at: Position, choice: Choice) -> Ruling | None:
        """Make the choice the slot's, or let go of it, unless a later decision was applied."""
        if not self._is_ours(request):
            return None
        head = self._head(slot)
        if withdrawal := self._heads.withdrawal(slot):
            return Ruling(Verdict.WITHDRAWN, withdrawal.ordinal, message=withdrawal.message)
        if at.is_before(head.editorial.at):
            return Ruling(Verdict.SUPERSEDED, head.ordinal, choice=head.editorial.choice)
        standing = head.editorial.choice
        if at == head.editorial.at and standing is not None:
            return Ruling(Verdict.CHOOSE, standing.ordinal, choice=standing)
        if request.claim is not None and not choice.is_still(standing):  # it re-crops what was chosen when it came
            return Ruling(Verdict.SUPERSEDED, head.ordinal, choice=standing)
        made = choice.after(standing).model_copy(update={"ordinal": head.ordinal + 1})
        self._decide(slot, head, made.ordinal, head.editorial.decided(at, choice=made))
        return Ruling(Verdict.CHOOSE, made.ordinal, choice=made)

    def withdraw(
        self, request: InFlightRecord, article_id: str, slot: str | None, at: Position, by: Withdrawal
    ) -> list[WithdrawnSlot] | None:
        """Take the slot down, or all of the article, unless a later decision was applied."""
        if not self._is_ours(request):
            return None
        slots = self._heads.slots_of(article_id) if slot is None else [Slot(article_id, slot)]
        late = False
        if slot is None:
            whole = Slot(article_id, WHOLE_ARTICLE)
            late = self._withdraw(whole, at, by).late  # also for slots of which nobody had heard then
            request.slots |= {whole}
        withdrawn = [self._withdraw(each, at, by, late=late) for each in slots]
        request.slots |= set(slots)
        return withdrawn

    def restore(self, request: InFlightRecord, article_id: str, slot: str | None, at: Position) -> bool | None:
        """Open what was taken down, unless a later decision was applied; False if the whole article is withdrawn."""
        if not self._is_ours(request):
            return None
        whole = Slot(article_id, WHOLE_ARTICLE)
        if slot is not None and self._heads.editorial(whole).withdrawal is not None:
            return False
        slots = [whole, *self._heads.slots_of(article_id)] if slot is None else [Slot(article_id, slot)]
        for each in slots:
            head = self._head(each)
            if head.editorial.withdrawal is not None and not at.is_before(head.editorial.at):
                self._heads.set(each, head._replace(editorial=head.editorial.restored(at)))
        request.slots |= set(slots)
        return True

    def _withdraw(self, slot: Slot, at: Position, by: Withdrawal, *, late: bool = False) -> WithdrawnSlot:
        head = self._head(slot)
        known = head.editorial.withdrawal
        if late or at.is_before(head.editorial.at):
            last = known or head.editorial.lifted
            return WithdrawnSlot(slot, head.revision, last.ordinal if last is not None else 0, late=True)
        if known is not None and known.is_same(by):
            ordinal = known.ordinal
        else:
            ordinal = 0 if slot.name == WHOLE_ARTICLE else head.ordinal + 1
        made = by.model_copy(update={"ordinal": ordinal})
        self._decide(slot, head, max(ordinal, head.ordinal), head.editorial.decided(at, withdrawal=made))
        self._latest_wins.withdraw(slot, Ruling(Verdict.WITHDRAWN, ordinal, message=by.message))
        return WithdrawnSlot(slot, head.revision, ordinal)

    def _head(self, slot: Slot) -> Head:
        return self._heads.get(slot) or NO_HEAD

    def _decide(self, slot: Slot, head: Head, ordinal: int, editorial: Editorial) -> None:
        self._heads.set(slot, forget_accepted(head)._replace(ordinal=ordinal, editorial=editorial))
