"""Pictures to keep: their bytes, under a file name that says what they are."""

import re
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse

from consumer.gateway.problems import Problem
from consumer.gateway.routes.images import Opened
from consumer.gateway.routes.pictures import find_file
from consumer.jobs import MEDIA_TYPES

routes = APIRouter(prefix="/v1/pictures", tags=["pictures"])

_UNSAFE = re.compile(r"[\x00-\x1f\x7f/\\:*?\"<>|]")


@routes.get("/{sha256}/{rendition}/download", response_class=StreamingResponse)
async def download(
    gateway: Opened,
    sha256: str,
    rendition: str,
    name: Annotated[str, Query(max_length=200, description="What the file is called on the caller's disk.")] = "",
    accept: Annotated[str, Header(include_in_schema=False)] = "*/*",
) -> StreamingResponse:
    """Return a picture's file itself, to be saved: a browser names what it is redirected to by its digest.

    The file is the one that `GET /v1/pictures/{sha256}/{rendition}` redirects to. It needs no key either.
    """
    key, _ = await find_file(gateway, sha256, rendition, accept)
    opened = await gateway.store.opened(key)
    if opened is None:
        raise Problem(410, "withdrawn", "The picture was withdrawn.")
    size, chunks = opened
    called = _UNSAFE.sub("-", name).strip(". ") or key.rpartition("/")[2]
    headers = {
        "content-disposition": f"attachment; filename*=UTF-8''{quote(called, safe='')}",
        "content-length": str(size),
        "cache-control": "private, no-store",
        "x-content-type-options": "nosniff",
    }
    media_type = MEDIA_TYPES.get(key.rpartition(".")[2], "application/octet-stream")
    return StreamingResponse(chunks, headers=headers, media_type=media_type)
