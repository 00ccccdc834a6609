"""Server-sent events: what changes, from the last event id on without a gap."""

import asyncio
from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from consumer.gateway.access.callers import Reader, identify
from consumer.gateway.access.principal import Principal
from consumer.gateway.board.position import StreamPosition, parse_position
from consumer.gateway.event_stream import EventStream
from consumer.gateway.following import Follower
from consumer.gateway.problems import Problem, not_found
from consumer.gateway.routes.images import find_image
from consumer.gateway.services import Gateway, begun_gateway, gateway_of

routes = APIRouter(prefix="/v1", tags=["events"])

HELD_SECONDS = 60.0
"""How long a stream waits for a gateway that is starting."""


async def resume_position(
    header: Annotated[str | None, Header(alias="Last-Event-ID", description="Go on after this event.")] = None,
    query: Annotated[
        str | None,
        Query(alias="last_event_id", description="The same for clients that cannot set headers; the header counts."),
    ] = None,
) -> StreamPosition | None:
    """Return the position to go on from; None: from now on. Raises `Problem` for what is no event id."""
    text = header or query
    if not text:
        return None
    try:
        return parse_position(text)
    except ValueError as error:
        field = "Last-Event-ID" if header else "last_event_id"
        raise Problem(422, "invalid_value", f"{field} is {error}.", field=field) from None


After = Annotated[StreamPosition | None, Depends(resume_position)]


async def held_gateway(request: Request, principal: Reader) -> Gateway:
    """Return the gateway, as a dependency, once it has begun: a browser's stream ends for good with an error.

    Raises `Problem` 503 if that takes too long.
    """
    del principal  # who may not read does not wait
    with suppress(TimeoutError):
        async with asyncio.timeout(HELD_SECONDS):
            await (await gateway_of(request)).until_begun()
    return await begun_gateway(request)


Held = Annotated[Gateway, Depends(held_gateway)]


async def make_follower(request: Request, gateway: Held, principal: Reader) -> Follower:
    """Return what makes the caller's streams, as long as they get in with the same rights."""

    async def is_allowed() -> bool:
        return await _caller_again(request, gateway) == principal

    return Follower(gateway.board, gateway.broadcast, principal, is_allowed)


Following = Annotated[Follower, Depends(make_follower)]


@routes.get(
    "/images/{image_id}/events",
    status_code=200,
    response_class=EventStream,
    responses={204: {"description": "The request had its last outcome before."}},
)
async def image_events(gateway: Held, principal: Reader, following: Following, image_id: str, after: After) -> Response:
    """Return the state of a request now, then each change, until its last outcome.

    204 after that: browsers would connect again and again.
    """
    image = await find_image(gateway, principal, image_id)
    article = gateway.board.article(image.article)
    if article is None:
        raise not_found("image")
    if after is not None and image.is_final and not image.is_newer_than(after):
        return Response(status_code=204)
    return EventStream(following.image(image, article))


@routes.get("/events", status_code=200, response_class=EventStream)
async def all_events(following: Following, after: After) -> EventStream:
    """Return each change of the caller's articles from now on, or from the last event id on.

    `event: image` has an image, `event: progress` one that is being painted, `event: reset` says that changes since
    the last event id are no longer known: load the articles again.
    """
    return EventStream(following.articles(after))


async def _caller_again(request: Request, gateway: Gateway) -> Principal | None:
    try:
        return await identify(request, gateway)
    except Problem:
        return None
