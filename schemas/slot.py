"""What a slot shows, by its outcomes in whatever order they came.

Keep a slot's last decision and the outcomes with a higher ordinal: the others can never be shown again.
"""

from collections.abc import Iterable
from typing import Any

Outcome = tuple[str, dict[str, Any]]
"""The kind, such as `ready`, and the event's data."""


def shown(outcomes: Iterable[Outcome]) -> dict[str, Any] | None:
    """Return the data of the ready outcome whose pictures the slot shows; None: it shows nothing of leadart's."""
    known = list(outcomes)[::-1]  # of repeats the latest, whose addresses expire last
    decision = max((one for one in known if is_decision(*one)), key=_ordinal, default=None)
    after = _ordinal(decision) if decision else -1
    ready = [one for one in known if one[0] == "ready" and not is_decision(*one) and not one[1].get("offers")]
    newer = [data for kind, data in ready if _ordinal((kind, data)) > after]
    if newer:
        return max(newer, key=lambda data: (data["article"]["revision"], data.get("ordinal", 0)))
    return decision[1] if decision and decision[0] == "ready" else None


def is_decision(kind: str, data: dict[str, Any]) -> bool:
    """Return whether an editor decided what the slot shows."""
    if kind == "declined":
        return bool(data["rule"] == "external_choice")
    return kind == "withdrawn" or (kind == "ready" and bool(data.get("chosen")))


def _ordinal(outcome: Outcome) -> int:
    ordinal: int = outcome[1].get("ordinal", 0)
    return ordinal
