"""Who is next: one gate before the engine, most urgent lane first, then age.

Two bounds hold at once. `window` pictures may be with the engine, enough for it to batch; the rest wait here, where a
more urgent one can still overtake. `unstored` pictures may exist in memory between the engine and the store, so that a
slow store stops the engine instead of filling the memory.

A picture under suspicion is painted alone: it waits for the engine to be empty, and nobody joins it.
"""

from __future__ import annotations

import asyncio
import heapq
from contextlib import asynccontextmanager
from itertools import count
from typing import TYPE_CHECKING

from consumer.errors import HandedBack

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from consumer.jobs import Lane


class Turn:
    """Leave to paint one picture: holds a place at the engine until `painted`, a place in memory until it is stored."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._at_engine = True

    def painted(self) -> None:
        """Give the place at the engine back; the picture itself is still in memory."""
        if self._at_engine:
            self._at_engine = False
            self._scheduler._leave_engine()  # noqa: SLF001 - two halves of one thing


class Scheduler:
    """Admits pictures to the engine. Runs on the event loop; never holds more turns than its bounds."""

    def __init__(self, *, window: int, unstored: int) -> None:
        self._window = window
        self._unstored = max(unstored, window)
        self._at_engine = 0
        self._in_memory = 0
        self._order = count()
        self._waiting: list[tuple[int, int, bool, asyncio.Future[None]]] = []
        self._closed_to_company = False
        self._closed = False

    @property
    def in_memory(self) -> int:
        """Pictures begun and not yet stored."""
        return self._in_memory

    @property
    def waiting(self) -> int:
        """Pictures waiting for their turn."""
        return sum(1 for *_, future in self._waiting if not future.done())

    @asynccontextmanager
    async def turn(self, lane: Lane, *, alone: bool = False) -> AsyncIterator[Turn]:
        """Wait for a turn and hold it for the block. Raises `HandedBack` when the worker stops before it comes."""
        await self._admitted(lane, alone=alone)
        turn = Turn(self)
        try:
            yield turn
        finally:
            turn.painted()
            self._in_memory -= 1
            self._admit()

    def close(self) -> None:
        """Begin no more: whoever waits is handed back, turns in use go on."""
        self._closed = True
        for *_, future in self._waiting:
            if not future.done():
                future.set_exception(HandedBack)
        self._waiting.clear()

    async def _admitted(self, lane: Lane, *, alone: bool) -> None:
        if self._closed:
            raise HandedBack
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (lane.rank, next(self._order), alone, future))
        self._admit()
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                self._give_back()
            raise

    def _admit(self) -> None:
        while self._waiting and self._at_engine < self._window and self._in_memory < self._unstored:
            *_, alone, future = self._waiting[0]
            if future.done():
                heapq.heappop(self._waiting)
                continue
            if self._closed_to_company or (alone and self._at_engine):
                return
            heapq.heappop(self._waiting)
            self._at_engine += 1
            self._in_memory += 1
            self._closed_to_company = alone
            future.set_result(None)

    def _leave_engine(self) -> None:
        self._at_engine -= 1
        self._closed_to_company = False
        self._admit()

    def _give_back(self) -> None:
        """Return a turn that was granted to a task in the moment it was cancelled."""
        self._in_memory -= 1
        self._leave_engine()
