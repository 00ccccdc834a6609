"""The key file as it is now: a key that is revoked there is refused seconds later."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from consumer.errors import Fatal
from consumer.gateway.access.key_file import KeyFile, read_keys

log = structlog.get_logger(__name__)


class WatchedKeys:
    """The file and who uses its keys. One that is invalid changes nothing; one that is gone leaves no keys."""

    def __init__(self, file: Path | None, use: Callable[[KeyFile], None]) -> None:
        self.files: Sequence[Path] = () if file is None else (file,)
        self._file = file
        self._use = use

    async def read(self) -> None:
        """Use the keys that are there."""
        try:
            keys = await asyncio.to_thread(read_keys, self._file)
        except Fatal as error:
            log.warning(
                "gateway_keys_invalid",
                error=error.message,
                remedy="correct the file: until then the earlier keys are used",
            )
            return
        self._use(keys)
        log.info("gateway_keys_read", keys=len(keys.keys))
