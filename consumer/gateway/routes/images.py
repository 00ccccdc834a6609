"""Ask for pictures, and see what becomes of it."""

import asyncio
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Response

from consumer.gateway.access.callers import Publisher, Reader
from consumer.gateway.access.principal import Principal
from consumer.gateway.board.image import BoardImage
from consumer.gateway.problems import not_found
from consumer.gateway.routes.bodies import IdempotencyKey, JsonObject
from consumer.gateway.services import Gateway, gateway_of
from schemas import names

routes = APIRouter(prefix="/v1/images", tags=["images"])

UNREAD_SECONDS = 2.0
"""How long an unknown id is waited for: another gateway may have published it a moment ago."""
LOOK_SECONDS = 0.05

Opened = Annotated[Gateway, Depends(gateway_of)]


@routes.post("", status_code=202)
async def ask(
    gateway: Opened, principal: Publisher, body: JsonObject, response: Response, idempotency_key: IdempotencyKey = None
) -> dict[str, Any]:
    """Ask for an article's pictures: publish a request once it is known to be valid."""
    change = await gateway.publishing.publish(principal, names.IMAGE_REQUESTED, body, idempotency_key)
    response.headers["location"] = f"/v1/images/{quote(change.image.id, safe='')}"
    return change.image.details()


@routes.get("/{image_id}")
async def image(gateway: Opened, principal: Reader, image_id: str) -> dict[str, Any]:
    """Return the state of a request, its progress, and its outcome once there is one."""
    return (await find_image(gateway, principal, image_id)).details()


async def find_image(gateway: Gateway, principal: Principal, image_id: str) -> BoardImage:
    """Return an image that the caller may see. Raises `Problem` 404."""
    loop = asyncio.get_running_loop()
    until = loop.time() + UNREAD_SECONDS
    while True:
        for found in gateway.board.images(image_id):
            article = gateway.board.article(found.article)
            if article is not None and principal.sees(article):
                return found
        if loop.time() > until or gateway.board.images(image_id):
            raise not_found("image")
        await asyncio.sleep(LOOK_SECONDS)
