"""Virtual time, on which the proof of the delivery promise rests."""

from __future__ import annotations

import asyncio
import time

import pytest

from consumer.testing.clock import Process, simulate

SECOND, HOUR = 1.0, 3600.0
"""Of virtual time."""


def test_time_passes_only_when_nothing_is_left_to_do() -> None:
    """An hour's sleep takes no time, and timers fire in order."""
    seen: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        seen.append((name, asyncio.get_running_loop().time()))

    async def main() -> None:
        await asyncio.gather(sleeper("late", HOUR), sleeper("early", 60 * SECOND))

    started = time.monotonic()
    simulate(main())

    assert seen == [("early", 60), ("late", 3600)]
    assert time.monotonic() - started < 5


def test_a_frozen_process_stands_still_while_the_world_goes_on() -> None:
    """Its timers are late by the length of the freeze, and what it started is frozen with it."""
    seen: list[tuple[str, float]] = []

    async def work() -> None:
        child = asyncio.ensure_future(asyncio.sleep(SECOND))
        await child
        seen.append(("process", asyncio.get_running_loop().time()))

    async def main() -> None:
        process = Process("p")
        task = process.run(work())
        await asyncio.sleep(0.5)
        process.freeze()
        await asyncio.sleep(2 * SECOND)
        seen.append(("world", asyncio.get_running_loop().time()))
        process.thaw()
        await task
        assert process.running == []

    simulate(main())

    assert seen == [("world", 2.5), ("process", 2.5)]


def test_a_timeout_that_ran_out_in_a_freeze_wins_over_the_answer_that_came_in_it() -> None:
    """After SIGCONT asyncio sees the answer and the timer in one turn; the task is cancelled all the same."""

    async def ask(answer: asyncio.Future[None]) -> str:
        try:
            async with asyncio.timeout(1):
                await answer
        except TimeoutError:
            return "too late"
        return "in time"

    async def main() -> str:
        loop, process = asyncio.get_running_loop(), Process("p")
        answer = loop.create_future()
        task = process.run(ask(answer))
        await asyncio.sleep(0.1)
        process.freeze()
        loop.call_later(0.5, process.run, _resolve(answer))
        loop.call_later(5, process.thaw)
        return await task

    assert simulate(main()) == "too late"


async def _resolve(answer: asyncio.Future[None]) -> None:
    answer.set_result(None)


def test_an_ended_process_leaves_no_task() -> None:
    """Ending cancels all that the process started, frozen or not."""

    async def work() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(asyncio.sleep(HOUR))
            tasks.create_task(asyncio.sleep(2 * HOUR))

    async def main() -> None:
        process = Process("p")
        task = process.run(work())
        await asyncio.sleep(SECOND)
        assert len(process.running) == 3
        process.freeze()
        process.end()
        await asyncio.wait([task])
        assert process.running == []

    simulate(main())


def test_what_spins_is_told() -> None:
    """A loop that never waits is an error, not a test that hangs."""

    async def spin() -> None:
        while True:
            await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="busy forever"):
        simulate(spin())


def test_waiting_for_nothing_is_told() -> None:
    """When all wait and no timer runs, the run ends with an error."""

    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="everything waits forever"):
        simulate(main())


def test_an_error_that_nobody_hears_ends_the_run() -> None:
    """A callback's error would only be logged by asyncio; here it is raised."""

    def fail() -> None:
        raise ValueError("unheard")

    async def main() -> None:
        asyncio.get_running_loop().call_later(1, fail)
        await asyncio.sleep(2 * SECOND)

    with pytest.raises(ValueError, match="unheard"):
        simulate(main())
