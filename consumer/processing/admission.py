"""Admission to the engine: one gate, most urgent lane first, then oldest.

Two limits hold at once. `window` pictures of each lane may be at the engine, which divides its steps among the lanes: a
place that a lower lane holds never blocks a higher one. `unstored` pictures may be in memory between engine and store,
so that a slow store stops the engine instead of filling the memory. Each lane leaves one of these places for every lane
above it, so lower lanes alone cannot fill the memory and shut a higher one out.

A suspect picture is painted alone: it waits for an empty engine, and nothing joins it. Others may go first for a while;
then nothing is admitted until the suspect has had its slot.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from consumer.errors import WorkerStopping
from consumer.jobs import Lane

MOST_BEFORE_SUSPECT = 32
"""Pictures admitted ahead of a waiting suspect before it comes first."""


class EngineSlot:
    """Permission to paint one picture: a place at the engine until `painted`, a place in memory until it is stored."""

    def __init__(self, admission: Admission, lane: Lane) -> None:
        self._admission = admission
        self._lane = lane
        self._at_engine = True

    def painted(self) -> None:
        """Release the place at the engine; the picture is still in memory."""
        if self._at_engine:
            self._at_engine = False
            self._admission._leave_engine(self._lane)  # noqa: SLF001 - two halves of one thing


class Admission:
    """Admits pictures to the engine, never more than its limits. Runs on the event loop.

    `window` covers all devices together. `unstored` is raised where the lowest lane could not fill its window.
    """

    def __init__(self, *, window: int, unstored: int) -> None:
        self._window = window
        self._unstored = max(unstored, window + max(lane.rank for lane in Lane))
        self._at_engine = dict.fromkeys(Lane, 0)
        self._in_memory = 0
        self._waiting: dict[Lane, deque[tuple[bool, asyncio.Future[None]]]] = {lane: deque() for lane in Lane}
        self._exclusive = False
        self._before_suspect = 0
        self._closed = False

    @property
    def in_memory(self) -> int:
        """Pictures begun and not yet stored."""
        return self._in_memory

    @property
    def waiting(self) -> int:
        """Pictures waiting for a slot."""
        return sum(not future.done() for queue in self._waiting.values() for _, future in queue)

    @asynccontextmanager
    async def slot(self, lane: Lane, *, alone: bool = False) -> AsyncIterator[EngineSlot]:
        """Wait for a slot and hold it for the block. Raises `WorkerStopping` when the worker stops first."""
        await self._admitted(lane, alone=alone)
        slot = EngineSlot(self, lane)
        try:
            yield slot
        finally:
            slot.painted()
            self._in_memory -= 1
            self._admit()

    def close(self) -> None:
        """Admit no more: what waits is handed back, slots in use stay valid."""
        self._closed = True
        for queue in self._waiting.values():
            for _, future in queue:
                if not future.done():
                    future.set_exception(WorkerStopping)
            queue.clear()

    async def _admitted(self, lane: Lane, *, alone: bool) -> None:
        if self._closed:
            raise WorkerStopping
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[lane].append((alone, future))
        self._admit()
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                # The slot was granted in the moment its task was cancelled.
                self._in_memory -= 1
                self._leave_engine(lane)
            raise

    def _admit(self) -> None:
        for lane, queue in self._waiting.items():
            while queue and not self._exclusive:
                alone, future = queue[0]
                if future.done():  # cancelled while it waited
                    queue.popleft()
                elif self._may_enter(lane, alone=alone):
                    queue.popleft()
                    self._enter(lane, alone=alone)
                    future.set_result(None)
                else:
                    break

    def _may_enter(self, lane: Lane, *, alone: bool) -> bool:
        if alone:
            return not any(self._at_engine.values()) and self._in_memory < self._unstored
        return self._has_room(lane) and not (self._suspect_waits() and self._before_suspect >= MOST_BEFORE_SUSPECT)

    def _enter(self, lane: Lane, *, alone: bool) -> None:
        self._before_suspect = self._before_suspect + 1 if self._suspect_waits() and not alone else 0
        self._at_engine[lane] += 1
        self._in_memory += 1
        self._exclusive = alone

    def _suspect_waits(self) -> bool:
        """Return whether a suspect is first in its lane."""
        heads = (queue[0] for queue in self._waiting.values() if queue)
        return any(alone and not future.done() for alone, future in heads)

    def _has_room(self, lane: Lane) -> bool:
        return self._at_engine[lane] < self._window and self._in_memory < self._unstored - lane.rank

    def _leave_engine(self, lane: Lane) -> None:
        self._at_engine[lane] -= 1
        self._exclusive = False
        self._admit()
