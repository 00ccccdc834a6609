"""Who is next."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.errors import WorkerStopping
from consumer.jobs import Lane
from consumer.processing.admission import MOST_BEFORE_SUSPECT, Admission, EngineSlot

BOUND = 5.0


class Painter:
    """Takes slots and notes their order."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self.order: list[str] = []
        self.slots: dict[str, EngineSlot] = {}
        self.release: dict[str, asyncio.Event] = {}

    async def paint(self, name: str, lane: Lane) -> None:
        self.release[name] = asyncio.Event()
        async with self._admission.slot(lane) as slot:
            self.order.append(name)
            self.slots[name] = slot
            await asyncio.wait_for(self.release[name].wait(), BOUND)


async def breathe() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_the_more_urgent_lane_overtakes() -> None:
    """When memory frees up, the more urgent lane is let in first, whoever came first; equals keep their order."""
    admission = Admission(window=1, unstored=4)
    painter = Painter(admission)
    async with asyncio.TaskGroup() as tasks:
        for number in range(4):
            tasks.create_task(painter.paint(f"full {number}", Lane.INTERACTIVE))
            await breathe()
            painter.slots[f"full {number}"].painted()
        for name, lane in [("old", Lane.BACKFILL), ("save", Lane.LIVE), ("save2", Lane.LIVE), ("ed", Lane.INTERACTIVE)]:
            tasks.create_task(painter.paint(name, lane))
            await breathe()
        for name in [f"full {number}" for number in range(4)] + ["ed", "save", "save2", "old"]:
            painter.release[name].set()
            await breathe()

    assert painter.order[4:] == ["ed", "save", "save2", "old"]


async def test_a_lane_below_is_not_in_the_way() -> None:
    """While backfill and live pictures hold all their places at the engine, an interactive one joins at once."""
    admission = Admission(window=2, unstored=20)
    painter = Painter(admission)
    async with asyncio.timeout(BOUND), asyncio.TaskGroup() as tasks:
        for number in range(3):
            tasks.create_task(painter.paint(f"old {number}", Lane.BACKFILL))
            tasks.create_task(painter.paint(f"save {number}", Lane.LIVE))
        await breathe()
        assert (admission.in_memory, admission.waiting) == (4, 2)
        tasks.create_task(painter.paint("editor", Lane.INTERACTIVE))
        await breathe()
        assert painter.order[4:] == ["editor"]
        while len(painter.order) < 7:
            painter.release[painter.order[-1]].set()
            painter.release[painter.order[0]].set()
            painter.release[painter.order[1]].set()
            await breathe()
        for event in painter.release.values():
            event.set()


async def test_lower_lanes_never_fill_the_memory() -> None:
    """With the store down, each lane leaves a place for each lane above it, and no more than that."""
    admission = Admission(window=8, unstored=8)  # 11: the lowest lane may fill its window
    painter = Painter(admission)
    held = []
    tasks = []
    for lane in reversed(Lane):
        tasks += [asyncio.ensure_future(painter.paint(f"{lane} {number}", lane)) for number in range(12)]
        await breathe()
        held.append(admission.in_memory)
    assert held == [8, 9, 10, 11]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_painted_picture_frees_the_engine_not_the_memory() -> None:
    """The next picture starts when one is painted; when too many wait for the store, none does."""
    admission = Admission(window=1, unstored=0)  # 4, of which saves may take 3
    painter = Painter(admission)
    async with asyncio.TaskGroup() as tasks:
        for name in ("a", "b", "c", "d"):
            tasks.create_task(painter.paint(name, Lane.LIVE))
        await breathe()
        assert painter.order == ["a"]
        painter.slots["a"].painted()
        await breathe()
        painter.slots["b"].painted()
        await breathe()
        painter.slots["c"].painted()
        await breathe()
        assert painter.order == ["a", "b", "c"]
        assert (admission.in_memory, admission.waiting) == (3, 1)
        painter.release["a"].set()
        await breathe()
        assert painter.order == ["a", "b", "c", "d"]
        for name in "bcd":
            painter.release[name].set()

    assert (admission.in_memory, admission.waiting) == (0, 0)


async def test_closing_hands_back_who_waits_and_lets_slots_finish() -> None:
    """When the worker stops, pictures that have not begun are handed back, begun ones go on."""
    admission = Admission(window=1, unstored=2)
    painter = Painter(admission)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(painter.paint("running", Lane.LIVE))
        await breathe()
        waiting = asyncio.ensure_future(painter.paint("waiting", Lane.LIVE))
        await breathe()
        admission.close()
        with pytest.raises(WorkerStopping):
            await asyncio.wait_for(waiting, BOUND)
        with pytest.raises(WorkerStopping):
            await asyncio.wait_for(painter.paint("late", Lane.LIVE), BOUND)
        assert not running.done()
        painter.release["running"].set()

    assert painter.order == ["running"]


class Crowd:
    """Pictures of all lanes, and where each of them is."""

    def __init__(self, admission: Admission) -> None:
        self._painter = Painter(admission)
        self._tasks: dict[str, asyncio.Future[None]] = {}

    def of(self, lane: Lane) -> tuple[list[str], list[str], list[str]]:
        """Return who of the lane waits, who is at the engine, and who is painted and not stored."""
        here = [name for name, task in self._tasks.items() if name.startswith(lane) and not task.done()]
        slots = self._painter.slots
        waiting = [name for name in here if name not in slots]
        at_engine = [name for name in here if name in slots and slots[name]._at_engine]
        return waiting, at_engine, [name for name in here if name in slots and name not in at_engine]

    def step(self, lane: Lane, what: str) -> None:
        """Let one picture of the lane do something, if there is one that can."""
        waiting, at_engine, painted = self.of(lane)
        if what == "arrive":
            name = f"{lane} {len(self._tasks)}"
            self._tasks[name] = asyncio.ensure_future(self._painter.paint(name, lane))
        elif what == "paint" and at_engine:
            self._painter.slots[at_engine[0]].painted()
        elif what == "store" and painted:
            self._painter.release[painted[0]].set()
        elif what == "cancel" and waiting:
            self._tasks[waiting[0]].cancel()

    async def leave(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)


STEPS = st.tuples(st.sampled_from(list(Lane)), st.sampled_from(["arrive", "arrive", "paint", "store", "cancel"]))


@given(st.lists(STEPS, max_size=60), st.integers(1, 3), st.integers(0, 4))
def test_nobody_waits_for_a_lane_below(steps: list[tuple[Lane, str]], window: int, spare: int) -> None:
    """A picture waits only while its own lane's window is full, or memory is, but for a place for each lane above."""
    unstored = window + 3 + spare

    async def scenario() -> None:
        admission = Admission(window=window, unstored=unstored)
        crowd = Crowd(admission)
        for step in steps:
            crowd.step(*step)
            await breathe()
            where = {lane: [len(names) for names in crowd.of(lane)] for lane in Lane}
            in_memory = sum(at_engine + painted for _, at_engine, painted in where.values())
            assert admission.in_memory == in_memory <= unstored
            for lane, (waiting, at_engine, _) in where.items():
                assert at_engine <= window
                assert not waiting or at_engine == window or in_memory >= unstored - lane.rank
        await crowd.leave()
        assert (admission.in_memory, admission.waiting) == (0, 0)

    asyncio.run(scenario())


@given(st.lists(st.tuples(st.sampled_from(list(Lane)), st.booleans()), max_size=25), st.integers(1, 3))
def test_no_slot_is_lost(wishes: list[tuple[Lane, bool]], window: int) -> None:
    """Whoever is cancelled and in whatever moment, in the end every place is free again."""

    async def scenario() -> None:
        admission = Admission(window=window, unstored=window)
        painter = Painter(admission)
        tasks = []
        for number, (lane, cancelled) in enumerate(wishes):
            task = asyncio.ensure_future(painter.paint(str(number), lane))
            tasks.append(task)
            await asyncio.sleep(0)
            if cancelled:
                task.cancel()
            assert admission.in_memory <= window + 3
        async with asyncio.timeout(BOUND):
            while not all(task.done() for task in tasks):
                for event in painter.release.values():
                    event.set()
                await asyncio.sleep(0)
        await asyncio.gather(*tasks, return_exceptions=True)
        assert (admission.in_memory, admission.waiting) == (0, 0)

    asyncio.run(scenario())


async def test_a_suspect_is_painted_alone() -> None:
    """A picture under suspicion waits for the engine to be empty, and nobody joins it there."""
    admission = Admission(window=4, unstored=8)
    order: list[str] = []
    leave = {name: asyncio.Event() for name in ("first", "suspect", "later")}

    async def paint(name: str, *, alone: bool = False) -> None:
        async with admission.slot(Lane.LIVE, alone=alone):
            order.append(name)
            await asyncio.wait_for(leave[name].wait(), BOUND)

    async with asyncio.timeout(BOUND), asyncio.TaskGroup() as tasks:
        for name in leave:
            tasks.create_task(paint(name, alone=name == "suspect"))
        for number, name in enumerate(leave, 1):
            while len(order) < number:
                await asyncio.sleep(0)
            assert order[-1] == name
            assert admission.in_memory == 1
            leave[name].set()


async def test_a_suspect_comes_first_in_the_end() -> None:
    """Under an endless stream of a higher lane a suspect of a lower one gets its slot after a bounded number."""
    admission = Admission(window=2, unstored=8)
    taken: list[str] = []

    async def live() -> None:
        while "suspect" not in taken and len(taken) < 10 * MOST_BEFORE_SUSPECT:
            async with admission.slot(Lane.LIVE):
                taken.append("live")
                await asyncio.sleep(0)

    async def suspect() -> None:
        async with admission.slot(Lane.RETRY, alone=True):
            taken.append("suspect")

    async with asyncio.timeout(BOUND), asyncio.TaskGroup() as tasks:
        for coroutine in (live(), live(), live(), suspect()):
            tasks.create_task(coroutine)
    assert taken.index("suspect") <= MOST_BEFORE_SUSPECT + 2


async def test_a_waiting_suspect_is_in_no_lower_lanes_way() -> None:
    """While a suspect waits for the engine to be empty, lanes below it go on; those behind it in its lane wait."""
    admission = Admission(window=2, unstored=8)
    painter = Painter(admission)
    async with asyncio.timeout(BOUND), asyncio.TaskGroup() as tasks:
        tasks.create_task(painter.paint("running", Lane.LIVE))
        await breathe()

        async def suspect() -> None:
            async with admission.slot(Lane.RETRY, alone=True):
                painter.order.append("suspect")

        tasks.create_task(suspect())
        await breathe()
        for name, lane in (("behind", Lane.RETRY), ("below", Lane.BACKFILL)):
            tasks.create_task(painter.paint(name, lane))
        await breathe()
        assert painter.order == ["running", "below"]
        for name in ("running", "below"):
            painter.release[name].set()
        await breathe()
        assert painter.order[2:] == ["suspect", "behind"]
        painter.release["behind"].set()
