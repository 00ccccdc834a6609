"""`leadart` as people run it: a command, its output line by line, its end by signal, and whatever it leaves behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from uuid import uuid4

import psutil

BOUND = 240.0
"""Seconds that any one wait may take."""

LEFT_SECONDS = 40.0
"""For what is left behind: a worker whose servers are gone takes its whole grace, 25 s."""

_MARK = "TEST_RUN_MARK"  # every process that comes of the command inherits it, orphans included


class Command:
    """A running command."""

    def __init__(self, process: asyncio.subprocess.Process, mark: str) -> None:
        self.process = process
        self.lines: list[str] = []
        self._mark = mark

    async def until(self, text: str) -> str:
        """Read on to the next line that holds `text` and return it."""
        while text not in (line := await self._line()):
            assert line, f"{text!r} never came:\n" + "".join(self.lines)
        return line

    async def end(self, number: signal.Signals | None = None) -> int:
        """Send the signal, if any; read what is left, and return the exit status."""
        if number is not None:
            self.process.send_signal(number)
        while await self._line():
            pass
        async with asyncio.timeout(BOUND):
            return await self.process.wait()

    async def left_behind(self) -> list[str]:
        """Return the processes that came of the command and are still there, once none is, or after a bound."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LEFT_SECONDS):
                while self.processes():
                    await asyncio.sleep(0.05)
        return self.processes()

    def processes(self) -> list[str]:
        """Return the command lines of all processes that came of the command."""
        told = []
        for found in self._marked():
            with suppress(psutil.Error):  # it may end at any moment
                told.append(" ".join(found.cmdline()))
        return told

    def kill(self) -> None:
        """End everything that is left, so that a failing test leaves nothing to the next."""
        for found in self._marked():
            with suppress(psutil.NoSuchProcess):
                found.kill()

    def kill_one(self, program: str) -> None:
        """Kill the process, not its guard, whose command line holds `program`."""
        named = [found for found in self._marked() if program in " ".join(found.cmdline())]
        min(named, key=lambda found: len(found.children(recursive=True))).kill()

    def _marked(self) -> list[psutil.Process]:
        return [found for found in psutil.process_iter() if _mark_of(found) == self._mark]

    async def _line(self) -> str:
        assert self.process.stdout
        async with asyncio.timeout(BOUND):
            line = (await self.process.stdout.readline()).decode()
        self.lines.append(line)
        return line


def _mark_of(process: psutil.Process) -> str | None:
    with suppress(psutil.Error):
        if process.status() != psutil.STATUS_ZOMBIE:
            return process.environ().get(_MARK)
    return None


@asynccontextmanager
async def leadart(*arguments: str, env: Mapping[str, str] | None = None) -> AsyncIterator[Command]:
    """Run `leadart ARGUMENTS`, standard error among standard output."""
    mark = uuid4().hex
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "consumer", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {}), _MARK: mark},
        start_new_session=True,
    )
    command = Command(process, mark)
    try:
        yield command
    finally:
        command.kill()
        await command.end()
