"""What a slot has to show at the end of a schedule, by what its editors decided and by the rule for subscribers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from tests.simulation.schedule import Decision
from tests.support.slot import shown


class Answer(NamedTuple):
    """An outcome: of which record, of what kind, and what it shows."""

    number: str
    kind: str
    ordinal: int
    picture: str
    revision: int = 0

    @property
    def outcome(self) -> tuple[str, dict[str, Any]]:
        """Kind and data, as the contract has them."""
        data = {"ordinal": self.ordinal, "article": {"revision": self.revision}, "picture": self.picture}
        return ("ready", {**data, "chosen": True}) if self.kind == "chosen" else (self.kind, data)


def check(decisions: Sequence[tuple[str, Decision]], answers: Sequence[Answer]) -> None:
    """Raise `AssertionError` if a subscriber does not see what the editors meant, by decisions in their order."""
    down, choice = False, ""
    for number, decision in decisions:
        if decision is Decision.CHOICE and not down:
            choice = number
        elif decision is not Decision.CHOICE:
            down, choice = decision is Decision.DOWN, "" if decision is Decision.DOWN or down else choice
    seen = shown(answer.outcome for answer in answers)
    if down:
        assert seen is None, f"a withdrawn slot shows {seen}"
    elif choice:
        assert seen is not None, "a chosen picture is lost"
        assert seen["picture"] == choice, f"the picture of {choice} was chosen, and {seen} is shown"
    _check_ordinals(answers)
    _check_withdrawals(answers)


def _check_ordinals(answers: Sequence[Answer]) -> None:
    """Two requests, or decisions, have two ordinals."""
    numbered: dict[int, str] = {}
    for answer in answers:
        if answer.kind in {"ready", "chosen"}:
            assert numbered.setdefault(answer.ordinal, answer.number) == answer.number, "an ordinal is given twice"


def _check_withdrawals(answers: Sequence[Answer]) -> None:
    """What was accepted before a withdrawal is not announced behind it."""
    withdrawn = 0
    for answer in answers:
        if answer.kind == "withdrawn":
            withdrawn = max(withdrawn, answer.ordinal)
        elif answer.kind == "ready":
            assert answer.ordinal > withdrawn, "a picture is ready that was withdrawn"
