"""The HTTP side of a stream of server-sent events."""

import asyncio
from collections.abc import AsyncIterator

import structlog
from fastapi.responses import StreamingResponse
from fastapi.sse import format_sse_event
from starlette.types import Message, Send

log = structlog.get_logger(__name__)

AGAIN_MS = 1000
"""How long a client waits before it connects again."""
SEND_SECONDS = 20.0
"""A client that takes nothing for so long is cut off."""


class EventStream(StreamingResponse):
    """A stream of encoded events. Intermediaries are asked not to buffer, to change or to keep it."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncIterator[bytes]) -> None:
        """Send these events, each as it comes."""
        super().__init__(events, headers={"cache-control": "no-cache, no-transform", "x-accel-buffering": "no"})

    async def stream_response(self, send: Send) -> None:
        """Send everything, or give up on a client that does not read."""

        async def bounded(message: Message) -> None:
            async with asyncio.timeout(SEND_SECONDS):
                await send(message)

        try:
            await super().stream_response(bounded)
        except TimeoutError:
            log.info("slow_stream_cut", seconds=SEND_SECONDS)


def opening() -> bytes:
    """Return what every stream begins with: how long to wait before connecting again."""
    return format_sse_event(retry=AGAIN_MS)


def standing(position: str) -> bytes:
    """Return an event without data: from here on nothing is missed. It also keeps a silent connection open."""
    return format_sse_event(comment="", id=position)
