"""Has the gateway use files as they are now: what is changed there counts seconds later."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

LOOK_SECONDS = 2.0

_State = tuple[tuple[int, ...], ...]


class WatchedFiles(Protocol):
    """Files that belong together, and what is done with them."""

    files: Sequence[Path]

    async def read(self) -> None:
        """Read them and use what they say; what cannot be used is logged and changes nothing."""


class FileWatch:
    """Has files read when they changed, as looked at every few seconds, and all of them when `reread` is set."""

    def __init__(self, watched: Sequence[WatchedFiles], reread: asyncio.Event, seconds: float = LOOK_SECONDS) -> None:
        self._watched = watched
        self._reread = reread
        self._seconds = seconds
        self._seen: dict[WatchedFiles, _State] = {}

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            for each in self._watched:
                await self._look(each)
            try:
                async with asyncio.timeout(self._seconds):
                    await self._reread.wait()
            except TimeoutError:
                continue
            self._reread.clear()
            self._seen.clear()

    async def _look(self, watched: WatchedFiles) -> None:
        state = await asyncio.to_thread(lambda: tuple(_state(file) for file in watched.files))
        if state != self._seen.get(watched):
            self._seen[watched] = state
            await watched.read()


def _state(file: Path) -> tuple[int, ...]:
    """Return what differs once a file was written or replaced; empty: there is none."""
    try:
        status = file.stat()
    except OSError:
        return ()
    return status.st_ino, status.st_mtime_ns, status.st_size
