"""The desk's session: sign in with a key or a bearer token, see who is signed in, sign out."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request, Response

from consumer.gateway.access.callers import Caller, bearer, by_token, unauthorized
from consumer.gateway.access.cookies import drop_session_cookie, refuse_other_origin, set_session_cookie
from consumer.gateway.access.grants import grant_of
from consumer.gateway.access.principal import Credential, Principal, Scope
from consumer.gateway.problems import Problem
from consumer.gateway.routes.bodies import json_object
from consumer.gateway.routes.images import Opened
from schemas import ContractError, Reason

routes = APIRouter(prefix="/v1/session", tags=["session"])

SESSION = timedelta(hours=12)


@routes.post("")
async def sign_in(gateway: Opened, request: Request, response: Response) -> dict[str, Any]:
    """Open a session for the key in `{"key": …}`, or for the bearer; the cookie lasts 12 hours, or as long as that."""
    url = gateway.settings.gateway.url
    refuse_other_origin(request, url)
    if "authorization" in request.headers:
        principal = await bearer(request, gateway)
    else:
        principal = await by_token(gateway, _key(await json_object(request)))
    if principal is None:
        raise unauthorized()
    if principal.credential is Credential.TOKEN:
        raise Problem(403, "forbidden", "A short-lived token opens no session: use a key.")
    until = min(filter(None, (datetime.now(UTC) + SESSION, principal.until)))
    session = gateway.signer.sign(grant_of(principal), Credential.SESSION, until)
    set_session_cookie(request, response, session, url)
    return _facts(principal, session.until)


@routes.get("")
async def signed_in(principal: Caller) -> dict[str, Any]:
    """Return who calls, and what they may do."""
    return _facts(principal, principal.until)


@routes.delete("", status_code=204)
async def sign_out(gateway: Opened, request: Request) -> Response:
    """Have the browser forget the session."""
    refuse_other_origin(request, gateway.settings.gateway.url)
    response = Response(status_code=204)
    drop_session_cookie(response)
    return response


def _key(body: Mapping[str, Any]) -> str:
    key = body.get("key")
    if not isinstance(key, str):
        raise ContractError(Reason.MISSING_FIELD, '`key` is missing: send {"key": "leadart_…"}.', field="key")
    return key


def _facts(principal: Principal, until: datetime | None) -> dict[str, Any]:
    return {
        "name": principal.name,
        "source": principal.source,
        "scopes": [scope for scope in Scope if scope in principal.scopes],
        "articles": list(principal.articles),
        "expires_at": until,
    }
