"""Articles and their slots, and what editors decide about them."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from consumer.errors import Rejected
from consumer.gateway.access.callers import Chooser, Reader, Withdrawer
from consumer.gateway.access.principal import Principal
from consumer.gateway.board.article import BoardArticle
from consumer.gateway.board.image import UnansweredState
from consumer.gateway.board.listing import ListCursor, ListPage, list_articles
from consumer.gateway.problems import Problem, not_found, of_error
from consumer.gateway.routes.accepted import accepted
from consumer.gateway.routes.bodies import IdempotencyKey, JsonBody
from consumer.gateway.routes.images import Opened
from consumer.gateway.services import Gateway
from schemas import ContractError, OutcomeKind, Reason, names
from schemas.editorial import ImageChosen
from schemas.ignored import unknown_fields
from schemas.requests import REQUESTS

routes = APIRouter(prefix="/v1/articles", tags=["articles"])
"""An article's id may have slashes, as they are or encoded: so its own address comes after those of its slots."""

MOST = 200

STATES = tuple(str(state) for state in (*UnansweredState, *OutcomeKind))
"""Of a slot."""

_DECIDED_BY = {
    names.IMAGE_CHOSEN: "chosen_by",
    names.IMAGE_RECROP_REQUESTED: "requested_by",
    names.IMAGE_APPROVED: "approved_by",
    names.ARTICLE_WITHDRAWN: "withdrawn_by",
    names.ARTICLE_RESTORED: "restored_by",
}
_MOST_CHARACTERS = 200
"""Of a name in the contract."""
_MOST_CURSOR = _MOST_CHARACTERS + 20
"""Characters of a cursor: an article's id and a time."""


def _known_state(state: str) -> str:
    if state and state not in STATES:
        raise PydanticCustomError(
            "unknown_state", "not a state of a slot: write {states}", {"states": ", ".join(STATES)}
        )
    return state


def _known_cursor(before: str) -> str:
    try:
        _ = before and ListCursor.decode(before)
    except ValueError:
        raise PydanticCustomError(
            "unknown_cursor", "not a cursor of this list: write `next` of the page before as it was answered"
        ) from None
    return before


class ArticleQuery(BaseModel):
    """Which articles to list."""

    model_config = ConfigDict(extra="forbid")

    q: str = Field("", max_length=200, description="Words of the headline, section or id.")
    state: Annotated[str, AfterValidator(_known_state)] = Field(
        "", description="Only with a slot in this state; empty: in any."
    )
    limit: int = Field(50, ge=1, le=MOST)
    before: Annotated[str, AfterValidator(_known_cursor)] = Field(
        "", max_length=_MOST_CURSOR, description="`next` of the page before; empty: the first page."
    )


@routes.get("")
async def articles(
    gateway: Opened,
    principal: Reader,
    wanted: Annotated[ArticleQuery, Query()],
) -> Response:
    """Return the articles that changed last, and the event id from which `/v1/events` goes on."""
    before = ListCursor.decode(wanted.before) if wanted.before else None
    asked = ListPage(wanted.q, wanted.state, wanted.limit + 1, before)
    found = list_articles(gateway.board, principal.sees, asked)
    page, is_last = found[: wanted.limit], len(found) <= wanted.limit
    listed = ",".join(article.summary_json for article in page)
    position = gateway.board.position.encode()
    following = json.dumps(None if is_last else ListCursor.after(page[-1]).encode())
    return Response(
        f'{{"articles":[{listed}],"next":{following},"position":"{position}"}}', media_type="application/json"
    )


@routes.get("/{article_id:path}/slots/{slot}")
async def slot(gateway: Opened, principal: Reader, article_id: str, slot: str) -> dict[str, Any]:
    """Return what a slot shows, what is asked about it, what is held, and its history."""
    return _find_slot(gateway, principal, article_id, slot).slot(slot)


@routes.get("/{article_id:path}")
async def article(gateway: Opened, principal: Reader, article_id: str) -> dict[str, Any]:
    """Return an article with its slots."""
    return find_article(gateway, principal, article_id).summary()


@routes.post("/{article_id:path}/slots/{slot}/choose", status_code=202)
async def choose(
    gateway: Opened, principal: Chooser, article_id: str, slot: str, body: JsonBody, key: IdempotencyKey = None
) -> JSONResponse:
    """Keep a picture in the slot, as `image-chosen` does; only `picture: null` lets go of the one chosen."""
    _find_slot(gateway, principal, article_id, slot)  # what is wrong with a body is no stranger's business
    _check_picture(body)
    return await _decide(gateway, principal, names.IMAGE_CHOSEN, article_id, slot, body, key)


@routes.post("/{article_id:path}/slots/{slot}/crop", status_code=202)
async def crop(
    gateway: Opened, principal: Chooser, article_id: str, slot: str, body: JsonBody, key: IdempotencyKey = None
) -> JSONResponse:
    """Crop a picture anew round a focal point or by frames, as `image-recrop-requested` does."""
    return await _decide(gateway, principal, names.IMAGE_RECROP_REQUESTED, article_id, slot, body, key)


@routes.post("/{article_id:path}/slots/{slot}/approve", status_code=202)
async def approve(
    gateway: Opened, principal: Chooser, article_id: str, slot: str, body: JsonBody, key: IdempotencyKey = None
) -> JSONResponse:
    """Have a held request painted, as `image-approved` does."""
    return await _decide(gateway, principal, names.IMAGE_APPROVED, article_id, slot, body, key)


@routes.post("/{article_id:path}/slots/{slot}/withdraw", status_code=202)
async def withdraw(
    gateway: Opened, principal: Withdrawer, article_id: str, slot: str, body: JsonBody, key: IdempotencyKey = None
) -> JSONResponse:
    """Delete the slot's pictures and make no more until it is restored, as `withdrawn` does."""
    return await _decide(gateway, principal, names.ARTICLE_WITHDRAWN, article_id, slot, body, key)


@routes.post("/{article_id:path}/slots/{slot}/restore", status_code=202)
async def restore(
    gateway: Opened, principal: Withdrawer, article_id: str, slot: str, body: JsonBody, key: IdempotencyKey = None
) -> JSONResponse:
    """Let the slot have pictures again, as `restored` does."""
    return await _decide(gateway, principal, names.ARTICLE_RESTORED, article_id, slot, body, key)


async def _decide(
    gateway: Gateway,
    principal: Principal,
    event_type: str,
    article_id: str,
    slot: str,
    body: Any,
    key: str | None,
) -> JSONResponse:
    """Publish a decision about a slot that the caller may see.

    Unless the body says otherwise, it is about the newest revision, and the caller's; a repeat is about the first's.
    """
    found = _find_slot(gateway, principal, article_id, slot)
    earlier = gateway.publishing.earlier(principal, key)
    revision = earlier.revision if earlier else found.revision_of(slot)
    about = _about(found, event_type, slot, body, revision or 0) if isinstance(body, dict) else None
    data = body if about is None else {**_by(principal, event_type), **about}
    unknown = unknown_fields(data, REQUESTS[event_type])
    try:
        return accepted(await gateway.publishing.publish(principal, event_type, data, key), unknown)
    except (ContractError, Rejected) as error:
        problem = of_error(error)
        problem.did_you_mean = unknown.did_you_mean
        raise problem from None


def _check_picture(body: Any) -> None:
    """Check that a choice says what it chooses: letting go of one by leaving out a field is a mistake."""
    if not isinstance(body, dict) or "picture" in body or body.get("external"):
        return
    detail = (
        "`picture` is missing: name the picture to keep by its `sha256`, or write null to let go of the choice; "
        "leave it out only with `external: true`."
    )
    problem = Problem(422, Reason.MISSING_FIELD, detail, field="picture")
    problem.did_you_mean = unknown_fields(body, ImageChosen).did_you_mean
    raise problem


def _by(principal: Principal, event_type: str) -> dict[str, Any]:
    return {_DECIDED_BY[event_type]: principal.name[:_MOST_CHARACTERS]}


def _about(article: BoardArticle, event_type: str, slot: str, body: Mapping[str, Any], revision: int) -> dict[str, Any]:
    """Return the event's data: the body's, about this slot, at this revision unless the body has one."""
    given = body.get("article")
    if "article" in body and not isinstance(given, dict | None):
        return {**body, "slot": slot}
    about: dict[str, Any] = {}
    if event_type not in {names.ARTICLE_WITHDRAWN, names.ARTICLE_RESTORED}:
        about["revision"] = revision
    named = {name: value for name, value in (given or {}).items() if value is not None}
    return {**body, "article": {**about, **named, "id": article.id}, "slot": slot}


def find_article(gateway: Gateway, principal: Principal, article_id: str) -> BoardArticle:
    """Return an article that the caller may see. Raises `Problem` 404."""
    found = gateway.board.article(article_id)
    if found is None or not principal.sees(found):
        raise not_found("article")
    return found


def _find_slot(gateway: Gateway, principal: Principal, article_id: str, slot: str) -> BoardArticle:
    found = find_article(gateway, principal, article_id)
    if slot not in found.slots:
        raise not_found("slot")
    return found
