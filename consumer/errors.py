"""What went wrong, told by what happens next.

The type of an error is the whole decision: `Rejected` is answered and dead-lettered now, `Transient` is tried again,
`Overloaded` makes the worker wait without counting, `Fatal` ends the process. Every error carries a stable `reason`
(used in events, metrics, logs and dead letters) and a sentence a person can act on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from schemas import Reason


class LeadartError(Exception):
    """The base: a stable `reason`, a message for a person, and the field of the request it is about, if any."""

    def __init__(self, reason: Reason, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.field = field


class Rejected(LeadartError):
    """The request itself is wrong: a failed outcome and a dead letter now; sending it again changes nothing."""


class Transient(LeadartError):
    """This attempt failed, the next may not: tried again, attempts and age capped."""


class Unstorable(Transient):
    """The store takes others, but not this picture: nothing that anybody else has to wait for."""


class Overloaded(LeadartError):
    """The store or the bus is down: wait until it is back; attempts are not counted."""


class HandedBack(Exception):
    """The worker is stopping: this picture will not be begun here; another worker will read its request again."""


class Expired(Exception):
    """The request's `expirytime` passed before its turn came: it is told so, and nothing is kept."""


class Superseded(Exception):
    """A newer revision took the request's place; whoever found that out has settled it."""


class Fatal(LeadartError):
    """The worker cannot go on: it exits non-zero with this message, which names what mends it."""
