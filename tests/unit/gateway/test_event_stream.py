"""`consumer.gateway.event_stream`: the HTTP side of a stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.types import Message
from structlog.testing import capture_logs

from consumer.gateway import event_stream
from consumer.gateway.event_stream import EventStream, opening, standing

BOUND = 30.0


async def test_a_client_that_takes_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """When a send does not come to an end, the stream does, and its source is closed."""
    monkeypatch.setattr(event_stream, "SEND_SECONDS", 0.01)
    closed = asyncio.Event()

    async def events() -> AsyncIterator[bytes]:
        try:
            while True:
                yield opening()
        finally:
            closed.set()

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    source = events()
    async with asyncio.timeout(BOUND):
        with capture_logs() as logs:
            await EventStream(source).stream_response(send)
        await source.aclose()  # type: ignore[attr-defined]
        await closed.wait()
    assert [log["event"] for log in logs] == ["slow_stream_cut"]


def test_where_a_stream_stands_is_no_event() -> None:
    """A block without data sets a browser's last event id, and is not shown to the page."""
    assert standing("r0-1") == b": \nid: r0-1\n\n"
    assert opening() == b"retry: 1000\n\n"
