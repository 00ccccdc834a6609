"""Who is next."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.errors import HandedBack
from consumer.jobs import Lane
from consumer.scheduler import Scheduler

if TYPE_CHECKING:
    from consumer.scheduler import Turn

BOUND = 5.0


class Painter:
    """Takes turns and notes their order."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self.order: list[str] = []
        self.turns: dict[str, Turn] = {}
        self.release: dict[str, asyncio.Event] = {}

    async def paint(self, name: str, lane: Lane) -> None:
        self.release[name] = asyncio.Event()
        async with self._scheduler.turn(lane) as turn:
            self.order.append(name)
            self.turns[name] = turn
            await asyncio.wait_for(self.release[name].wait(), BOUND)


async def breathe() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_the_more_urgent_lane_overtakes() -> None:
    """While the engine is busy an interactive picture passes those of lower lanes; equals keep their order."""
    scheduler = Scheduler(window=1, unstored=10)
    painter = Painter(scheduler)
    async with asyncio.TaskGroup() as tasks:
        for name, lane in [
            ("first", Lane.BACKFILL),
            ("old", Lane.BACKFILL),
            ("save", Lane.LIVE),
            ("editor", Lane.INTERACTIVE),
            ("save2", Lane.LIVE),
        ]:
            tasks.create_task(painter.paint(name, lane))
            await breathe()
        for _ in range(5):
            painter.release[painter.order[-1]].set()
            await breathe()

    assert painter.order == ["first", "editor", "save", "save2", "old"]


async def test_a_painted_picture_frees_the_engine_not_the_memory() -> None:
    """The next picture starts when one is painted; when too many wait for the store, none does."""
    scheduler = Scheduler(window=1, unstored=2)
    painter = Painter(scheduler)
    async with asyncio.TaskGroup() as tasks:
        for name in ("a", "b", "c"):
            tasks.create_task(painter.paint(name, Lane.LIVE))
        await breathe()
        assert painter.order == ["a"]
        painter.turns["a"].painted()
        await breathe()
        painter.turns["b"].painted()
        await breathe()
        assert painter.order == ["a", "b"]
        assert (scheduler.in_memory, scheduler.waiting) == (2, 1)
        painter.release["a"].set()
        await breathe()
        assert painter.order == ["a", "b", "c"]
        for name in "bc":
            painter.release[name].set()

    assert (scheduler.in_memory, scheduler.waiting) == (0, 0)


async def test_closing_hands_back_who_waits_and_lets_turns_finish() -> None:
    """When the worker stops, pictures that have not begun are handed back, begun ones go on."""
    scheduler = Scheduler(window=1, unstored=2)
    painter = Painter(scheduler)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(painter.paint("running", Lane.LIVE))
        await breathe()
        waiting = asyncio.ensure_future(painter.paint("waiting", Lane.LIVE))
        await breathe()
        scheduler.close()
        with pytest.raises(HandedBack):
            await asyncio.wait_for(waiting, BOUND)
        with pytest.raises(HandedBack):
            await asyncio.wait_for(painter.paint("late", Lane.LIVE), BOUND)
        assert not running.done()
        painter.release["running"].set()

    assert painter.order == ["running"]


@given(st.lists(st.tuples(st.sampled_from(list(Lane)), st.booleans()), max_size=25), st.integers(1, 3))
def test_bounds_hold_and_no_turn_is_lost(wishes: list[tuple[Lane, bool]], window: int) -> None:
    """Whoever is cancelled and whenever, the bounds hold, and in the end every place is free again."""

    async def scenario() -> None:
        scheduler = Scheduler(window=window, unstored=window + 1)
        painter = Painter(scheduler)
        tasks = []
        for number, (lane, cancelled) in enumerate(wishes):
            task = asyncio.ensure_future(painter.paint(str(number), lane))
            tasks.append(task)
            await asyncio.sleep(0)
            if cancelled:
                task.cancel()
            assert scheduler.in_memory <= window + 1
        async with asyncio.timeout(BOUND):
            while not all(task.done() for task in tasks):
                for event in painter.release.values():
                    event.set()
                await asyncio.sleep(0)
        await asyncio.gather(*tasks, return_exceptions=True)
        assert (scheduler.in_memory, scheduler.waiting) == (0, 0)

    asyncio.run(scenario())


async def test_a_suspect_is_painted_alone() -> None:
    """A picture under suspicion waits for the engine to be empty, and nobody joins it there."""
    scheduler = Scheduler(window=4, unstored=8)
    order: list[str] = []
    leave = {name: asyncio.Event() for name in ("first", "suspect", "later")}

    async def paint(name: str, *, alone: bool = False) -> None:
        async with scheduler.turn(Lane.LIVE, alone=alone):
            order.append(name)
            await asyncio.wait_for(leave[name].wait(), BOUND)

    async with asyncio.timeout(BOUND), asyncio.TaskGroup() as tasks:
        for name in leave:
            tasks.create_task(paint(name, alone=name == "suspect"))
        for number, name in enumerate(leave, 1):
            while len(order) < number:
                await asyncio.sleep(0)
            assert order[-1] == name
            assert scheduler.in_memory == 1
            leave[name].set()
