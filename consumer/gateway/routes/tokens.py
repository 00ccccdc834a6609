"""Short-lived tokens: what a page of another origin is given in place of a key."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from consumer.gateway.access.callers import Caller
from consumer.gateway.access.grants import grant_of
from consumer.gateway.access.principal import Credential, Scope
from consumer.gateway.problems import Problem
from consumer.gateway.routes.bodies import body_as
from consumer.gateway.routes.images import Opened

routes = APIRouter(prefix="/v1/tokens", tags=["tokens"])

Pattern = Annotated[str, Field(min_length=1, max_length=200)]


class TokenRequest(BaseModel):
    """What the token shall be good for: `articles` are ids, or patterns of ids such as `news-*`."""

    model_config = ConfigDict(extra="forbid")

    scopes: frozenset[Scope] = Field(min_length=1)
    articles: tuple[Pattern, ...] = Field(("*",), min_length=1, max_length=50)
    seconds: int = Field(600, ge=1, le=3600)


@routes.post("", status_code=201)
async def make_token(
    gateway: Opened, principal: Caller, body: Annotated[TokenRequest, Depends(body_as(TokenRequest))]
) -> dict[str, Any]:
    """Return a token with some of the caller's rights, to send as `Authorization: Bearer …`.

    It is never good for more than the key it was asked with, and ends with it.
    """
    if principal.credential is Credential.TOKEN:
        raise Problem(403, "forbidden", "A short-lived token makes no others: ask with a key or a session.")
    beyond = [scope for scope in Scope if scope in body.scopes and not principal.may(scope)]
    if beyond:
        raise Problem(403, "forbidden", f"The key has no scope {beyond[0]} to give.", field="scopes")
    grant = grant_of(principal).narrowed(body.scopes, body.articles)
    until = min(filter(None, (datetime.now(UTC) + timedelta(seconds=body.seconds), principal.until)))
    token = gateway.signer.sign(grant, Credential.TOKEN, until)
    return {"token": token.text, "expires_at": token.until, "scopes": sorted(body.scopes), "articles": body.articles}
