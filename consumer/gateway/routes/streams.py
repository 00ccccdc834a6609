"""Server-sent events: what changes, from the last event id on without a gap."""

from collections.abc import AsyncIterator, Callable
from typing import Annotated

from fastapi import APIRouter, Header
from fastapi.sse import EventSourceResponse, ServerSentEvent

from consumer.gateway.access.callers import Reader
from consumer.gateway.board.board import Change
from consumer.gateway.board.image import BoardImage
from consumer.gateway.board.position import StreamPosition, parse_position
from consumer.gateway.broadcast import Message, message_of
from consumer.gateway.problems import Problem
from consumer.gateway.routes.images import Opened, find_image
from consumer.gateway.services import Gateway

routes = APIRouter(prefix="/v1", tags=["events"])

SILENCE_SECONDS = 15.0
"""After so long without an event a comment is sent: proxies cut silent connections, and dead ones are noticed."""
AGAIN_MS = 1000

LastEventId = Annotated[str | None, Header(alias="Last-Event-ID", description="Go on after this event.")]


@routes.get("/images/{image_id}/events", response_class=EventSourceResponse)
async def image_events(
    gateway: Opened, principal: Reader, image_id: str, last_event_id: LastEventId = None
) -> AsyncIterator[ServerSentEvent]:
    """Return the state of a request now, then each change, until its last outcome."""
    image = await find_image(gateway, principal, image_id)
    position = _position(last_event_id) or StreamPosition()
    async for message in _follow(gateway, position, [image], lambda message: message.image == image_id):
        yield _sent(message)
        if image.is_final and message is not None and message.event == "image":
            return


@routes.get("/events", response_class=EventSourceResponse)
async def all_events(
    gateway: Opened, principal: Reader, last_event_id: LastEventId = None
) -> AsyncIterator[ServerSentEvent]:
    """Return each change of the caller's articles from now on, or from the last event id on."""
    position = _position(last_event_id)
    images = [
        image for article in gateway.board.articles() if principal.sees(article) for image in article.images.values()
    ]
    missed = images if position else []

    def wants(message: Message) -> bool:
        return principal.owns(message.source, message.article)

    async for message in _follow(gateway, position or gateway.board.position, missed, wants):
        yield _sent(message)


async def _follow(
    gateway: Gateway, position: StreamPosition, images: list[BoardImage], wants: Callable[[Message], bool]
) -> AsyncIterator[Message | None]:
    """Return what of these images is newer than the position, then what comes; None after a silence.

    Only the last of the first part has an id: who is cut off before it gets all of it again.
    """
    with gateway.broadcast.listen(wants) as listener:
        newer = sorted((image for image in images if image.is_newer_than(position)), key=lambda image: image.changed_ms)
        now = gateway.board.position.encode()
        for image in newer:
            article = gateway.board.article(image.article)
            if article is not None:
                yield message_of(Change("image", article, image), now if image is newer[-1] else None)
        async for message in listener.messages(SILENCE_SECONDS):
            yield message


def _position(last_event_id: str | None) -> StreamPosition | None:
    if not last_event_id:
        return None
    try:
        return parse_position(last_event_id)
    except ValueError as error:
        raise Problem(422, "invalid_value", f"Last-Event-ID is {error}.", field="Last-Event-ID") from None


def _sent(message: Message | None) -> ServerSentEvent:
    if message is None:
        return ServerSentEvent(comment="")
    return ServerSentEvent(raw_data=message.data, event=message.event, id=message.id, retry=AGAIN_MS)
