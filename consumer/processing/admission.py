"""Who is next: one gate before the engine, most urgent lane first, then age.

Two bounds hold at once. `window` pictures of each lane may be with the engine, which shares its steps out by lane: a
place that a lower lane holds is never in the way of a higher one. `unstored` pictures may exist in memory between the
engine and the store, so that a slow store stops the engine instead of filling the memory. Of these places a lane leaves
one for each lane above it: lower lanes alone never fill the memory and shut a higher one out.

A picture under suspicion is painted alone: it waits for the engine to be empty, and nobody joins it. Others go before
it for a while; then nobody is admitted until it has had its turn.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from consumer.errors import HandedBack
from consumer.jobs import Lane

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


PATIENCE = 32
"""Pictures of others that are admitted while a suspect waits for its turn, before it comes first."""


class EngineSlot:
    """Leave to paint one picture: holds a place at the engine until `painted`, a place in memory until it is stored."""

    def __init__(self, scheduler: Admission, lane: Lane) -> None:
        self._scheduler = scheduler
        self._lane = lane
        self._at_engine = True

    def painted(self) -> None:
        """Give the place at the engine back; the picture itself is still in memory."""
        if self._at_engine:
            self._at_engine = False
            self._scheduler._leave_engine(self._lane)  # noqa: SLF001 - two halves of one thing


class Admission:
    """Admits pictures to the engine. Runs on the event loop; never holds more turns than its bounds.

    `window` is for all devices together. `unstored` is raised where it would not let the lowest lane fill its window.
    """

    def __init__(self, *, window: int, unstored: int) -> None:
        self._window = window
        self._unstored = max(unstored, window + max(lane.rank for lane in Lane))
        self._at_engine = dict.fromkeys(Lane, 0)
        self._in_memory = 0
        self._waiting: dict[Lane, deque[tuple[bool, asyncio.Future[None]]]] = {lane: deque() for lane in Lane}
        self._closed_to_company = False
        self._before_suspect = 0
        self._closed = False

    @property
    def in_memory(self) -> int:
        """Pictures begun and not yet stored."""
        return self._in_memory

    @property
    def waiting(self) -> int:
        """Pictures waiting for their turn."""
        return sum(not future.done() for queue in self._waiting.values() for _, future in queue)

    @asynccontextmanager
    async def turn(self, lane: Lane, *, alone: bool = False) -> AsyncIterator[EngineSlot]:
        """Wait for a turn and hold it for the block. Raises `HandedBack` when the worker stops before it comes."""
        await self._admitted(lane, alone=alone)
        turn = EngineSlot(self, lane)
        try:
            yield turn
        finally:
            turn.painted()
            self._in_memory -= 1
            self._admit()

    def close(self) -> None:
        """Begin no more: whoever waits is handed back, turns in use go on."""
        self._closed = True
        for queue in self._waiting.values():
            for _, future in queue:
                if not future.done():
                    future.set_exception(HandedBack)
            queue.clear()

    async def _admitted(self, lane: Lane, *, alone: bool) -> None:
        if self._closed:
            raise HandedBack
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[lane].append((alone, future))
        self._admit()
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                # The turn was granted in the moment its task was cancelled.
                self._in_memory -= 1
                self._leave_engine(lane)
            raise

    def _admit(self) -> None:
        for lane, queue in self._waiting.items():
            while queue and not self._closed_to_company:
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
        return self._has_room(lane) and not (self._suspect_waits() and self._before_suspect >= PATIENCE)

    def _enter(self, lane: Lane, *, alone: bool) -> None:
        self._before_suspect = self._before_suspect + 1 if self._suspect_waits() and not alone else 0
        self._at_engine[lane] += 1
        self._in_memory += 1
        self._closed_to_company = alone

    def _suspect_waits(self) -> bool:
        """Return whether a suspect is first in its lane."""
        heads = (queue[0] for queue in self._waiting.values() if queue)
        return any(alone and not future.done() for alone, future in heads)

    def _has_room(self, lane: Lane) -> bool:
        return self._at_engine[lane] < self._window and self._in_memory < self._unstored - lane.rank

    def _leave_engine(self, lane: Lane) -> None:
        self._at_engine[lane] -= 1
        self._closed_to_company = False
        self._admit()
