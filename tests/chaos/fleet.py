"""The workers of a cell, kept at their number as an orchestrator does."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path

from tests.support.harness import BOUND, Site, WorkerProcess

WATCH_SECONDS = 0.05


class Fleet:
    """Workers in numbered slots; whoever ends is replaced, unless it was retired.

    A slot may have settings of its own, such as an address through which only its worker reaches the broker.
    `exits` lists the ends that nobody asked for.
    """

    def __init__(self, site: Site, slots: Sequence[Mapping[str, str]], folder: Path) -> None:
        self._site = site
        self._slots = slots
        self._folder = folder
        self._logs = 0
        self._struck: set[int] = set()
        self._running: dict[int, WorkerProcess] = {}
        self.exits: list[str] = []

    @property
    def workers(self) -> list[WorkerProcess]:
        """The workers there are, in the order of their slots."""
        return [self._running[slot] for slot in sorted(self._running)]

    def add(self) -> WorkerProcess:
        """Start a worker in the first free slot."""
        slot = next(number for number in range(len(self._running) + 1) if number not in self._running)
        return self._start(slot)

    def slot(self, worker: WorkerProcess) -> int:
        """Return the worker's slot."""
        return next(slot for slot, running in self._running.items() if running is worker)

    def by_pid(self, pid: int) -> WorkerProcess:
        """Return the worker with this process id."""
        return next(worker for worker in self._running.values() if worker.process.pid == pid)

    def expect_end(self, worker: WorkerProcess) -> None:
        """Take note that the worker's end will be somebody's doing; another one takes its slot then."""
        self._struck.add(worker.process.pid)

    def kill(self, worker: WorkerProcess) -> None:
        """End a worker with SIGKILL."""
        self.expect_end(worker)
        worker.signal(signal.SIGKILL)

    async def stop(self, worker: WorkerProcess, *, replaced: bool = True) -> None:
        """End a worker with SIGTERM and wait for it; an exit status other than 0 counts as an end nobody asked for."""
        self.expect_end(worker)
        if not replaced:
            del self._running[self.slot(worker)]
        worker.signal(signal.SIGTERM)
        if status := await self.ended(worker):
            self.exits.append(f"{worker.log.name}: status {status} after SIGTERM")

    async def ready(self) -> None:
        """Wait until every worker, replacements included, may be given work. Raises TimeoutError after a minute."""
        deadline = asyncio.get_running_loop().time() + BOUND
        while trouble := await asyncio.to_thread(self._trouble):
            if asyncio.get_running_loop().time() > deadline:
                raise TimeoutError(trouble)
            await asyncio.sleep(WATCH_SECONDS)

    async def ended(self, worker: WorkerProcess, seconds: float = BOUND) -> int:
        """Wait for a worker's end and return its exit status. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while (status := worker.process.poll()) is None:
                await asyncio.sleep(WATCH_SECONDS)
        return status

    async def watch(self) -> None:
        """Replace whoever ends, until cancelled."""
        while True:
            for slot, worker in list(self._running.items()):
                if worker.process.poll() is not None:
                    if worker.process.pid not in self._struck:
                        self.exits.append(f"{worker.log.name}: status {worker.process.returncode}")
                    self._start(slot)
            await asyncio.sleep(WATCH_SECONDS)

    def end(self) -> None:
        """Kill whoever is left."""
        for worker in self._running.values():
            worker.signal(signal.SIGCONT)
            worker.kill()

    def _trouble(self) -> str:
        """Return what keeps a worker from being ready, empty if all are."""
        for worker in self.workers:
            try:
                status, page = worker.get("/readyz")
            except (OSError, AssertionError) as error:  # it has just ended, or begins
                return f"{worker.log.name}: {error!r}"
            if status != HTTPStatus.OK:
                return f"{worker.log.name}: {page}"
        return ""

    def _start(self, slot: int) -> WorkerProcess:
        self._logs += 1
        own = self._slots[slot % len(self._slots)] if self._slots else {}
        worker = WorkerProcess(self._site.changed(**own), self._folder / f"worker-{slot}-{self._logs}.log")
        self._running[slot] = worker
        return worker


@asynccontextmanager
async def running(fleet: Fleet, count: int) -> AsyncIterator[Fleet]:
    """Start so many workers and keep them, ready on entry; all ended on exit, whatever happened."""
    watching = None
    try:
        for _ in range(count):
            fleet.add()
        await fleet.ready()
        watching = asyncio.create_task(fleet.watch())
        yield fleet
    finally:
        if watching:
            watching.cancel()
            await asyncio.wait([watching])
        fleet.end()
