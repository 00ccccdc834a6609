"""Ask for pictures, and see what becomes of it."""

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any
from uuid import uuid4, uuid5

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse

from consumer.errors import Rejected
from consumer.gateway.access.callers import Publisher, Reader
from consumer.gateway.access.principal import Principal
from consumer.gateway.board.board import Change
from consumer.gateway.board.image import BoardImage
from consumer.gateway.flat_fields import ARTICLE_PREFIX, FlatRequest, in_flat_words, is_flat, request_of
from consumer.gateway.problems import Problem, not_found, of_error, of_exception
from consumer.gateway.publishing import KEYED_REQUESTS
from consumer.gateway.routes.accepted import accepted
from consumer.gateway.routes.bodies import IdempotencyKey, JsonBody
from consumer.gateway.services import Gateway, begun_gateway
from schemas import ContractError, ImageRequested, names
from schemas.ignored import unknown_fields

routes = APIRouter(prefix="/v1/images", tags=["images"])

UNREAD_SECONDS = 2.0
"""How long an unknown id is waited for: another gateway may have published it a moment ago."""
LOOK_SECONDS = 0.05

Opened = Annotated[Gateway, Depends(begun_gateway)]


@routes.post("", status_code=202)
async def ask(
    gateway: Opened, principal: Publisher, body: JsonBody, idempotency_key: IdempotencyKey = None
) -> JSONResponse:
    """Ask for an article's pictures: publish a request once it is known to be valid."""
    is_meant_flat = isinstance(body, dict) and is_flat(body)
    unknown = unknown_fields(body, FlatRequest if is_meant_flat else ImageRequested)
    try:
        if is_meant_flat:
            own = _own_article(principal, idempotency_key)
            return accepted(await publish_flat(gateway, principal, body, own, idempotency_key), unknown)
        return accepted(
            await gateway.publishing.publish(principal, names.IMAGE_REQUESTED, body, idempotency_key), unknown
        )
    except (ContractError, Rejected, Problem) as error:
        problem = of_exception(error)
        flat = {} if is_meant_flat else unknown_fields(body, FlatRequest).did_you_mean
        problem.did_you_mean = {**unknown.did_you_mean, **(flat if problem.field == "article" else {})}
        raise problem from None


async def publish_flat(
    gateway: Gateway,
    principal: Principal,
    flat: Mapping[str, Any],
    article_id: str,
    idempotency_key: str | None = None,
    more: Mapping[str, Any] = MappingProxyType({}),
) -> Change:
    """Publish a request in flat fields, whose errors name those; `more` has fields of the contract."""
    data = {**request_of(flat, article_id), **more}
    try:
        return await gateway.publishing.publish(principal, names.IMAGE_REQUESTED, data, idempotency_key)
    except (ContractError, Rejected) as error:
        problem = of_error(error)
        problem.detail, problem.field = in_flat_words(problem.reason, problem.detail, problem.field)
        raise problem from None


def _own_article(principal: Principal, idempotency_key: str | None) -> str:
    """Return the id of an article that stands for one request: for a repeat the same."""
    own = uuid5(KEYED_REQUESTS, f"{principal.source}\n{idempotency_key}") if idempotency_key else uuid4()
    return f"{ARTICLE_PREFIX}{own}"


@routes.get("/{image_id}")
async def image(gateway: Opened, principal: Reader, image_id: str) -> dict[str, Any]:
    """Return the state of a request, its progress, and its outcome once there is one."""
    return (await find_image(gateway, principal, image_id)).details()


async def find_image(gateway: Gateway, principal: Principal, image_id: str) -> BoardImage:
    """Return an image that the caller may see. Raises `Problem` 404, as late for another's as for one there is not."""
    loop = asyncio.get_running_loop()
    until = loop.time() + UNREAD_SECONDS
    while True:
        for found in gateway.board.images(image_id):
            article = gateway.board.article(found.article)
            if article is not None and principal.sees(article):
                return found
        if loop.time() > until:
            raise not_found("image")
        await asyncio.sleep(LOOK_SECONDS)
