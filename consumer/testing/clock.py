"""Virtual time: an event loop whose time passes only when nothing is left to do, for exact and repeatable simulations.

What runs on it belongs to a process or to the world outside. A process can be frozen, as by SIGSTOP: none of its code
runs, its timers and the answers to it wait, and the world goes on.
"""

import asyncio
import contextvars
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from itertools import count
from typing import Any, TypeVar

Result = TypeVar("Result")

BUSY_TURNS = 20_000
"""Turns without time passing after which the loop gives up: something spins."""

UNWIND_TURNS = 500
"""Turns in which cancelled tasks have to end."""

SWEEP_TASKS = 1024
"""Tasks created before finished ones are first dropped: a long run keeps what lives, not all that ever did."""


class Process:
    """A simulated process, frozen, thawed and killed as one: what `run` started, and all that started in turn."""

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
        """Resume; what came in meanwhile is run in the order of its arrival."""
        self.frozen = False
        loop = asyncio.get_running_loop()
        parked, self.parked = self.parked, []
        if isinstance(loop, VirtualLoop):
            loop.ready.extend(parked)

    def end(self) -> None:
        """Cancel all its tasks. Cut a killed process off from the world first: nobody may see its tasks unwind."""
        self.thaw()
        for task in self.running:
            task.cancel()

    @property
    def running(self) -> list[asyncio.Task[Any]]:
        """Its tasks that have not ended."""
        self.tasks = {task: None for task in self.tasks if not task.done()}
        return list(self.tasks)


PROCESS: contextvars.ContextVar[Process | None] = contextvars.ContextVar("PROCESS", default=None)
"""The process that the running code belongs to; None for the world outside."""


class VirtualLoop(asyncio.AbstractEventLoop):
    """As much of an event loop as tasks, timers and futures need: no sockets, threads or signals.

    When nothing is ready, time jumps to the next timer. An error that would go unnoticed ends the run.
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
        self._turns_at_now = 0

    def run(self, main: Coroutine[Any, Any, Result]) -> Result:
        """Run `main` to its end. Raises `RuntimeError` when something spins, or when everything waits forever."""
        asyncio.events._set_running_loop(self)  # noqa: SLF001 - how a loop marks itself as running
        try:
            task: asyncio.Task[Result] = self.create_task(main)
            while not task.done():
                self._turn()
                if self._error is not None:
                    raise self._error
            return task.result()
        finally:
            self._unwind()
            asyncio.events._set_running_loop(None)  # noqa: SLF001 - as above

    def _unwind(self) -> None:
        """Cancel what a failed run left behind, and let it end: asyncio complains about tasks dropped while pending."""
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
        process = handle._context.get(PROCESS)  # type: ignore[attr-defined]  # noqa: SLF001 - loops run handles
        if process is not None and process.frozen:
            process.parked.append(handle)
            return
        self._turns_at_now += 1
        if self._turns_at_now > BUSY_TURNS:
            raise RuntimeError(f"busy forever at {self._now:.3f} s: {handle!r}")
        handle._run()  # noqa: SLF001 - as above

    def _jump(self) -> None:
        while self._timers and self._timers[0][2].cancelled():
            heapq.heappop(self._timers)
        if not self._timers:
            raise RuntimeError(f"everything waits forever at {self._now:.3f} s")
        self._now, self._turns_at_now = max(self._now, self._timers[0][0]), 0
        while self._timers and self._timers[0][0] <= self._now:
            self.ready.append(heapq.heappop(self._timers)[2])

    def time(self) -> float:
        """Return the virtual seconds since the loop began."""
        return self._now

    def get_debug(self) -> bool:
        """Return False: debug mode would make every run differ."""
        return False

    def create_future(self) -> asyncio.Future[Any]:
        """Create a future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, *, name: str | None = None, context: Any = None) -> asyncio.Task[Any]:
        """Start a task in the context's process, by default the caller's."""
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, name=name, context=context)
        process = PROCESS.get() if context is None else context.get(PROCESS)
        self._remember(task)
        if process is not None:
            process.tasks[task] = None
            self._processes[process] = None
        return task

    def _remember(self, task: asyncio.Task[Any]) -> None:
        if len(self._tasks) >= self._sweep_at:
            self._tasks = [each for each in self._tasks if not each.done()]
            self._sweep_at = max(SWEEP_TASKS, 2 * len(self._tasks))
        self._tasks.append(task)

    def call_soon(  # type: ignore[override]  # generic in the base class
        self, callback: Callable[..., Any], *args: Any, context: Any = None
    ) -> asyncio.Handle:
        """Run a callback in its turn."""
        handle = asyncio.Handle(callback, args, self, context)
        self.ready.append(handle)
        return handle

    def call_later(  # type: ignore[override]  # as above
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Any = None
    ) -> Any:
        """Run a callback after `delay` seconds."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]  # as above
        self, when: float, callback: Callable[..., Any], *args: Any, context: Any = None
    ) -> Any:
        """Run a callback at a time."""
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._order), timer))
        return timer

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Do nothing: a cancelled timer is dropped when its time comes."""

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """End the run with the error."""
        self._error = self._error or context.get("exception") or RuntimeError(context["message"])

    def is_running(self) -> bool:
        """Return True: only code that runs on the loop holds it."""
        return True

    def is_closed(self) -> bool:
        """Return False: there is nothing to close."""
        return False


def simulate(main: Coroutine[Any, Any, Result]) -> Result:
    """Run to the end on a new virtual loop."""
    return VirtualLoop().run(main)  # type: ignore[abstract]  # simulations must not call what it lacks
