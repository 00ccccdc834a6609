"""Expiry of a job on its way through the stages."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from consumer.errors import Expired
from consumer.jobs import Lane
from consumer.processing.admission import Admission
from consumer.processing.circuit_breaker import IN_A_ROW, BreakerPermit, CircuitBreaker
from schemas import Reason
from tests.support.pipeline import expiring, job, open_bench, until


async def test_an_expired_request_is_not_painted() -> None:
    """A request whose expirytime has passed costs nothing, whether it passed before or while it waited for a slot."""
    async with open_bench() as bench:
        with pytest.raises(Expired):
            await bench.produce(expiring(-1.0))
        bench.pipeline._admission = Admission(window=1, unstored=1)
        async with bench.pipeline._admission.slot(Lane.LIVE):
            with pytest.raises(Expired):
                await bench.produce(expiring(0.05))
        assert (await bench.produce(expiring(60.0))).pictures

    assert bench.engine.painted == 1


async def test_a_job_that_waits_for_anothers_picture_expires_too() -> None:
    """A request that joined another's attempt ends when its time passes before the slot comes; the other goes on."""
    async with open_bench() as bench:
        bench.pipeline._admission = admission = Admission(window=1, unstored=8)
        async with admission.slot(Lane.LIVE):
            patient = asyncio.ensure_future(bench.produce(job()))
            await until(lambda: admission.waiting == 1)
            with pytest.raises(Expired):
                await bench.produce(expiring(0.05))
        assert not (await patient).reused

    assert bench.engine.painted == 1


@pytest.mark.parametrize("late", [False, True])
async def test_a_job_whose_picture_another_started_does_not_expire(*, late: bool) -> None:
    """A request whose picture is being painted gets it, whichever job started it, even if it joins only then."""
    async with open_bench() as bench:
        bench.engine.wait = asyncio.Event()
        first = asyncio.ensure_future(bench.produce(job()))
        if late:
            await until(lambda: "started 0" in bench.progress.reports)
        asked = expiring(0.2)
        second = asyncio.ensure_future(bench.produce(asked))
        await until(lambda: bench.engine.painted == 0 and "started 0" in bench.progress.reports)
        expiry = asked.event.expirytime
        assert expiry is not None
        await until(lambda: datetime.now(UTC) > expiry)
        bench.engine.wait.set()

        assert (await second).pictures == (await first).pictures


async def test_a_request_expires_while_the_breaker_holds_it() -> None:
    """A held request ends when its time passes, and leaves the probe to others."""
    async with open_bench() as bench:
        bench.pipeline._breaker = breaker = CircuitBreaker(60.0)
        for _ in range(IN_A_ROW):
            breaker.failed(BreakerPermit(), Reason.ENGINE_FAILED)
        with pytest.raises(Expired):
            await bench.produce(expiring(0.05))
        assert not breaker._held
        breaker.stop()


async def test_a_job_that_has_begun_does_not_expire() -> None:
    """Once one picture of a request is being painted its other variants are waited for, whatever the time."""
    async with open_bench() as bench:
        bench.engine.wait = asyncio.Event()
        bench.pipeline._admission = Admission(window=1, unstored=8)
        asked = expiring(0.3)
        two = job(output={"width": 64, "height": 64, "variants": 2}).request
        task = asyncio.ensure_future(bench.produce(replace(asked, request=two)))
        await until(lambda: bool(bench.progress.reports))
        expiry = asked.event.expirytime
        assert expiry is not None
        await until(lambda: datetime.now(UTC) > expiry)
        bench.engine.wait.set()

        assert len((await task).pictures) == 2
