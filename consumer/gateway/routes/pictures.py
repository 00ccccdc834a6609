"""Pictures by their digest: a redirect to an address that is fresh."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import APIRouter
from fastapi.responses import RedirectResponse

from consumer.gateway.problems import Problem
from consumer.gateway.routes.images import Opened
from consumer.gateway.services import Gateway
from consumer.jobs import FILE_SUFFIXES

routes = APIRouter(prefix="/v1/pictures", tags=["pictures"])

ORIGINAL = "original"
FRESH_SECONDS = 300
_DIGEST = re.compile(r"[0-9a-f]{64}")


@routes.get("/{sha256}/{rendition}", status_code=307, response_class=RedirectResponse)
async def picture(gateway: Opened, sha256: str, rendition: str) -> RedirectResponse:
    """Redirect to a fresh address of a picture's rendition, such as `hero-960.webp`, or of its `original`.

    It needs no key, so that an address lasts in a page: whoever knows the digest of a picture was shown it.
    """
    key = _key(gateway, sha256, rendition) if _DIGEST.fullmatch(sha256) else None
    if key is None:
        raise Problem(404, "not_found", "There is no such picture, or it was withdrawn.")
    address, _ = await gateway.store.address(key)
    return RedirectResponse(address, 307, {"cache-control": f"private, max-age={FRESH_SECONDS}"})


def _key(gateway: Gateway, sha256: str, rendition: str) -> str | None:
    """Return the object's key, as an outcome announced it."""
    for picture in _announced(gateway):
        if picture.get("sha256") == sha256:
            for name, key in _files(picture):
                if name == rendition:
                    return key
    return None


def _announced(gateway: Gateway) -> Iterator[Mapping[str, Any]]:
    for article in gateway.board.articles():
        for image in article.images.values():
            for outcome in reversed(image.outcomes.values()):
                yield from outcome.data.get("pictures") or ()


def _files(picture: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield ORIGINAL, str(picture["key"])
    for rendition in picture.get("renditions") or ():
        yield f"{rendition['name']}.{FILE_SUFFIXES.get(rendition['media_type'], 'bin')}", str(rendition["key"])
