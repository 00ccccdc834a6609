from __future__ import annotations

import asyncio
import inspect

import pytest

from consumer.storage.side_by_side import all_of


async def test_results_come_in_the_order_of_the_calls() -> None:
    """Whichever call ends first."""
    first_may_end = asyncio.Event()

    async def first() -> int:
        await first_may_end.wait()
        return 1

    async def second() -> int:
        first_may_end.set()
        return 2

    assert await asyncio.wait_for(all_of([first(), second()]), 10) == [1, 2]


async def test_no_more_are_made_at_once_than_allowed() -> None:
    """The rest wait their turn."""
    running, most = 0, 0

    async def call() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1

    await all_of([call() for _ in range(9)], 3)

    assert most == 3


async def test_an_error_waits_for_the_others() -> None:
    """What the others do is done, and then the first error is raised."""
    done = []

    async def fail() -> None:
        raise ValueError("first")

    async def work() -> None:
        await asyncio.sleep(0)
        done.append(True)

    with pytest.raises(ValueError, match="first"):
        await all_of([fail(), work(), work()], 1)
    assert done == [True, True]


@pytest.mark.parametrize("at_once", [None, 1])
@pytest.mark.parametrize("turns", [1, 2, 3])
async def test_calls_that_never_began_are_dropped(at_once: int | None, turns: int) -> None:
    """Whenever it is cancelled, no coroutine is left behind unawaited."""

    async def call() -> None:
        await asyncio.Event().wait()

    calls = [call() for _ in range(3)]
    task = asyncio.ensure_future(all_of(calls, at_once))
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert {inspect.getcoroutinestate(each) for each in calls} == {inspect.CORO_CLOSED}


async def test_cancelling_cancels_every_call() -> None:
    """Nothing goes on behind the back of who gave up."""
    ended = []

    async def call() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    task = asyncio.ensure_future(all_of([call(), call()]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == [True, True]
