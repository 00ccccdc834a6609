"""The breaker before the dead letters."""

from __future__ import annotations

import asyncio

import pytest

from consumer.errors import WorkerStopping
from consumer.processing.circuit_breaker import IN_A_ROW, WINDOW, BreakerPermit, CircuitBreaker
from schemas import Reason

BOUND = 5.0
QUICK = 0.001


async def passed(breaker: CircuitBreaker, permit: BreakerPermit) -> BreakerPermit:
    """Wait for the permit's passage."""
    await asyncio.wait_for(breaker.passage(permit), BOUND)
    return permit


def opened(probe_seconds: float = QUICK) -> CircuitBreaker:
    """Return a breaker that five failures opened."""
    breaker = CircuitBreaker(probe_seconds)
    for _ in range(IN_A_ROW):
        breaker.failed(BreakerPermit(), Reason.ENGINE_FAILED)
    return breaker


async def test_it_opens_after_so_many_failures_with_one_cause() -> None:
    """The failure that opens it is held already; those before it were sent on."""
    breaker = CircuitBreaker()
    held = [breaker.failed(BreakerPermit(), Reason.ENGINE_FAILED) for _ in range(IN_A_ROW)]

    assert held == [False] * (IN_A_ROW - 1) + [True]
    assert "the breaker is open" in (breaker() or "")
    assert breaker.cause is Reason.ENGINE_FAILED


async def test_a_success_or_another_cause_begins_a_new_row() -> None:
    """What works now and then, or fails for many causes, is not broken for one."""
    breaker = CircuitBreaker()
    for _ in range(IN_A_ROW):
        breaker.failed(BreakerPermit(), Reason.ENGINE_FAILED)
        breaker.succeeded(BreakerPermit())
        breaker.failed(BreakerPermit(), Reason.INTERNAL)

    assert breaker() is None


async def test_it_opens_when_most_attempts_fail() -> None:
    """Over half of the last fifty is broken too, whatever succeeds between them."""
    breaker = CircuitBreaker()
    for number in range(WINDOW):
        if number % 5 < 2:
            breaker.succeeded(BreakerPermit())
        else:
            breaker.failed(BreakerPermit(), Reason.ENGINE_FAILED)

    assert breaker.cause is Reason.ENGINE_FAILED


async def test_one_probe_at_a_time_and_a_success_closes_it() -> None:
    """Of all who wait one is let through; when it succeeds the others follow at once."""
    breaker, tickets = opened(), [BreakerPermit() for _ in range(3)]
    async with asyncio.timeout(BOUND), asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(passed(breaker, permit)) for permit in tickets]
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        (probe,) = (task.result() for task in done)
        assert probe.probing
        breaker.succeeded(probe)

    assert breaker() is None
    assert breaker.admits


async def test_failed_probes_take_turns() -> None:
    """A request that failed as the probe waits behind those that have not been tried."""
    breaker, first, second = opened(), BreakerPermit(), BreakerPermit()
    async with asyncio.timeout(BOUND), asyncio.TaskGroup() as tasks:
        tasks.create_task(passed(breaker, second))
        await asyncio.sleep(0)
        first.failed = True
        again = tasks.create_task(passed(breaker, first))
        while not second.probing:
            await asyncio.sleep(QUICK)
        assert not again.done()
        assert breaker.failed(second, Reason.ENGINE_FAILED)
        await again
        assert first.probing


async def test_records_are_admitted_when_all_in_hand_have_failed() -> None:
    """Requests that can never be painted must not keep it open for ever: fresh ones may be its probe."""
    breaker, fresh, failed = opened(probe_seconds=60), BreakerPermit(), BreakerPermit()
    failed.failed = True
    async with asyncio.TaskGroup() as tasks:
        held = [tasks.create_task(breaker.passage(failed))]
        await asyncio.sleep(0)
        admitted = [breaker.admits]
        held.append(tasks.create_task(breaker.passage(fresh)))
        await asyncio.sleep(0)
        admitted.append(breaker.admits)
        for task in held:
            task.cancel()

    assert admitted == [True, False]


async def test_a_probe_that_proves_nothing_is_followed_by_another() -> None:
    """A probe that is refused or withdrawn says nothing about us; the next one does not wait longer for it."""
    breaker, refused, next_one = opened(), BreakerPermit(), BreakerPermit()
    await passed(breaker, refused)
    breaker.undecided(refused)
    await passed(breaker, next_one)

    assert (refused.probing, next_one.probing) == (False, True)
    assert breaker() is not None


async def test_a_stopping_worker_hands_back_whoever_is_held() -> None:
    """Nobody waits for the breaker when the worker stops."""
    breaker = opened(probe_seconds=60)
    held = asyncio.ensure_future(breaker.passage(BreakerPermit()))
    await asyncio.sleep(0)
    breaker.stop()

    for waiting in (held, breaker.passage(BreakerPermit())):
        with pytest.raises(WorkerStopping):
            await asyncio.wait_for(waiting, BOUND)


async def test_a_probe_can_be_brought_forward() -> None:
    """A worker that has new requests need not wait out what its last ones made of the wait."""
    breaker = opened(probe_seconds=QUICK)
    breaker._wait = 3600.0
    breaker._arm()
    breaker.probe_soon()

    assert (await passed(breaker, BreakerPermit())).probing
    breaker.probe_soon()
    assert breaker._probe is not None, "a probe under way goes on"
    breaker.stop()


async def test_however_often_it_is_asked_for_one_probe_is_let_through() -> None:
    """Each request for a probe replaces the one before it: never are two attempts made while the breaker is open."""
    breaker = opened(probe_seconds=QUICK)
    for _ in range(5):
        breaker.probe_soon()
    waiting = [asyncio.create_task(breaker.passage(BreakerPermit())) for _ in range(5)]
    done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    _, held = await asyncio.wait(waiting, timeout=20 * QUICK)

    assert (len(done), len(held)) == (1, 4)
    breaker.stop()
    await asyncio.gather(*waiting, return_exceptions=True)
