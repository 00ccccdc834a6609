"""Which outcome a slot shows: the rule that every subscriber follows. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from consumer.admin.trace.timeline import TracedOutcome
from schemas import OutcomeKind
from schemas.names import EXTERNAL_CHOICE


def shown_outcome(outcomes: Iterable[TracedOutcome]) -> TracedOutcome | None:
    """Return the ready outcome that a slot shows, of all outcomes of the slot; None if it shows no picture.

    The one with the highest revision and ordinal counts, the last one where those are equal; offers are left out, and
    whatever was accepted before the slot's last decision. Without any, the last decision itself counts.
    """
    every = list(outcomes)
    decision = last_decision(every)
    ready = [one for one in every if one.kind == OutcomeKind.READY and "offers" not in one.flags]
    since = [one for one in ready if decision is None or one.ordinal > decision.ordinal]
    if since:
        return max(since, key=lambda one: (one.revision or 0, one.ordinal, one.ms, one.place))
    return decision if decision is not None and decision.kind == OutcomeKind.READY else None


def last_decision(outcomes: Iterable[TracedOutcome]) -> TracedOutcome | None:
    """Return the last outcome by which an editor decided about the slot: a choice, or that it shows nothing."""
    decisions = [one for one in outcomes if is_decision(one)]
    return max(decisions, key=lambda one: (one.ordinal, one.ms, one.place), default=None)


def is_decision(outcome: TracedOutcome) -> bool:
    """Return whether an outcome is an editor's decision, which counts until a later request is accepted."""
    if outcome.kind == OutcomeKind.DECLINED:
        return outcome.rule == EXTERNAL_CHOICE
    return outcome.kind == OutcomeKind.WITHDRAWN or (outcome.kind == OutcomeKind.READY and "chosen" in outcome.flags)
