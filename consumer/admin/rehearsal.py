"""What an editor's decision would do to an article, by its heads and its last outcomes. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from consumer.admin.heads import StoredHead
from consumer.delivery.heads import NO_HEAD, WHOLE_ARTICLE, Head
from consumer.kafka.announced import AnnouncedEvent
from schemas import OutcomeKind


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What would happen. `refused`: why it would fail; `known`: what is known beside it; both may be empty."""

    effects: tuple[str, ...]
    refused: str = ""
    known: str = ""


class DecisionRehearsal:
    """Rehearses decisions about one article."""

    def __init__(self, article: str, heads: Sequence[StoredHead]) -> None:
        self._article = article
        self._heads: Mapping[str, Head] = {one.slot.name: one.head for one in heads}

    @property
    def _slots(self) -> list[str]:
        return [name for name in self._heads if name != WHOLE_ARTICLE]

    def revision(self, slot: str) -> int:
        """Return the slot's newest revision, 0 if nothing was asked for."""
        return self._heads.get(slot, NO_HEAD).revision

    def choose(self, slot: str, sha256: str, outcomes: Sequence[AnnouncedEvent]) -> Rehearsal:
        """Rehearse the choice of a picture; `outcomes` are the article's, oldest first."""
        named = [one for one in outcomes if sha256 in _digests(one)]
        own = [one for one in named if one.data.get("slot") == slot]
        effect = f"keep {sha256} in {self._about(slot)}"
        if own or named:
            last = (own or named)[-1]
            where = "" if own else f" for {last.data.get('slot')}, not for {slot},"
            gone = ", and deleted when that was withdrawn" if _withdrawn_since(last, outcomes) else ""
            known = f"it was announced{where} {last.time:%Y-%m-%d %H:%M:%S} UTC for revision {last.revision}{gone}"
        else:
            known = (
                f"no outcome of {self._article} that was searched names it: the choice fails as unknown_picture unless "
                "the store has it, as another article's"
            )
        return Rehearsal((effect,), self._closed(slot), known)

    def let_go(self, slot: str) -> Rehearsal:
        """Rehearse letting go of what is chosen."""
        choice = self._heads.get(slot, NO_HEAD).editorial.choice
        nothing = choice is None or choice.let_go
        refused = f"no picture is chosen in {slot}" if nothing else ""
        return Rehearsal((f"let go of the choice in {self._about(slot)}",), self._closed(slot) or refused)

    def declare(self, slot: str) -> Rehearsal:
        """Rehearse the declaration of a picture of the site's own."""
        return Rehearsal((f"keep the site's own picture in {self._about(slot)}",), self._closed(slot))

    def withdraw(self, slot: str | None) -> Rehearsal:
        """Rehearse the withdrawal of a slot, or of all."""
        effects = [
            f"delete the pictures of {self._about(each)}{', withdrawn already' if self._withdrawn(each) else ''}"
            for each in (self._slots if slot is None else [slot])
        ]
        return Rehearsal(tuple(effects) or ("make no pictures",))

    def restore(self, slot: str | None) -> Rehearsal:
        """Rehearse the restoration of a slot, or of all."""
        if slot is not None and self._reason(WHOLE_ARTICLE) is not None:
            return Rehearsal((), f"{self._article} is withdrawn as a whole: restore it without --slot")
        opened = list(self._opened(slot))
        none = "nothing is withdrawn" if slot is None else f"{slot} is not withdrawn"
        return Rehearsal(tuple(opened) or (f"change nothing: {none}",))

    def _opened(self, slot: str | None) -> Iterator[str]:
        for each in [WHOLE_ARTICLE, *self._slots] if slot is None else [slot]:
            if (reason := self._reason(each)) is not None:
                said = f" ({reason})" if reason else ""
                yield f"open {each or 'all slots'} to new requests, withdrawn{said}"

    def _about(self, slot: str) -> str:
        known = self._heads.get(slot)
        return f"{slot} (revision {known.revision})" if known else f"{slot} (nothing was asked for there)"

    def _closed(self, slot: str) -> str:
        if not self._withdrawn(slot):
            return ""
        only = "" if self._reason(WHOLE_ARTICLE) is not None else f" --slot {slot}"
        return f"{slot} is withdrawn: leadart restore {self._article}{only} --execute"

    def _withdrawn(self, slot: str) -> bool:
        return self._reason(slot) is not None or self._reason(WHOLE_ARTICLE) is not None

    def _reason(self, slot: str) -> str | None:
        """Return why a slot is withdrawn, None if it is not."""
        withdrawal = self._heads.get(slot, NO_HEAD).editorial.withdrawal
        return None if withdrawal is None else withdrawal.message or ""


def _withdrawn_since(ready: AnnouncedEvent, outcomes: Sequence[AnnouncedEvent]) -> bool:
    """Return whether the slot was withdrawn after a ready outcome, of outcomes oldest first."""
    since = outcomes[outcomes.index(ready) + 1 :]
    return any(one.kind == OutcomeKind.WITHDRAWN and one.data.get("slot") == ready.data.get("slot") for one in since)


def _digests(outcome: AnnouncedEvent) -> set[object]:
    pictures = outcome.data.get("pictures") if outcome.kind == OutcomeKind.READY else None
    return {one.get("sha256") for one in pictures if isinstance(one, dict)} if isinstance(pictures, list) else set()
