"""A load balancer that forgets idle connections and tells nobody: from then on bytes go nowhere."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Self


class ForgetfulProxy:
    """Listens on a loopback port and passes everything to another; `forget` when the caller wants."""

    def __init__(self, listen: int, upstream: int) -> None:
        self._listen = listen
        self._upstream = upstream
        self._heard: dict[asyncio.Task[None], float] = {}
        self._forgotten: set[asyncio.Task[None]] = set()

    def idle(self, seconds: float) -> int:
        """Return how many connections carried nothing for so long."""
        now = time.monotonic()
        return sum(now - heard > seconds for heard in self._heard.values())

    def forget(self, seconds: float) -> None:
        """Forget the connections that carried nothing for so long."""
        now = time.monotonic()
        self._forgotten |= {task for task, heard in self._heard.items() if now - heard > seconds}

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._listen)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._server.close()
        tasks = list(self._heard)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._heard[task] = time.monotonic()
        there, back = await asyncio.open_connection("127.0.0.1", self._upstream)
        with suppress(OSError, asyncio.CancelledError):
            await asyncio.gather(self._pass_on(task, reader, back), self._pass_on(task, there, writer))
        for end in (back, writer):
            end.close()
            with suppress(OSError):
                await end.wait_closed()
        del self._heard[task]

    async def _pass_on(
        self, task: asyncio.Task[None], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(65_536):
            if task not in self._forgotten:
                self._heard[task] = time.monotonic()
                writer.write(data)
                await writer.drain()
        if task not in self._forgotten:
            writer.close()
