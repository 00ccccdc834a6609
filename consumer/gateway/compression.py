"""Answers that are compressed for those who take it: lists of articles, and the files of the desk."""

from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

PATHS = ("/v1/articles", "/v1/openapi.json", "/desk/", "/docs/", "/panel/")
"""What is long and not a stream: the middleware holds a stream's headers back until its first event."""
LEVEL = 5
LEAST_BYTES = 1400
"""What fits into one packet is sent as it is."""


class Compression:
    """Compresses what is below `PATHS`, but for what is compressed by its format."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._compressing = GZipMiddleware(app, minimum_size=LEAST_BYTES, compresslevel=LEVEL)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        is_long = scope["type"] == "http" and scope["path"].startswith(PATHS)
        await (self._compressing if is_long else self._app)(scope, receive, send)
