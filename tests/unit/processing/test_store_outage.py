"""Outages of the store: what is logged, what readiness shows, when they end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from consumer.errors import Overloaded, Unstorable
from consumer.jobs import Recipe
from consumer.processing.store_outage import ALONE, Operation, StoreOutage
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


async def test_the_check_repeats_until_the_store_works() -> None:
    """What the check finds stays visible although other calls succeed, and ends without any request."""
    outage, answers = StoreOutage(retry_seconds=0.001), [Overloaded(Reason.MISCONFIGURED, "conditions")] * 3
    seen = []

    async def prepare() -> None:
        outage.end(Operation.FIND)
        seen.append(outage())
        if answers:
            raise answers.pop()

    await asyncio.wait_for(outage.retry_until_up(Operation.CHECK, prepare), BOUND)
    assert seen == [None, "conditions", "conditions", "conditions"]
    assert outage() is None


async def test_a_store_that_only_refuses_writes_is_down() -> None:
    """While nothing can be stored, successful lookups do not end the outage; the last waiting job's end does."""
    outage = StoreOutage()
    async with open_bench() as bench:
        bench.pipeline._outage = outage

        async def full(recipe: Recipe, master: Any, asked: Any) -> Any:
            del recipe, master, asked
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


async def _refused() -> None:
    raise Overloaded(Reason.STORE_UNAVAILABLE, "no answer about this manifest")


async def _fine() -> None:
    """Answer, as a store that is up."""


async def test_what_fails_for_one_job_keeps_no_other_waiting() -> None:
    """While the store passes a probe, it is ready for others, although a job goes on trying alone."""
    outage = StoreOutage(retry_seconds=BOUND, probe=_fine)

    stubborn = asyncio.ensure_future(outage.retry_until_up(Operation.FIND, _refused))
    await until(lambda: outage._refused[Operation.FIND] == 1)
    await until(lambda: outage() is None)
    assert not stubborn.done()
    assert outage.reason == "store_unavailable", "its shard stands still, which lag has to show"
    await outage.retry_until_up(Operation.FIND, _fine)
    assert outage.reason == ""
    stubborn.cancel()
    await asyncio.wait([stubborn], timeout=BOUND)


async def test_a_store_that_fails_its_probe_is_down() -> None:
    """Then nobody is admitted until an attempt succeeds."""
    outage = StoreOutage(retry_seconds=BOUND, probe=_refused)

    waiting = asyncio.ensure_future(outage.retry_until_up(Operation.FIND, _refused))
    await until(lambda: outage() is not None)
    for _ in range(10):
        await asyncio.sleep(0)
    assert outage() is not None
    waiting.cancel()
    await asyncio.wait([waiting], timeout=BOUND)


async def test_what_fails_while_others_succeed_is_the_jobs_own_affair() -> None:
    """After several failures with successes of others in between, the job fails with the store's last sentence."""
    outage = StoreOutage(retry_seconds=0.0, probe=_fine)
    attempts = 0

    async def alone() -> None:
        nonlocal attempts
        attempts += 1
        await outage.retry_until_up(Operation.KEEP, _fine)
        await _refused()

    with pytest.raises(Unstorable, match="works for other requests, but not for this one: no answer") as failed:
        await asyncio.wait_for(outage.retry_until_up(Operation.KEEP, alone), BOUND)
    assert failed.value.reason is Reason.STORE_UNAVAILABLE
    assert attempts == 1 + ALONE


async def test_a_job_that_fails_while_nobody_succeeds_waits_on() -> None:
    """Probes and successes of other operations prove nothing about a job's own: it waits for as long as that takes."""
    outage = StoreOutage(retry_seconds=0.0, probe=_fine)
    attempts = 0

    async def late() -> int:
        nonlocal attempts
        attempts += 1
        await outage.retry_until_up(Operation.FIND, _fine)
        if attempts < 10 * ALONE:
            await _refused()
        return attempts

    assert await asyncio.wait_for(outage.retry_until_up(Operation.KEEP, late), BOUND) == 10 * ALONE


async def test_one_probe_serves_all_jobs() -> None:
    """A store in trouble is not asked by every waiting job at once."""
    probes, release = 0, asyncio.Event()

    async def probe() -> None:
        nonlocal probes
        probes += 1
        await release.wait()

    outage = StoreOutage(retry_seconds=BOUND, probe=probe)
    jobs = [asyncio.ensure_future(outage.retry_until_up(Operation.FIND, _refused)) for _ in range(5)]
    await until(lambda: outage._refused[Operation.FIND] == len(jobs))
    release.set()
    await until(lambda: outage() is None)
    assert probes == 1
    for job_ in jobs:
        job_.cancel()
    await asyncio.wait(jobs, timeout=BOUND)
