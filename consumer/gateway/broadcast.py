"""Every change to everyone who listens: written once, and cut off where nobody reads."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from fastapi.sse import format_sse_event

from consumer.gateway.board.board import Change

WAITING = 512
"""Messages that wait for a listener; one with more is cut off, and goes on from its last event id."""


@dataclass(frozen=True, slots=True)
class Message:
    """A change as the bytes that every stream sends. Its id has every change before it included."""

    encoded: bytes
    article: str
    source: str
    image: str


class StreamListener:
    """One stream's queue of messages."""

    def __init__(self, wants: Callable[[Message], bool]) -> None:
        self.wants = wants
        self._waiting: asyncio.Queue[Message | None] = asyncio.Queue(WAITING + 1)

    def put(self, message: Message) -> None:
        """Add a message, or end the stream if too many wait."""
        if self._waiting.qsize() < WAITING:
            self._waiting.put_nowait(message)
        else:
            self.end()

    def end(self) -> None:
        """End the stream after what waits."""
        if not self._waiting.full():
            self._waiting.put_nowait(None)

    async def batches(self, silence: float) -> AsyncIterator[list[Message]]:
        """Return what waits, as soon as anything does; nothing after each `silence` seconds without any."""
        ended = False
        while not ended:
            waited: list[Message | None] = []
            try:
                async with asyncio.timeout(silence):
                    waited.append(await self._waiting.get())
            except TimeoutError:
                yield []
                continue
            while not self._waiting.empty():
                waited.append(self._waiting.get_nowait())
            ended = None in waited
            yield [message for message in waited if message is not None]


class Broadcast:
    """All listeners."""

    def __init__(self) -> None:
        self._listeners: set[StreamListener] = set()

    @contextmanager
    def listen(self, wants: Callable[[Message], bool]) -> Iterator[StreamListener]:
        """Listen to the messages that `wants` returns true for."""
        listener = StreamListener(wants)
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    def send(self, change: Change, position: str) -> None:
        """Send a change to everyone who wants it."""
        if not self._listeners:
            return
        message = message_of(change, None if change.kind == "progress" else position)
        for listener in self._listeners:
            if listener.wants(message):
                listener.put(message)

    def end(self) -> None:
        """End all streams: the gateway stops."""
        for listener in self._listeners:
            listener.end()

    @property
    def listeners(self) -> int:
        """How many listen."""
        return len(self._listeners)


def message_of(change: Change, position: str | None) -> Message:
    """Return a change as a message. Only with a `position` may a client go on after it."""
    data = json.dumps(change.image.summary(change.slot), ensure_ascii=False, separators=(",", ":"))
    encoded = format_sse_event(data_str=data, event=change.kind, id=position)
    return Message(encoded, change.article.id, change.article.source, change.image.id)
