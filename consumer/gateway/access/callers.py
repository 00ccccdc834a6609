"""From a request's credentials to the principal, as a dependency of every endpoint."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request

from consumer.gateway.access.principal import Principal, Scope
from consumer.gateway.problems import Problem
from consumer.gateway.services import Gateway, gateway_of


async def caller(request: Request, gateway: Annotated[Gateway, Depends(gateway_of)]) -> Principal:
    """Return who calls, by the key in `Authorization: Bearer …`. Raises `Problem` 401."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    key = gateway.keys.find(token.strip()) if scheme.lower() == "bearer" else None
    if key is None:
        raise Problem(401, "unauthorized", "Send a valid API key as Authorization: Bearer …, see `leadart keys`.")
    return key.principal()


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
