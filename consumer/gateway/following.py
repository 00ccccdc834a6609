"""What a stream sends: what was missed since a position, then every change as it comes."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from itertools import islice

from fastapi.sse import format_sse_event

from consumer.gateway.access.principal import Principal
from consumer.gateway.board.article import BoardArticle
from consumer.gateway.board.board import Board, Change
from consumer.gateway.board.image import BoardImage
from consumer.gateway.board.position import StreamPosition
from consumer.gateway.broadcast import Broadcast, Message, StreamListener, message_of
from consumer.gateway.event_stream import opening, standing
from schemas import names

SILENCE_SECONDS = 15.0
"""After so long without an event a comment is sent: proxies cut silent connections, and dead ones are noticed."""
CHECK_SECONDS = 60.0
"""How often it is asked whether the caller still gets in: a revoked key's streams end."""
CAUGHT_UP_SECONDS = 2.0
"""How long a client that is ahead of this gateway waits for it: another gateway was a moment faster."""
LOOK_SECONDS = 0.05
PIECE_BYTES = 65_536
"""Messages that are sent at once have about as much: so much waits in memory for each client that does not read."""
MOST_MISSED = 1_000
"""Changes that are told after the fact; a client that missed more loads the articles anew."""

IsAllowed = Callable[[], Awaitable[bool]]


class Follower:
    """Makes the streams of one caller. They end when the gateway stops and when the caller no longer gets in."""

    def __init__(self, board: Board, broadcast: Broadcast, principal: Principal, is_allowed: IsAllowed) -> None:
        self._board = board
        self._broadcast = broadcast
        self._principal = principal
        self._is_allowed = is_allowed

    async def articles(self, after: StreamPosition | None) -> AsyncIterator[bytes]:
        """Return each change of the caller's articles since a position; from now on if there is none.

        Without all changes since then, a `reset` comes first: what the client knows is to be loaded anew.
        """
        knows = await self._knows_since(after)
        with self._broadcast.listen(lambda message: self._principal.owns(message.source, message.article)) as listener:
            now = self._board.position.encode()
            missed = self._since(after, now) if knows else iter([reset(now)])
            yield opening()
            for piece in missed:
                yield piece
                await asyncio.sleep(0)
            yield standing(now)
            async for messages in self._messages(listener):
                for piece in pieces(messages) if messages else [standing(self._board.position.encode())]:
                    yield piece

    async def image(self, image: BoardImage, article: BoardArticle) -> AsyncIterator[bytes]:
        """Return the state of a request now, then each change, until its last outcome."""

        def wants(message: Message) -> bool:
            is_own = message.image == image.id or image.event_type == names.IMAGE_APPROVED
            return is_own and message.article == article.id

        with self._broadcast.listen(wants) as listener:
            now, is_over = self._board.position.encode(), image.is_final
            yield opening() + message_of(Change("image", article, image), now).encoded
            if is_over:
                return
            async for messages in self._messages(listener):
                is_over = image.is_final  # before the next wait: what makes it final is among these messages
                now = self._board.position.encode()
                own = b"".join(message.encoded for message in messages if message.image == image.id)
                if is_over and not own:  # an approval, by the outcome of what it approved
                    own = message_of(Change("image", article, image), now).encoded
                yield own or standing(now)
                if is_over:
                    return

    async def _messages(self, listener: StreamListener) -> AsyncIterator[list[Message]]:
        clock = asyncio.get_running_loop().time
        checked = clock()
        async for messages in listener.batches(SILENCE_SECONDS):
            yield messages
            if clock() - checked >= CHECK_SECONDS:
                if not await self._is_allowed():
                    return
                checked = clock()

    async def _knows_since(self, position: StreamPosition | None) -> bool:
        """Return whether no change since the position is missing here. Waits a moment if this gateway is behind it."""
        if position is None:
            return True
        if position.is_before(self._board.begins):
            return False
        clock = asyncio.get_running_loop().time
        until = clock() + CAUGHT_UP_SECONDS
        while self._board.position.is_before(position):
            if clock() > until:
                return False
            await asyncio.sleep(LOOK_SECONDS)
        return True

    def _since(self, position: StreamPosition | None, now: str) -> Iterator[bytes]:
        missed = [*islice(self._missed(position), MOST_MISSED + 1)]
        return pieces(missed) if len(missed) <= MOST_MISSED else iter([reset(now)])

    def _missed(self, position: StreamPosition | None) -> Iterator[Message]:
        """Return what changed since the position, by the time of the last change; without ids until all is sent."""
        if position is None:
            return
        seen = [article for article in self._board.articles() if self._principal.sees(article)]
        images = [(image.changed_ms, image, article) for article in seen for image in article.images.values()]
        news = [(at, image, article) for at, image, article in images if image.is_newer_than(position)]
        for _, image, article in sorted(news, key=lambda each: each[0]):
            for slot in image.slots_since(position):
                yield message_of(Change("image", article, image, slot), None)


def reset(position: str) -> bytes:
    """Return the event that says: changes are missing, load everything anew and go on after this position."""
    return format_sse_event(data_str=json.dumps({"position": position}), event="reset", id=position)


def pieces(messages: Iterable[Message]) -> Iterator[bytes]:
    """Return messages as bytes, many at once."""
    piece = bytearray()
    for message in messages:
        piece += message.encoded
        if len(piece) >= PIECE_BYTES:
            yield bytes(piece)
            piece.clear()
    if piece:
        yield bytes(piece)
