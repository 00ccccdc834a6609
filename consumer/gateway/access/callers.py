"""From a request's credentials to the principal, as a dependency of every endpoint."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Request

from consumer.gateway.access.cookies import check_same_origin, session_cookie
from consumer.gateway.access.principal import Credential, Principal, Scope
from consumer.gateway.problems import Problem
from consumer.gateway.services import Gateway, gateway_of


async def caller(request: Request, gateway: Annotated[Gateway, Depends(gateway_of)]) -> Principal:
    """Return who calls, and count the request. Raises `Problem` as `identify` does, 429 if requests come too fast."""
    principal = await identify(request, gateway)
    gateway.rates.check(principal)
    return principal


async def identify(request: Request, gateway: Gateway) -> Principal:
    """Return who calls: by `Authorization: Bearer …`, a key or a token, else by the session's cookie.

    Raises `Problem` 401, 403 if another site's page may have sent the cookie along, 503 if the issuer does not answer.
    """
    if "authorization" in request.headers:
        principal = await bearer(request, gateway)
    else:
        principal = _by_grant(gateway, session_cookie(request) or "", Credential.SESSION)
        if principal is not None:
            check_same_origin(request, gateway.settings.gateway.url)
    if principal is None:
        raise unauthorized()
    return principal


async def bearer(request: Request, gateway: Gateway) -> Principal | None:
    """Return who calls by `Authorization`; None if it has nothing that is valid. Raises `Problem` 503."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return await by_token(gateway, token.strip()) if scheme.lower() == "bearer" else None


async def by_token(gateway: Gateway, token: str) -> Principal | None:
    """Return whose key, short-lived token or issuer's token it is; None if it is not valid.

    Raises `Problem` 503 if the issuer would have to be asked, and does not answer.
    """
    key = gateway.keys.find(token)
    if key is not None:
        return key.principal()
    principal = _by_grant(gateway, token, Credential.TOKEN)
    if principal is None and gateway.issuer is not None:
        return await gateway.issuer.principal(token)
    return principal


def _by_grant(gateway: Gateway, text: str, credential: Credential) -> Principal | None:
    found = gateway.signer.read(text, credential)
    if found is None:
        return None
    grant, until = found
    principal = grant.principal(gateway.keys, datetime.now(UTC))
    return None if principal is None else replace(principal, credential=credential, until=until)


def unauthorized() -> Problem:
    """Return the problem of a request without a valid credential."""
    return Problem(401, "unauthorized", "Send a valid API key as Authorization: Bearer …, see `leadart keys`.")


Caller = Annotated[Principal, Depends(caller)]


def needs(scope: Scope) -> Callable[[Principal], Awaitable[Principal]]:
    """Return a dependency that gives the caller if they have the right. It raises `Problem` 403."""

    async def check(principal: Caller) -> Principal:
        if not principal.may(scope):
            raise Problem(403, "forbidden", f"This needs the scope {scope}, which the key does not have.")
        return principal

    return check


Publisher = Annotated[Principal, Depends(needs(Scope.PUBLISH))]
Reader = Annotated[Principal, Depends(needs(Scope.READ))]
Chooser = Annotated[Principal, Depends(needs(Scope.CHOOSE))]
Withdrawer = Annotated[Principal, Depends(needs(Scope.WITHDRAW))]
