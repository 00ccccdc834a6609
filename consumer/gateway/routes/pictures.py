"""Pictures by their digest: a redirect to an address that is fresh."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Header, Request
from fastapi.responses import RedirectResponse

from consumer.gateway.board.pictures import ORIGINAL, Files, file_names
from consumer.gateway.problems import Problem
from consumer.gateway.routes.images import Opened
from consumer.gateway.routes.negotiation import preferred
from consumer.gateway.services import Gateway
from consumer.jobs import MEDIA_TYPES

routes = APIRouter(prefix="/v1/pictures", tags=["pictures"])

FRESH_SECONDS = 300
"""How long a redirect may be kept, at most: a picture that is withdrawn stays reachable by it for so long."""
MARGIN_SECONDS = 30
"""How long before its end an address is not handed out from a cache any more."""
_DIGEST = re.compile(r"[0-9a-f]{64}")


@routes.head("/{sha256}/{rendition}", status_code=307, include_in_schema=False)
@routes.get("/{sha256}/{rendition}", status_code=307, response_class=RedirectResponse)
async def picture(
    request: Request,
    gateway: Opened,
    sha256: str,
    rendition: str,
    accept: Annotated[str, Header(include_in_schema=False)] = "*/*",
) -> RedirectResponse:
    """Redirect to a fresh address of a picture's file.

    `hero-960.webp` names a rendition as it was cropped last, `hero-960-0f1e2d3c4b5a.webp` the very file whose digest
    begins so, `hero-960` the format of it that suits the caller's `Accept` best, `original` the picture itself. It
    needs no key, so that an address lasts in a page: whoever knows the digest of a picture was shown it.
    """
    key, alternatives = await find_file(gateway, sha256, rendition, accept)
    address, expires = await gateway.store.address(key, head=request.method == "HEAD")
    headers = {"cache-control": f"private, max-age={_seconds_fresh(expires)}"}
    return RedirectResponse(address, 307, {**headers, "vary": "Accept"} if alternatives else headers)


async def find_file(gateway: Gateway, sha256: str, rendition: str, accept: str) -> tuple[str, bool]:
    """Return the key of a file, and whether other callers may get another. Raises `Problem` 404 or 410."""
    announced = gateway.board.picture(sha256)
    if (found := _choose(announced or {}, rendition, accept)) is not None:
        return found
    if _DIGEST.fullmatch(sha256) and (found := _choose(await _stored(gateway, sha256), rendition, accept)) is not None:
        return found
    if announced == {}:
        raise Problem(410, "withdrawn", "The picture was withdrawn.")
    raise Problem(404, "not_found", "There is no such picture, or it has no such rendition.")


def _choose(files: Mapping[str, str], rendition: str, accept: str) -> tuple[str, bool] | None:
    if rendition in files:
        return files[rendition], False
    formats = {
        MEDIA_TYPES.get(name.rpartition(".")[2], ""): key for name, key in files.items() if _is_of(name, rendition)
    }
    return (formats[preferred(list(formats), accept)], True) if formats else None


def _is_of(name: str, rendition: str) -> bool:
    return name != ORIGINAL and name.rpartition(".")[0] == rendition


async def _stored(gateway: Gateway, sha256: str) -> Files:
    """Return the files of a picture that was announced before the board's history begins."""
    found = await gateway.store.look_up(sha256, by="sha256")
    if found is None or not found.intact or found.stored.sha256 != sha256:
        return {}
    renditions = await gateway.store.list_renditions(found.stored)
    named = {name: each.key for each in renditions for name in file_names(each.name, each.media_type, each.sha256)}
    return {ORIGINAL: found.stored.key, **named}


def _seconds_fresh(expires: datetime | None) -> int:
    if expires is None:
        return FRESH_SECONDS
    left = (expires - datetime.now(UTC)).total_seconds() - MARGIN_SECONDS
    return int(max(0, min(FRESH_SECONDS, left)))
