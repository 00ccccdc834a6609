"""What was seen of the store, kept fresh: a process that was frozen meanwhile must not act on what it saw before."""

import asyncio
import time
from collections.abc import Awaitable, Callable

_FRESH_SECONDS = (2.0, 4.0, 8.0, 16.0)
"""How old a look may be; each longer for a store so slow that the look itself takes as long."""


class Fresh:
    """A look at the store that is repeated before every step that relies on it, unless it is at most 2 s old."""

    def __init__(self, look: Callable[[], Awaitable[None]], clock: Callable[[], float] = time.monotonic) -> None:
        self._look = look
        self._clock = clock
        self._seen = float("-inf")
        self._looking = asyncio.Lock()

    async def ensure(self) -> None:
        """Look again if the last look is too old. Raises what the look raises."""
        async with self._looking:
            for allowed in _FRESH_SECONDS:
                begun = self._clock()
                if begun - self._seen <= allowed:
                    return
                await self._look()
                self._seen = begun
