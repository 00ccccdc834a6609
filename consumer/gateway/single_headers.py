"""Refuses requests that say two things in one header: a proxy and the gateway might go by different ones."""

from starlette.types import ASGIApp, Receive, Scope, Send

from consumer.gateway.problems import Problem
from schemas import Reason

SINGLE = frozenset({b"authorization", b"content-type", b"idempotency-key", b"last-event-id"})


class SingleHeaders:
    """Answers 400 to a request with several values of a header that has one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        given: dict[bytes, bytes] = {}
        for name, value in scope.get("headers", ()):
            if name in SINGLE and given.setdefault(name, value) != value:
                await _ambiguous(name.decode()).response()(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _ambiguous(name: str) -> Problem:
    detail = f"The header {name} is given twice, with different values: send it once."
    return Problem(400, Reason.DUPLICATE_HEADER, detail, field=name)
