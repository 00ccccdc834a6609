"""Connections that last: kept alive, doubted after a pause, and replaced before a SASL session ends.

aiokafka 0.14 does none of it. A broker with `connections.max.reauth.ms`, or a token that expires, closes a connection
at the first request after its session has ended: whatever that request was for fails.
"""

import asyncio
import socket
import time
import weakref
from collections.abc import Awaitable
from typing import Any

import aiokafka.conn
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.protocol.admin import ApiVersionRequest, SaslAuthenticateRequest
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.protocol.transaction import (
    AddOffsetsToTxnRequest,
    AddPartitionsToTxnRequest,
    EndTxnRequest,
    TxnOffsetCommitRequest,
)

IDLE_SECONDS = 20.0
"""A connection that is idle for this long is closed by us, before anything on the way forgets it.

What forgets them tells nobody, and the next request is answered by silence: Azure's load balancers after 240 s, AWS's
after 350 s, some proxies after 30 s. Opening one takes milliseconds.
"""

DOUBTED_SECONDS = 3.0
"""After so long without an answer, a connection may be forgotten already."""

ANSWER_SECONDS = 0.5
"""What its next request may take then. A connection that is still silent is closed, and the request is repeated on a
new one, where a slow broker has all the time it needs: a save costs a second, not a transaction's whole time limit.
"""

_REPEATED = (
    AddOffsetsToTxnRequest,
    AddPartitionsToTxnRequest,
    EndTxnRequest,
    ProduceRequest,
    TxnOffsetCommitRequest,
)
"""Requests that aiokafka repeats when their connection closes, and that brokers answer at once."""

SESSION_SHARE = 0.85
"""Share of a SASL session after which a connection gets no further request."""

_PROBES = {"TCP_KEEPIDLE": 20, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
"""Seconds until the first probe and between probes, and how many: a peer that vanished is noticed after 35 s."""

_DRAIN_POLL_SECONDS = 0.05


class LastingConnection(AIOKafkaConnection):  # type: ignore[misc]  # aiokafka's base class is untyped
    """A connection with TCP keep-alive that counts as closed near the end of its SASL session.

    The client then opens another one; this one closes when its last answer is there.
    """

    _retired = False

    async def connect(self) -> Any:
        """Connect and authenticate."""
        streams = await super().connect()
        keep_alive(self._writer.get_extra_info("socket"))
        return streams

    async def _do_version_lookup(self) -> None:
        # Some brokers state a range that ends before it begins for an API that they lack; aiokafka asserts none does.
        answer = await self.send(ApiVersionRequest())
        self._versions = {api: (first, last) for api, first, last in answer.api_versions if first <= last}

    def connected(self) -> bool:
        """Return whether requests may be sent."""
        return not self._retired and bool(super().connected())

    def send(self, request: Any, expect_response: bool = True) -> Any:  # noqa: FBT001, FBT002 - aiokafka's signature
        """Send a request, and learn from the answer to an authentication how long the session lasts."""
        heard, forgotten = self._last_action, time.monotonic() - self._last_action > DOUBTED_SECONDS
        answer = super().send(request, expect_response)
        if forgotten and isinstance(request, _REPEATED):
            asyncio.get_running_loop().call_later(ANSWER_SECONDS, _close_if_silent, weakref.ref(self), heard)
        return self._learn(answer) if isinstance(request, SaslAuthenticateRequest) else answer

    async def _learn(self, answer: Awaitable[Any]) -> Any:
        response = await answer
        if seconds := SESSION_SHARE * getattr(response, "session_lifetime_ms", 0) / 1000:
            asyncio.get_running_loop().call_later(seconds, _retire, weakref.ref(self))
        return response

    def silent(self, since: float) -> bool:
        """Return whether requests wait, and nothing was heard since that time of the monotonic clock."""
        return bool(self._requests) and self._last_action == since

    def retire(self) -> None:
        """Take no more requests, and close once those under way are answered."""
        self._retired = True
        self._drain(asyncio.get_running_loop().time() + self._request_timeout)

    def _drain(self, until: float) -> None:
        loop = asyncio.get_running_loop()
        if self._requests and loop.time() < until:
            loop.call_later(_DRAIN_POLL_SECONDS, self._drain, until)
        else:
            self.close(CloseReason.IDLE_DROP)


def keep_alive(connection: socket.socket) -> None:
    """Have the system probe a connection that is idle, as far as it can."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _PROBES.items():
        if hasattr(socket, option):  # macOS lacks one of them
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def _close_if_silent(reference: weakref.ref[LastingConnection], since: float) -> None:
    connection = reference()
    if connection is not None and connection.silent(since):
        connection.close(CloseReason.CONNECTION_TIMEOUT)


def _retire(reference: weakref.ref[LastingConnection]) -> None:
    connection = reference()
    if connection is not None:
        connection.retire()


aiokafka.conn.AIOKafkaConnection = LastingConnection
