"""Cuts off clients that are slow, that send too much before they ask anything, or that are too many."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from consumer.gateway.problems import Problem


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Most connections at a time, and how long each may take over what: seconds, and bytes."""

    connections: int
    header_seconds: float = 10.0
    header_bytes: int = 16_384
    body_seconds: float = 20.0
    idle_seconds: float = 75.0
    unread_seconds: float = 30.0
    discarded_bytes: int = 1_048_576


class GuardedProtocol(HttpToolsProtocol):
    """A connection with a deadline at each moment, except while its request is answered and the client reads on.

    A request's first byte is awaited for `idle_seconds`, the rest of its headers for `header_seconds`, its body for
    `body_seconds`; a client that leaves what is sent to it unread for `unread_seconds` is cut off. A body that was
    answered before it ended is thrown away, up to `discarded_bytes`.
    """

    def __init__(self, limits: ConnectionLimits, **options: Any) -> None:
        super().__init__(**options)
        self.limits = limits
        self.opened = self.loop.time()
        self.is_waiting = True
        self._refused = False
        self._in_body = False
        self._received = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Admit the connection, if need be in the place of the one that has asked nothing for longest."""
        others = cast("Iterable[GuardedProtocol]", self.connections)
        if len(self.connections) >= self.limits.connections:
            waiting = [other for other in others if other.is_waiting]
            if not waiting:
                self.transport = transport
                self._refuse(Problem(503, "too_many_connections", "The gateway has no room for more connections."))
                return
            min(waiting, key=lambda other: other.opened).cut()
        super().connection_made(transport)
        self._within(self.limits.header_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadlines."""
        self._within(None)
        self._expect_reading(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what comes before a request is understood, and what nobody waits for any more."""
        if self._refused:
            return
        if self.is_waiting and not self._received:
            self._within(self.limits.header_seconds)
        self._received += len(data)
        super().data_received(data)
        if self.is_waiting and self._received > self.limits.header_bytes:
            self._refuse(self._headers_too_large())
        elif self._is_discarding and self._received > self.limits.discarded_bytes:
            self.cut()

    def on_headers_complete(self) -> None:
        """Expect the body."""
        self.is_waiting, self._in_body, self._received = False, True, 0
        self._within(self.limits.body_seconds)
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > self.limits.header_bytes:
            self._refuse(self._headers_too_large())
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Have the client wait as long as the answer takes."""
        if self._refused:
            return
        super().on_message_complete()
        self._in_body = False
        self._within(None)
        if self.cycle.response_complete:
            self._await_request()

    def on_response_complete(self) -> None:
        """Expect the next request, unless it has come or the body of this one still comes."""
        more = bool(self.pipeline)
        super().on_response_complete()
        if not more and not self._in_body:
            self._await_request()

    def pause_writing(self) -> None:
        """Expect the client to read."""
        super().pause_writing()
        self._expect_reading(self.limits.unread_seconds)

    def resume_writing(self) -> None:
        """Go on: the client has read."""
        super().resume_writing()
        self._expect_reading(None)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        self._refuse(Problem(400, "bad_request", msg))

    def cut(self) -> None:
        """End the connection at once."""
        if self.transport is not None:
            self.transport.abort()

    @property
    def _is_discarding(self) -> bool:
        return self._in_body and self.cycle is not None and self.cycle.response_complete

    def _headers_too_large(self) -> Problem:
        return Problem(431, "too_large", f"The address and the headers may have {self.limits.header_bytes} bytes.")

    def _await_request(self) -> None:
        self.is_waiting, self._received, self.opened = True, 0, self.loop.time()
        self._within(self.limits.idle_seconds)

    def _within(self, seconds: float | None) -> None:
        """Cut the connection off after so long, instead of when that was to happen before."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None if seconds is None else self.loop.call_later(seconds, self.cut)

    def _expect_reading(self, seconds: float | None) -> None:
        if self._unread is not None:
            self._unread.cancel()
        self._unread = None if seconds is None else self.loop.call_later(seconds, self.cut)

    def _refuse(self, problem: Problem) -> None:
        """Answer without asking the application, and close."""
        self._refused = True
        response = problem.response()
        head = [f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}".encode()]
        head += [name + b": " + value for name, value in (*response.raw_headers, (b"connection", b"close"))]
        self.transport.write(b"\r\n".join(head) + b"\r\n\r\n" + bytes(response.body))
        self.transport.close()


def guarded(limits: ConnectionLimits) -> type[asyncio.Protocol]:
    """Return the protocol for uvicorn."""
    return cast("type[asyncio.Protocol]", partial(GuardedProtocol, limits))
