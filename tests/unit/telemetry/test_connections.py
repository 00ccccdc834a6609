from __future__ import annotations

import asyncio

from consumer.telemetry.connections import MAX_CONNECTIONS, ConnectionLimit


class Transport(asyncio.Transport):
    """A connection that remembers whether it was aborted."""

    aborted = False

    def abort(self) -> None:
        self.aborted = True

    def is_closing(self) -> bool:
        return self.aborted


async def test_beyond_the_limit_the_oldest_goes() -> None:
    """As many as there may be stay, the newest ones."""
    limit, transports = ConnectionLimit(), [Transport() for _ in range(MAX_CONNECTIONS + 3)]
    for transport in transports:
        limit.admit(transport)
    assert [transport.aborted for transport in transports] == [True] * 3 + [False] * MAX_CONNECTIONS


async def test_a_connection_that_has_ended_counts_no_more() -> None:
    """Room made by clients that left goes to new ones."""
    limit, first, second, third = ConnectionLimit(2), Transport(), Transport(), Transport()
    limit.admit(first)
    limit.admit(second)
    second.abort()
    limit.admit(third)
    assert not first.aborted
