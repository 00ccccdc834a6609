"""What browsers are told with every answer: to run and embed nothing that is not the gateway's own."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_POLICY = (
    "default-src 'self'; img-src 'self' data: blob: {store}; connect-src 'self' {store}; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_TLS_ONLY = "max-age=31536000"


def security_headers(picture_address: str) -> Mapping[str, str]:
    """Return the headers, for a store whose pictures have addresses such as this one."""
    address = urlsplit(picture_address)
    return {
        "content-security-policy": _POLICY.format(store=f"{address.scheme}://{address.netloc}"),
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
        "permissions-policy": "camera=(), geolocation=(), microphone=()",
    }


class SecurityHeaders:
    """Adds them where an answer does not have its own; what keys and sessions are answered is kept by no cache."""

    def __init__(self, app: ASGIApp, headers: Mapping[str, str]) -> None:
        self._app = app
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                if scope["scheme"] == "https":
                    headers.setdefault("strict-transport-security", _TLS_ONLY)
                if scope["path"].startswith(("/v1/", "/api/")):
                    headers.setdefault("cache-control", "no-store")
            await send(message)

        await self._app(scope, receive, send_with_headers)
