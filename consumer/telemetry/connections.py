"""Bounds what strangers can do with connections to the pages: how many there are, and how long each lasts."""

import asyncio
from collections.abc import Callable
from typing import cast

MAX_CONNECTIONS = 64
"""Most connections at a time, far below any limit on open files."""

CONNECTION_SECONDS = 10.0
"""Longest life of a connection, which serves one request: a scrape takes milliseconds."""


class ConnectionLimit:
    """Closes the oldest connection for a new one beyond `most`, and each after `seconds`, whatever it is doing.

    So a client that never finishes its headers, never sends any, or never reads its answer is gone soon, and as many of
    them as there may be do not keep a health check out.
    """

    def __init__(self, most: int = MAX_CONNECTIONS, seconds: float = CONNECTION_SECONDS) -> None:
        self._most = most
        self._seconds = seconds
        self._open: list[asyncio.Transport] = []

    def guard(self, factory: Callable[[], asyncio.Protocol]) -> Callable[[], asyncio.Protocol]:
        """Return a protocol factory for a server: the same protocol, behind this limit."""
        return lambda: _Admission(self, factory())

    def admit(self, transport: asyncio.Transport) -> None:
        """Count a new connection."""
        self._open = [other for other in self._open if not other.is_closing()]
        if len(self._open) >= self._most:
            self._open.pop(0).abort()
        self._open.append(transport)
        asyncio.get_running_loop().call_later(self._seconds, transport.abort)


class _Admission(asyncio.Protocol):
    """Stands in for the protocol until the connection is made."""

    def __init__(self, limit: ConnectionLimit, protocol: asyncio.Protocol) -> None:
        self._limit = limit
        self._protocol = protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._limit.admit(cast("asyncio.Transport", transport))
        cast("asyncio.Transport", transport).set_protocol(self._protocol)
        self._protocol.connection_made(transport)
