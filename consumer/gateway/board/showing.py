"""The published rule of what a slot shows, asked about outcomes of any worker."""

from collections.abc import Sequence

from consumer.kafka.announced import AnnouncedEvent
from schemas import OutcomeKind
from schemas.slot import shown


def shown_outcome(outcomes: Sequence[AnnouncedEvent]) -> AnnouncedEvent | None:
    """Return the outcome whose pictures a slot shows, of its outcomes in the order of the topic; None: nothing."""
    known = [(one, (one.kind, dict(one.data))) for one in outcomes if _is_readable(one)]
    data = shown(outcome for _, outcome in known)
    return next((one for one, (_, own) in known if own is data), None)


def _is_readable(outcome: AnnouncedEvent) -> bool:
    """Return whether it has what the rule looks at: an announcement of another program may not."""
    if not isinstance(outcome.data.get("ordinal", 0), int):
        return False
    if outcome.kind == OutcomeKind.DECLINED:
        return "rule" in outcome.data
    return outcome.kind != OutcomeKind.READY or isinstance(outcome.revision, int)
