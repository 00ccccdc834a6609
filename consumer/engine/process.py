"""One engine process as its parent sees it: start, messages, end."""

import asyncio
import os
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple, cast

from consumer.engine.protocol import EngineRequest, Frames, Reply, frame

_GRACE_SECONDS = 1.0
_TICKS = 10
_LINE_BYTES = 4096
_KEPT_LINES = 5
_MAX_UNREAD_BYTES = 64 * 1024**2
_PIPE_BYTES = 65_536
_KERNEL_COUNTERS = Path("/proc/vmstat")


class ProcessEnd(NamedTuple):
    """How a process ended, in words, and whether the kernel ended it for lack of memory."""

    how: str
    out_of_memory: bool = False


class Child(asyncio.SubprocessProtocol):
    """A running engine process: requests go in, replies come out, its stderr is copied to ours.

    `pictures` is its number of the pipe that its pictures come out of.
    """

    def __init__(self, pictures: int) -> None:
        self.pictures = pictures
        self._pictures = PicturePipe(self._received)
        self._frames: Frames[Reply] = Frames()
        self._replies: asyncio.Queue[Reply | None] = asyncio.Queue()
        self._ended = asyncio.Event()
        self._transport: asyncio.SubprocessTransport
        self._stderr = bytearray()
        self._last_lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._active = False
        self._killed_for = ""
        self._oom_kills = deque((_oom_kills(),), maxlen=2)  # of the last two ticks

    @property
    def pid(self) -> int:
        """The process id."""
        return self._transport.get_pid()

    def send(self, request: EngineRequest) -> None:
        """Send a request. Never waits: requests are few and small, and a dead child's pictures go to another.

        A child reads at once, whatever it is doing. One that leaves 64 MiB unread, many times what the widest window
        holds, is frozen and is killed.
        """
        stdin = cast("asyncio.WriteTransport", self._transport.get_pipe_transport(0))
        if stdin.is_closing():
            return
        stdin.write(frame(request))
        if stdin.get_write_buffer_size() > _MAX_UNREAD_BYTES:
            stdin.abort()
            self.kill("no longer reading")

    async def reply(self) -> Reply | None:
        """Return the child's next reply, None once there will be no more."""
        return await self._replies.get()

    async def wait_for_silence(self, seconds: float) -> None:
        """Return when the child has sent nothing for about `seconds`.

        Counted in ticks of our own loop, so that a freeze of this process is not blamed on the child.
        """
        silent = 0
        while silent < _TICKS:
            self._active = False
            await asyncio.sleep(seconds / _TICKS)
            self._oom_kills.append(_oom_kills())
            silent = 0 if self._active else silent + 1

    def kill(self, why: str) -> None:
        """Kill the process, whatever it is doing; `how_it_ended` will say why."""
        if self._transport.get_returncode() is None:
            self._killed_for = self._killed_for or why
            self._transport.kill()

    @property
    def how_it_ended(self) -> ProcessEnd:
        """How the process ended, with the last lines of its stderr.

        Distinguishes: killed by us (and why), by the kernel for lack of memory, by another signal, or ended by itself.
        """
        code = self._transport.get_returncode()
        out_of_memory = False
        if code is None:
            how = "does not end"
        elif self._killed_for:
            how = f"{self._killed_for}, so killed"
        elif code >= 0:
            how = f"exit status {code}"
        else:
            how = f"killed by {signal.Signals(-code).name}"
            out_of_memory = code == -signal.SIGKILL and _oom_kills() > self._oom_kills[0]
            if out_of_memory:
                how += ", and the kernel has killed a process for lack of memory meanwhile"
        return ProcessEnd(": ".join((how, " / ".join(self._last_lines))) if self._last_lines else how, out_of_memory)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Part of asyncio's protocol, like the three below."""
        self._transport = cast("asyncio.SubprocessTransport", transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:  # noqa: D102 - see connection_made
        if fd == 1:
            self._received(self._frames, data)
        else:
            self._forward(data)

    def _received(self, frames: Frames[Reply], data: bytes) -> None:
        self._active = True  # output on stderr does not count as progress
        try:
            for reply in frames.feed(data):
                self._replies.put_nowait(reply)
        except Exception as error:  # noqa: BLE001 - garbage on the pipe may raise anything
            self._last_lines.append(f"not our protocol: {error!r}")
            self.kill("garbled")

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:  # noqa: ARG002, D102 - asyncio's signature
        if fd == 1:
            self._pictures.drain()
            self._replies.put_nowait(None)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002, D102 - asyncio's signature
        self._pictures.drain()
        self._replies.put_nowait(None)
        self._ended.set()

    async def read_pictures(self, pipe: int) -> None:
        """Read pictures from our end of their pipe, which is closed when the process has ended."""
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: self._pictures, os.fdopen(pipe, "rb", buffering=0))

    async def end(self) -> None:
        """End the process: close its stdin, after a second send SIGKILL. Takes two seconds at most."""
        stdin = self._transport.get_pipe_transport(0)
        if stdin is not None:
            stdin.close()
        ended = await self._has_ended()
        if not ended:
            self.kill("not ending by itself")
        self._transport.close()
        self._pictures.close()
        if not ended:
            await self._has_ended()

    async def _has_ended(self) -> bool:
        try:
            async with asyncio.timeout(_GRACE_SECONDS):
                await self._ended.wait()
        except TimeoutError:
            return False
        return True

    def _forward(self, data: bytes) -> None:
        self._stderr += data
        *lines, rest = bytes(self._stderr).split(b"\n")
        if len(rest) > _LINE_BYTES:
            lines, rest = [*lines, rest], b""
        self._stderr = bytearray(rest)
        for line in lines:
            text = line[:_LINE_BYTES].decode(errors="replace").rstrip()
            self._last_lines.append(text)
            print(f"engine: {text}", file=sys.stderr)  # noqa: T201 - the child's stderr is copied to ours


class PicturePipe(asyncio.Protocol):
    """Our end of a process's pipe for pictures. What the process wrote before it died is read with `drain`."""

    def __init__(self, received: Callable[[Frames[Reply], bytes], None]) -> None:
        self._received = received
        self._frames: Frames[Reply] = Frames()
        self._transport: asyncio.ReadTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Part of asyncio's protocol, like the one below."""
        self._transport = cast("asyncio.ReadTransport", transport)

    def data_received(self, data: bytes) -> None:  # noqa: D102 - see connection_made
        self._received(self._frames, data)

    def drain(self) -> None:
        """Read what is in the pipe, without waiting: less than a pipe holds."""
        if self._transport is None or self._transport.is_closing():
            return
        pipe = self._transport.get_extra_info("pipe").fileno()
        with suppress(BlockingIOError):
            while data := os.read(pipe, _PIPE_BYTES):
                self.data_received(data)

    def close(self) -> None:
        """Read no more."""
        if self._transport is not None:
            self._transport.close()


@asynccontextmanager
async def open_child(command: Sequence[str], environment: Mapping[str, str]) -> AsyncIterator[Child]:
    """Start the command as an engine process and end it on leaving. Raises OSError if it cannot be started."""
    loop = asyncio.get_running_loop()
    ours, theirs = os.pipe()
    try:
        _, child = await loop.subprocess_exec(lambda: Child(theirs), *command, env=environment, pass_fds=(theirs,))
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    try:
        await child.read_pictures(ours)
        yield child
    finally:
        await child.end()


def _oom_kills() -> int:
    """Return how many processes the kernel has killed for lack of memory; 0 where that is not reported."""
    try:
        counters = _KERNEL_COUNTERS.read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in counters if line.startswith("oom_kill "))
