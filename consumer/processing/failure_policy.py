"""What happens next to a request whose work ended in an error. Decided here and nowhere else; `handler` acts on it."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from consumer.delivery.retry import RetryPolicy, RetrySchedule, RetryState
from consumer.errors import (
    LeadartError,
    Rejected,
    Superseded,
    Transient,
    Unpaintable,
    Unstorable,
    WithdrawnMeanwhile,
    WorkerStopping,
)
from consumer.processing.circuit_breaker import BreakerPermit, CircuitBreaker
from schemas import Reason

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """End the request: a failed outcome and a dead letter."""

    error: LeadartError


@dataclass(frozen=True, slots=True)
class Retry:
    """Send the request to a retry lane."""

    error: LeadartError
    schedule: RetrySchedule


@dataclass(frozen=True, slots=True)
class Hold:
    """Try again here once the circuit breaker lets the request through; that costs no attempt."""


@dataclass(frozen=True, slots=True)
class HandBack:
    """Write nothing: the record's next owner reads it again, or its result is written already."""


@dataclass(frozen=True, slots=True)
class Crash:
    """End the worker."""

    error: LeadartError


Decision = Answer | Retry | Hold | HandBack | Crash


class FailurePolicy:
    """Decides by the type of an error, the retry state and the circuit breaker. `count` is called for our failures."""

    def __init__(self, breaker: CircuitBreaker, retries: RetryPolicy, count: Callable[[Reason], None]) -> None:
        self._breaker = breaker
        self._retries = retries
        self._count = count

    def decide(self, error: Exception, state: RetryState, permit: BreakerPermit | None = None) -> Decision:
        """Return what happens next. With the `permit` of a painting attempt, the breaker hears how that ended.

        `Hold` only with a permit. An error of an unknown type is a defect: it must not stop the partition, so the
        request is retried, and the log has the trace.
        """
        if not isinstance(error, LeadartError | WorkerStopping | Superseded):
            error = _WITHDRAWN if isinstance(error, WithdrawnMeanwhile) else _defect(error, state)
        held = permit is not None and self._reported(error, permit)
        match error:
            case WorkerStopping() | Superseded():
                return HandBack()
            case Rejected():
                return Answer(error)
            case Transient() if held:
                return Hold()
            case Transient():
                schedule = self._retries.next_attempt(state, int(time.time() * 1000))
                return Answer(error) if schedule is None else Retry(error, schedule)
            case _:
                return Crash(error)

    def _reported(self, error: Exception, permit: BreakerPermit) -> bool:
        """Report an attempt's end to the breaker; return whether it holds the request."""
        if isinstance(error, Transient | Unpaintable):
            self._count(error.reason)
            if not isinstance(error, Unstorable):
                return self._breaker.failed(permit, error.reason)
        self._breaker.undecided(permit)
        return False


_WITHDRAWN = Unstorable(
    Reason.WITHDRAWN,
    "The article is withdrawn in the store, although the bus does not say so: restore it, and send the request again.",
)
"""Seen where a withdrawal is on its way already: then the request's result is written, and this one dropped."""


def _defect(error: Exception, state: RetryState) -> Transient:
    record = state.original
    log.error("defect", topic=record.topic, partition=record.partition, offset=record.offset, exc_info=error)
    return Transient(Reason.INTERNAL, "A defect in the worker; its log has the trace. The request is kept.")
