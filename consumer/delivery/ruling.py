"""What the owner of a shard decides about a request when it claims its slot."""

from dataclasses import dataclass
from enum import StrEnum

from consumer.delivery.editorial import Choice, Held


class Verdict(StrEnum):
    """What to do with a request."""

    PAINT = "paint"
    OFFER = "offer"
    """Make the pictures, and offer them beside the editor's choice."""
    KEEP = "keep"
    """Answer with the picture that an editor chose."""
    CHOOSE = "choose"
    """Make the renditions of the chosen picture, which change the choice."""
    EXTERNAL = "external"
    """Decline: an editor declared a picture of the site's own."""
    WITHDRAWN = "withdrawn"
    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"
    """An operator called it off."""
    PAUSED = "paused"
    """An operator holds it for now: it goes round a retry lane."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """A verdict and what goes with it.

    `ordinal` is the request's number in its slot, for a withdrawn one the withdrawal's. `variation` is for a request
    that names none. `choice` is the editor's, if there is one. `message` says why the slot was withdrawn, or what was
    called off or paused. `since` is when the slot's first request was written, 0 if that is unknown, and `paused_since`
    when a paused one was paused: milliseconds since 1970. `held` is this request, if it waits for an approval already;
    `approved`: it has got one.
    """

    verdict: Verdict
    ordinal: int = 0
    variation: int = 0
    choice: Choice | None = None
    message: str | None = None
    since: int = 0
    held: Held | None = None
    approved: bool = False
    paused_since: int = 0


UNRULED = Ruling(Verdict.PAINT)
"""For work whose record was not read in this epoch: it is ruled on when it is."""
