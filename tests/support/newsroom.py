"""What a newsroom means by its requests and decisions about one slot: the oracle of what the slot has to show.

It knows nothing of ordinals, heads or offsets to commit. Its numbers count acceptances, in the order of time.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from typing import NamedTuple

SLOT, ARTICLE = "slot", "article"
"""What can be taken down, and what is remembered apart."""

Place = tuple[str, int]
"""Topic and offset of a decision."""


class Wish(NamedTuple):
    """A request: what it would show if nothing was decided. `picture` is named by a re-crop only."""

    event: str
    revision: int
    variation: int | None = 0
    regenerate: bool = False
    picture: str | None = None
    focus: float | None = None


class Look(NamedTuple):
    """What a slot shows: a picture, and where an editor set its focal point."""

    picture: str
    focus: float | None


@dataclass
class Remembered:
    """What is known of the slot. A decision starts a new count of what may be shown."""

    newest: int = -1
    count: int = 0
    variation: int = 0
    accepted: dict[str, tuple[int, int]] = field(default_factory=dict)
    shown: dict[int, tuple[int, Look]] = field(default_factory=dict)
    choice: Look | None = None
    external: bool = False
    down: bool = False
    known: bool = False
    last: Place | None = None
    last_number: int = 0


@dataclass
class WholeArticle:
    """What is known of the article as a whole."""

    down: bool = False
    last: Place | None = None


class Newsroom:
    """The slot as it is now, and as it is if the owner dies."""

    def __init__(self) -> None:
        self.slot, self.article = Remembered(), WholeArticle()
        self._kept = self.snapshot()

    def snapshot(self) -> tuple[Remembered, WholeArticle]:
        """Return all of it, to be kept by a commit."""
        return deepcopy((self.slot, self.article))

    def keep(self, snapshot: tuple[Remembered, WholeArticle], parts: set[str]) -> None:
        """Take these parts of a snapshot for committed."""
        slot, article = deepcopy(snapshot)
        self._kept = (slot if SLOT in parts else self._kept[0], article if ARTICLE in parts else self._kept[1])

    def die(self) -> None:
        """Forget what was not committed."""
        self.slot, self.article = deepcopy(self._kept)

    @property
    def shows(self) -> Look | None:
        """What the slot shows once everything is answered."""
        if self.slot.choice is not None:
            return self.slot.choice
        newest = max(self.slot.shown.items(), key=lambda one: (one[1][0], one[0]), default=None)
        return None if newest is None else newest[1][1]

    def ask(self, wish: Wish) -> int:
        """Accept a request, and return its number; 0 if nothing is wanted of it."""
        slot = self.slot
        if slot.down or self.article.down or wish.revision < slot.newest:
            return 0
        if wish.revision > slot.newest:
            slot.newest, slot.accepted = wish.revision, {}
        slot.known = True
        if wish.event in slot.accepted:
            return slot.accepted[wish.event][0]
        variation = slot.variation + 1 if wish.variation is None else wish.variation
        if wish.regenerate or wish.variation:
            slot.variation = variation
        slot.count += 1
        slot.accepted[wish.event] = slot.count, variation
        if slot.choice is None and not slot.external:
            slot.shown[slot.count] = wish.revision, look_of(wish, variation)
        return slot.count

    def choose(
        self, at: Place, revision: int, look: Look | None, *, external: bool = False, let_go: bool = False
    ) -> int:
        """Choose, or let go with `look` left in the slot; return its number, 0 if it comes too late."""
        slot = self.slot
        if slot.down or self.article.down or not _comes_after(at, slot.last):
            return slot.last_number if at == slot.last else 0
        self._begin_anew(at)
        if let_go and look is not None:
            slot.shown[slot.count] = revision, look
        slot.choice, slot.external = (None, False) if let_go else (look, external)
        return slot.count

    def crop(self, at: Place, look: Look) -> int:
        """Crop the picture that is chosen; one that is no longer is left alone."""
        if self.slot.choice is None or self.slot.choice.picture != look.picture:
            return 0
        return self.choose(at, 0, look)

    def take_down(self, at: Place, *, whole: bool) -> None:
        """Take the slot down, or the article."""
        if whole and _comes_after(at, self.article.last, again=True):
            self.article = WholeArticle(True, at)
        if (self.slot.known or not whole) and _comes_after(at, self.slot.last):
            self._begin_anew(at)
            self.slot.down = True

    def restore(self, at: Place, *, whole: bool) -> None:
        """Open it again, empty."""
        if self.article.down and not whole:
            return
        if whole and self.article.down and _comes_after(at, self.article.last):
            self.article = WholeArticle(False, at)
        if self.slot.down and _comes_after(at, self.slot.last):
            self.slot.down, self.slot.last = False, at

    def _begin_anew(self, at: Place) -> None:
        slot = self.slot
        slot.count += 1
        slot.accepted, slot.shown, slot.choice, slot.external = {}, {}, None, False
        slot.known, slot.last, slot.last_number = True, at, slot.count


def look_of(wish: Wish, variation: int) -> Look:
    """Return what a request shows if it is painted."""
    return Look(wish.picture or f"{wish.revision}/{variation}", wish.focus)


def _comes_after(at: Place, last: Place | None, *, again: bool = False) -> bool:
    """Return whether a decision is later than the last one; of other topics nobody can tell, so it is."""
    if last is None or at[0] != last[0]:
        return True
    return at[1] >= last[1] if again else at[1] > last[1]
