"""Errors, by what happens next.

The type of an error is the whole decision; `consumer.processing.failure_policy` is where it is taken for a request.
Every `LeadartError` carries a stable `reason` (used in events, metrics, logs and dead letters) and a sentence that a
person can act on. The other four are no failures: they end a request's work without one.
"""

from schemas import Reason


class LeadartError(Exception):
    """The base: a stable `reason`, a message for a person, and the field of the request it is about, if any."""

    def __init__(self, reason: Reason, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.field = field


class Rejected(LeadartError):
    """The request itself is wrong: a failed outcome and a dead letter now. Sending it again changes nothing."""


class Unpaintable(Rejected):
    """The engine gives no picture of this recipe. One is the request's fault; a run of them is the engine's.

    Never held by the circuit breaker: a lane of nothing but such requests has to come to its end.
    """


class Transient(LeadartError):
    """This attempt failed, the next may not: retried, with attempts and age capped."""


class Unstorable(Transient):
    """The store takes other pictures, but not this one: nothing that other requests have to wait for."""


class Overloaded(LeadartError):
    """The store or the bus is down: wait until it is back. Attempts are not counted."""


class Fatal(LeadartError):
    """The worker cannot go on: it exits non-zero with this message, which names the remedy."""


class OperatorNeeded(LeadartError):
    """One shard cannot go on until an operator decides, as the message says: it stays closed, the others go on."""


class WorkerStopping(Exception):
    """The worker is stopping and does not begin this picture: another worker will read its request again."""


class Superseded(Exception):
    """A newer revision took the request's place, and its result is written already."""


class WithdrawnMeanwhile(Exception):
    """The article was withdrawn while its picture was stored; nothing of it is left, and the request ends as that."""


class Expired(Exception):
    """The request's `expirytime` passed before it was painted: an outcome of its own, without a dead letter."""
