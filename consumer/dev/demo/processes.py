"""Server processes as asyncio contexts, and leadart's own commands as some of them."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from consumer.dev.embedded import Server
from consumer.dev.embedded.server import answers_ok

_START_SECONDS = 60.0
_TICK_SECONDS = 0.05


@asynccontextmanager
async def running(
    server: Server, end: Callable[[], None], within_seconds: float = _START_SECONDS
) -> AsyncIterator[None]:
    """Start a server and wait until it answers, then as `starting`. Raises `Fatal` when it does not start."""
    async with starting(server, end, within_seconds) as started:
        await asyncio.shield(started)
        yield


@asynccontextmanager
async def starting(
    server: Server, end: Callable[[], None], within_seconds: float = _START_SECONDS
) -> AsyncIterator[asyncio.Future[None]]:
    """Start a server in a thread and `end` it in another on leaving. The future is done once the server answers.

    The future raises `Fatal` when the server does not start; shield it. A server that is still starting on leaving is
    killed, and gone by the time a cancellation arrives.
    """
    started = asyncio.ensure_future(asyncio.to_thread(server.start, within_seconds))
    try:
        yield started
    finally:
        while not started.done():
            _end_now(server)
            await asyncio.wait([started], timeout=_TICK_SECONDS)
        started.exception()  # retrieved: whoever waited has raised it
        await to_the_end(asyncio.to_thread(end))


async def to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Await work that must not be interrupted: a cancellation arrives once it has ended."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


def _end_now(server: Server) -> None:
    with suppress(ValueError, ProcessLookupError):  # not there yet, or gone already
        if pid := server.pid:
            os.kill(pid, signal.SIGKILL)


class LeadartProcess(Server):
    """A leadart command as a child process that ends with this one. Its log, JSON, is `<name>.log` in `folder`.

    It answers at the address that its first event named `<name>_ready` says.
    """

    def __init__(self, folder: Path, name: str, environment: Mapping[str, str], options: Sequence[str] = ()) -> None:
        super().__init__(folder, name)
        self.cwd = Path.cwd()  # relative paths in the user's own settings
        self._options = options
        self._environment = {**environment, "LEADART_LOG__FORMAT": "json"}

    @property
    def address(self) -> str | None:
        """Where it answers, such as `http://127.0.0.1:9464`; None until it is logged."""
        for line in self._log_since_start().splitlines():
            event = _event(line)
            if event.get("event") == f"{self.name}_ready":
                return f"http://{event['host']}:{event['port']}"
        return None

    @property
    def port(self) -> str:
        """The port of that address. Raises ValueError while it is unknown."""
        if not self.address:
            raise ValueError(f"the {self.name} does not listen yet")
        return self.address.rpartition(":")[2]

    def _command(self) -> tuple[list[str], dict[str, str]]:
        # -P: a consumer.py in the working folder is not ours.
        return [sys.executable, "-P", "-m", "consumer", self.name, *self._options], self._environment

    def _answers(self) -> bool:
        address = self.address
        return address is not None and answers_ok(address.removeprefix("http://"), "/readyz")


class WorkerProcess(LeadartProcess):
    """`leadart worker`, its engine included.

    With `join_when` it loads its model at once, but connects to Kafka only when that file exists.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str], join_when: Path | None = None) -> None:
        super().__init__(folder, "worker", environment, ["--join-when", str(join_when)] if join_when else [])


def _event(line: str) -> dict[str, Any]:
    """Return a log line as an event, an empty one for a line that is not JSON."""
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}
