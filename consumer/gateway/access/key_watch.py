"""Has the gateway use the key file as it is now: a key that is revoked there is refused seconds later."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import structlog

from consumer.errors import Fatal
from consumer.gateway.access.key_file import KeyFile, read_keys

log = structlog.get_logger(__name__)

LOOK_SECONDS = 2.0


class KeyWatch:
    """Reads the file when it changed, as looked at every few seconds, or when `reread` is set.

    A file that is invalid changes nothing; one that is gone leaves no keys.
    """

    def __init__(
        self,
        file: Path | None,
        use: Callable[[KeyFile], None],
        reread: asyncio.Event,
        seconds: float = LOOK_SECONDS,
    ) -> None:
        self._file = file
        self._use = use
        self._reread = reread
        self._seconds = seconds
        self._seen: tuple[int, ...] | None = None

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            await self._look()
            try:
                async with asyncio.timeout(self._seconds):
                    await self._reread.wait()
            except TimeoutError:
                continue
            self._reread.clear()
            self._seen = None

    async def _look(self) -> None:
        state = await asyncio.to_thread(_state, self._file)
        if state == self._seen:
            return
        self._seen = state
        try:
            keys = await asyncio.to_thread(read_keys, self._file)
        except Fatal as error:
            log.warning("gateway_keys_invalid", error=error.message, remedy="mend the file: the earlier keys are used")
            return
        self._use(keys)
        log.info("gateway_keys_read", keys=len(keys.keys))


def _state(file: Path | None) -> tuple[int, ...]:
    """Return what differs once a file was written or replaced; empty: there is none."""
    try:
        status = file.stat() if file else None
    except OSError:
        return ()
    return (status.st_ino, status.st_mtime_ns, status.st_size) if status else ()
