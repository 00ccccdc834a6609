"""The published rule of what a slot shows, asked about announced events."""

from collections.abc import Sequence

from consumer.kafka.announced import AnnouncedEvent
from schemas.slot import shown


def shown_outcome(outcomes: Sequence[AnnouncedEvent]) -> AnnouncedEvent | None:
    """Return the outcome whose pictures a slot shows, of its outcomes in the order of the topic; None: nothing."""
    known = [(one, (one.kind, dict(one.data))) for one in outcomes]
    data = shown(outcome for _, outcome in known)
    return next((one for one, (_, own) in known if own is data), None)
