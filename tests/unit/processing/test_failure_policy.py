"""What happens next, by the type of an error."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from consumer.delivery.retry import RetryState
from consumer.errors import (
    Fatal,
    Overloaded,
    Rejected,
    Superseded,
    Transient,
    Unpaintable,
    Unstorable,
    WithdrawnMeanwhile,
    WorkerStopping,
)
from consumer.jobs import Record
from consumer.kafka.topics import retry_policy
from consumer.processing.circuit_breaker import IN_A_ROW, BreakerPermit, CircuitBreaker
from consumer.processing.failure_policy import Answer, Crash, FailurePolicy, HandBack, Hold, Retry
from consumer.settings import Settings
from schemas import Reason, names

FIRST = RetryState(Record(names.REQUESTED, 0, 0, b"a-1", b"", (), 0))
LAST = RetryState(FIRST.original, attempts=3)
TRANSIENT = Transient(Reason.ENGINE_FAILED, "x")
UNPAINTABLE = Unpaintable(Reason.NOT_PAINTED, "x")


def policy(breaker: CircuitBreaker, counted: list[Reason] | None = None) -> FailurePolicy:
    return FailurePolicy(breaker, retry_policy(Settings()), ([] if counted is None else counted).append)


@pytest.mark.parametrize(
    ("error", "decision"),
    [
        (Rejected(Reason.UNKNOWN_STYLE, "x"), Answer),
        (UNPAINTABLE, Answer),
        (TRANSIENT, Retry),
        (Unstorable(Reason.STORE_UNAVAILABLE, "x"), Retry),
        (Fatal(Reason.MODEL_UNAVAILABLE, "x"), Crash),
        (Overloaded(Reason.STORE_UNAVAILABLE, "x"), Crash),
        (WorkerStopping(), HandBack),
        (Superseded(), HandBack),
        (WithdrawnMeanwhile(), Retry),
    ],
)
def test_the_type_decides(error: Exception, decision: type) -> None:
    """What happens next depends on no reason code, and is the same before painting and after it."""
    breaker = CircuitBreaker()
    assert isinstance(policy(breaker).decide(error, FIRST), decision)
    assert isinstance(policy(breaker).decide(error, FIRST, BreakerPermit()), decision)


def test_the_last_attempt_is_answered() -> None:
    """A failure is retried until the attempts are used up; then it is the request's outcome."""
    assert policy(CircuitBreaker()).decide(TRANSIENT, LAST) == Answer(TRANSIENT)


def test_an_article_that_is_withdrawn_in_the_store_alone_is_told() -> None:
    """Its own end is written already; without one, the last attempt says how to open the article again."""
    decision = policy(CircuitBreaker()).decide(WithdrawnMeanwhile(), LAST)

    assert isinstance(decision, Answer)
    assert decision.error.reason is Reason.WITHDRAWN
    assert "restore it" in decision.error.message


def test_a_defect_is_retried_and_logged() -> None:
    """An error of no known type names the record in the log, with its trace, and does not stop the partition."""
    with capture_logs() as lines:
        decision = policy(CircuitBreaker()).decide(ZeroDivisionError(), FIRST)
    assert isinstance(decision, Retry)
    assert decision.error.reason is Reason.INTERNAL
    assert [(line["event"], line["topic"]) for line in lines] == [("defect", names.REQUESTED)]


@pytest.mark.parametrize("error", [TRANSIENT, UNPAINTABLE])
async def test_the_breaker_hears_of_our_failures(error: Transient | Unpaintable) -> None:
    """A run of them opens it. It then holds what may still be painted, and answers what the engine refuses."""
    breaker, counted = CircuitBreaker(60), list[Reason]()
    decisions = [policy(breaker, counted).decide(error, FIRST, BreakerPermit()) for _ in range(IN_A_ROW)]
    breaker.stop()

    assert breaker.cause is error.reason
    assert counted == [error.reason] * IN_A_ROW
    assert [isinstance(decision, Hold) for decision in decisions] == [
        False,
        False,
        False,
        False,
        error is TRANSIENT,
    ]


@pytest.mark.parametrize(
    "error", [Rejected(Reason.TOO_LARGE, "x"), Unstorable(Reason.STORE_UNAVAILABLE, "x"), WorkerStopping()]
)
async def test_the_breaker_does_not_hear_of_others(error: Exception) -> None:
    """What says nothing of the engine opens no breaker, and frees the probe for the next request."""
    breaker, permit = CircuitBreaker(0.001), BreakerPermit()
    for _ in range(IN_A_ROW):
        breaker.failed(BreakerPermit(), Reason.ENGINE_FAILED)
    async with asyncio.timeout(5):
        await breaker.passage(permit)
        assert not isinstance(policy(breaker).decide(error, FIRST, permit), Hold)
        await breaker.passage(BreakerPermit())
    breaker.stop()
