"""One call for each key at a time, for as long as anybody is interested."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from consumer.processing.singleflight import SingleFlight

BOUND = 5.0


class Kitchen:
    """Calls that end when the test says so."""

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self.flights: SingleFlight[str] = SingleFlight(tasks)
        self.begun = self.cancelled = 0
        self.done: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def call(self) -> str:
        self.begun += 1
        try:
            return await asyncio.shield(self.done)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    def join(self) -> asyncio.Task[tuple[str, bool]]:
        return asyncio.ensure_future(self.flights.join("key", self.call))


@asynccontextmanager
async def kitchen() -> AsyncIterator[Kitchen]:
    async with asyncio.timeout(BOUND), asyncio.TaskGroup() as tasks:
        yield Kitchen(tasks)


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_who_comes_later_gets_what_is_under_way() -> None:
    """Two that ask for one key cost one call, and each knows whether it began it."""
    async with kitchen() as bench:
        first, second = bench.join(), bench.join()
        await settle()
        bench.done.set_result("soup")
        results = [await first, await second]

    assert results == [("soup", False), ("soup", True)]
    assert bench.begun == 1


async def test_a_call_outlives_the_one_who_began_it() -> None:
    """When the first one is cancelled, the second still gets the result of the very same call."""
    async with kitchen() as bench:
        first, second = bench.join(), bench.join()
        await settle()
        first.cancel()
        await settle()
        bench.done.set_result("soup")

        assert await second == ("soup", True)
    assert (bench.begun, bench.cancelled) == (1, 0)


async def test_interest_alone_keeps_a_call_going() -> None:
    """Whoever only says that a key interests it can join after the one who began has left."""
    async with kitchen() as bench:
        first = bench.join()
        await settle()
        with bench.flights.interest(["key", "another"]):
            first.cancel()
            await settle()
            second = bench.join()
            await settle()
        bench.done.set_result("soup")

        assert await second == ("soup", True)
    assert (bench.begun, bench.cancelled) == (1, 0)


async def test_a_call_that_nobody_wants_is_cancelled() -> None:
    """When the last one leaves the call ends, and the next one begins another."""
    async with kitchen() as bench:
        first = bench.join()
        await settle()
        first.cancel()
        await settle()
        second = bench.join()
        await settle()
        bench.done.set_result("soup")

        assert await second == ("soup", False)
    assert (bench.begun, bench.cancelled) == (2, 1)
    assert "key" not in bench.flights


async def test_everybody_hears_of_a_failure() -> None:
    """What the call raises is raised to all who wait, and the key is free again."""
    async with kitchen() as bench:
        waiting = [bench.join(), bench.join()]
        await settle()
        bench.done.set_exception(ValueError("burnt"))
        for one in waiting:
            with pytest.raises(ValueError, match="burnt"):
                await one

    assert "key" not in bench.flights
