"""Time that passes only when nothing is left to do: an event loop on which a simulation is exact, fast and repeatable.

What runs on it belongs to a process or to the world outside. A process can be frozen, as SIGSTOP does it: none of its
code runs, its timers and the answers to it wait, and the world goes on.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
from collections import deque
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

Result = TypeVar("Result")

BUSY_TURNS = 20_000
"""Turns in a row without time passing after which the loop gives up: something spins."""

UNWIND_TURNS = 500
"""Turns that cancelled tasks are given to end."""

SWEEP_TASKS = 1024
"""Tasks begun before those that have ended are first forgotten: a long run holds what lives, not all that ever did."""


class Process:
    """What is frozen, thawed and killed together: all that was started by `run`, and what that started."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.frozen = False
        self.tasks: dict[asyncio.Task[Any], None] = {}
        self.parked: list[asyncio.Handle] = []

    def run(self, main: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        """Start a task of this process."""
        context = contextvars.Context()
        context.run(PROCESS.set, self)
        return asyncio.get_running_loop().create_task(main, context=context)

    def freeze(self) -> None:
        """Run none of its code until `thaw`."""
        self.frozen = True

    def thaw(self) -> None:
        """Go on where it stood; whatever came in meanwhile comes in the order in which it came."""
        self.frozen = False
        loop = asyncio.get_running_loop()
        parked, self.parked = self.parked, []
        if isinstance(loop, VirtualLoop):
            loop.ready.extend(parked)

    def end(self) -> None:
        """Cancel all its tasks. A killed process must be cut off from the world first: its tasks unwind unheard."""
        self.thaw()
        for task in self.running:
            task.cancel()

    @property
    def running(self) -> list[asyncio.Task[Any]]:
        """Its tasks that have not ended."""
        self.tasks = {task: None for task in self.tasks if not task.done()}
        return list(self.tasks)


PROCESS: contextvars.ContextVar[Process | None] = contextvars.ContextVar("PROCESS", default=None)
"""The process that the running code belongs to; None is the world outside."""


class VirtualLoop(asyncio.AbstractEventLoop):
    """As much of an event loop as tasks, timers and futures need; it knows no sockets, threads or signals.

    When nothing is ready, time jumps to the next timer. An error that nobody else would hear of ends the run.
    """

    def __init__(self) -> None:
        self.ready: deque[asyncio.Handle] = deque()
        self._error: BaseException | None = None
        self._tasks: list[asyncio.Task[Any]] = []
        self._sweep_at = SWEEP_TASKS
        self._processes: dict[Process, None] = {}
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._order = count()
        self._now = 0.0
        self._still = 0

    def run(self, main: Coroutine[Any, Any, Result]) -> Result:
        """Run to the end of `main`. Raises `RuntimeError` when something spins, or when all wait for ever."""
        asyncio.events._set_running_loop(self)  # noqa: SLF001 - how a loop says that it runs
        try:
            task: asyncio.Task[Result] = self.create_task(main)
            while not task.done():
                self._turn()
                if self._error is not None:
                    raise self._error
            return task.result()
        finally:
            self._unwind()
            asyncio.events._set_running_loop(None)  # noqa: SLF001 - likewise

    def _unwind(self) -> None:
        """Cancel what a run that failed left behind, and let it end: a task that is dropped as it is makes noise."""
        for process in self._processes:
            process.thaw()
        while left := [task for task in self._tasks if not task.done()]:
            for task in left:
                task.cancel()
            with suppress(RuntimeError):
                for _ in range(UNWIND_TURNS):
                    self._turn()
            if all(not task.done() for task in left):
                return

    def _turn(self) -> None:
        if not self.ready:
            self._jump()
        handle = self.ready.popleft()
        if handle.cancelled():
            return
        process = handle._context.get(PROCESS)  # type: ignore[attr-defined]  # noqa: SLF001 - a handle is made for its loop
        if process is not None and process.frozen:
            process.parked.append(handle)
            return
        self._still += 1
        if self._still > BUSY_TURNS:
            raise RuntimeError(f"busy without end at {self._now:.3f} s: {handle!r}")
        handle._run()  # noqa: SLF001 - likewise

    def _jump(self) -> None:
        while self._timers and self._timers[0][2].cancelled():
            heapq.heappop(self._timers)
        if not self._timers:
            raise RuntimeError(f"all wait for ever at {self._now:.3f} s")
        self._now, self._still = max(self._now, self._timers[0][0]), 0
        while self._timers and self._timers[0][0] <= self._now:
            self.ready.append(heapq.heappop(self._timers)[2])

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self._now

    def get_debug(self) -> bool:
        """Never: it would make every run differ."""
        return False

    def create_future(self) -> asyncio.Future[Any]:
        """Make a future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, *, name: str | None = None, context: Any = None) -> asyncio.Task[Any]:
        """Start a task in the context's process, or in that of whoever starts it."""
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, name=name, context=context)
        process = PROCESS.get() if context is None else context.get(PROCESS)
        self._remember(task)
        if process is not None:
            process.tasks[task] = None
            self._processes[process] = None
        return task

    def _remember(self, task: asyncio.Task[Any]) -> None:
        if len(self._tasks) >= self._sweep_at:
            self._tasks = [one for one in self._tasks if not one.done()]
            self._sweep_at = max(SWEEP_TASKS, 2 * len(self._tasks))
        self._tasks.append(task)

    def call_soon(  # type: ignore[override]  # generic in the base class; the loop does not care
        self, callback: Callable[..., Any], *args: Any, context: Any = None
    ) -> asyncio.Handle:
        """Run it in its turn."""
        handle = asyncio.Handle(callback, args, self, context)
        self.ready.append(handle)
        return handle

    def call_later(  # type: ignore[override]  # likewise
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Any = None
    ) -> Any:
        """Run it when so many seconds have passed."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]  # likewise
        self, when: float, callback: Callable[..., Any], *args: Any, context: Any = None
    ) -> Any:
        """Run it at a time."""
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._order), timer))
        return timer

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Nothing to do: a cancelled timer is dropped when its time comes."""

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """End the run with it."""
        self._error = self._error or context.get("exception") or RuntimeError(context["message"])

    def is_running(self) -> bool:
        """True: nobody holds it who does not run on it."""
        return True

    def is_closed(self) -> bool:
        """Never: there is nothing to close."""
        return False


def simulate(main: Coroutine[Any, Any, Result]) -> Result:
    """Run on a loop of its own, in no time."""
    return VirtualLoop().run(main)  # type: ignore[abstract]  # what it lacks nobody may call here
