"""Outages of the store: what is logged, what readiness shows, when they end."""

from __future__ import annotations

import asyncio
from typing import Any

from structlog.testing import capture_logs

from consumer.errors import Overloaded
from consumer.jobs import Recipe
from consumer.processing.store_outage import Operation, StoreOutage
from schemas import Reason
from tests.support.pipeline import BOUND, job, open_bench, until


async def test_an_outage_is_logged_once_and_seen_while_it_lasts() -> None:
    """Many jobs that wait for one store make one outage, which is over with an answer."""
    counted: list[Reason] = []
    outage = StoreOutage(counted.append)
    assert outage() is None
    for _ in range(3):
        outage.begin(Operation.KEEP, Overloaded(Reason.STORE_UNAVAILABLE, "the store cannot be reached"))
    outage.end(Operation.FIND)

    assert outage() == "the store cannot be reached"
    assert counted == [Reason.STORE_UNAVAILABLE] * 3
    outage.end(Operation.KEEP)
    assert outage() is None


async def test_an_outage_lasts_until_every_refused_job_is_through() -> None:
    """In the log, a store that refuses every second call has one outage; a call that succeeds reopens admission."""
    outage, well = StoreOutage(retry_seconds=0.001), asyncio.Event()

    async def refused() -> None:
        if not well.is_set():
            raise Overloaded(Reason.STORE_UNAVAILABLE, "slow down")

    async def fine() -> None:
        """One of the calls that get through."""

    with capture_logs() as lines:
        async with asyncio.timeout(BOUND):
            refused_job = asyncio.ensure_future(outage.retry_until_up(Operation.FIND, refused))
            for _ in range(3):
                await until(lambda: outage() is not None)
                await outage.retry_until_up(Operation.FIND, fine)
                assert outage() is None
            well.set()
            await refused_job
    assert outage() is None
    assert [line["event"] for line in lines] == ["overloaded", "overload_over"]


async def test_an_outage_that_is_given_up_is_logged_anew() -> None:
    """A refused job may be cancelled after others succeeded: the next outage is a new one in the log."""
    outage = StoreOutage(retry_seconds=BOUND)

    async def refused() -> None:
        raise Overloaded(Reason.STORE_UNAVAILABLE, "down")

    async def fine() -> None:
        """Another call, which gets through."""

    with capture_logs() as lines:
        for _ in range(2):
            refused_job = asyncio.ensure_future(outage.retry_until_up(Operation.FIND, refused))
            await until(lambda: outage() is not None)
            await outage.retry_until_up(Operation.FIND, fine)
            refused_job.cancel()
            await asyncio.wait([refused_job], timeout=BOUND)
    assert [line["event"] for line in lines] == ["overloaded", "overload_forgotten"] * 2


async def test_the_startup_check_repeats_until_the_store_works() -> None:
    """What the check finds stays visible although other calls succeed, and ends without any request."""
    outage, answers = StoreOutage(retry_seconds=0.001), [Overloaded(Reason.MISCONFIGURED, "conditions")] * 3
    seen = []

    async def prepare() -> None:
        outage.end(Operation.FIND)
        seen.append(outage())
        if answers:
            raise answers.pop()

    await asyncio.wait_for(outage.retry_until_up(Operation.STARTUP_CHECK, prepare), BOUND)
    assert seen == [None, "conditions", "conditions", "conditions"]
    assert outage() is None


async def test_a_store_that_only_refuses_writes_is_down() -> None:
    """While nothing can be stored, successful lookups do not end the outage; the last waiting job's end does."""
    outage = StoreOutage()
    async with open_bench() as bench:
        bench.pipeline._outage = outage

        async def full(recipe: Recipe, renditions: Any) -> Any:
            del recipe, renditions
            raise Overloaded(Reason.STORE_UNAVAILABLE, "disk full")

        bench.store.keep = full  # type: ignore[method-assign]
        tasks = [asyncio.ensure_future(bench.produce(job())) for _ in range(2)]
        async with asyncio.timeout(BOUND):
            while outage() is None:
                await asyncio.sleep(0)
        tasks.append(asyncio.ensure_future(bench.produce(job(article={"id": "b", "revision": 1, "headline": "x"}))))
        async with asyncio.timeout(BOUND):
            while len(bench.progress.reports) < 8:
                assert outage() == "disk full"
                await asyncio.sleep(0)
        tasks[0].cancel()
        await asyncio.wait(tasks[:1], timeout=BOUND)
        assert outage() == "disk full"
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=BOUND)
        assert outage() is None
