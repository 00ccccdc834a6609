"""The files of the task API's pictures, at the addresses that its results name."""

import re
from typing import Annotated

from fastapi import APIRouter, Header, Request, Response

from consumer.gateway.problems import Problem
from consumer.gateway.routes.images import Opened
from consumer.gateway.tasks import IMAGES_PATH

routes = APIRouter(prefix=IMAGES_PATH, tags=["task API"])

_FILE = re.compile(r"[\w.-]{1,200}_[0-9]_([0-9a-f]{64})\.[a-z]{3,4}")
_CACHED = "public, max-age=2592000, immutable"
"""For 30 days."""


@routes.head("/{date}/{file}", include_in_schema=False)
@routes.get("/{date}/{file}", response_class=Response, responses={304: {"description": "The caller has it."}})
async def generated_image(
    request: Request,
    gateway: Opened,
    date: str,
    file: str,
    if_none_match: Annotated[str, Header(include_in_schema=False)] = "",
) -> Response:
    """Return the file of a picture. It needs no key: its name has the picture's digest."""
    del date
    named = _FILE.fullmatch(file)
    sha256 = named[1] if named else ""
    found = await gateway.store.look_up(sha256, by="sha256")
    if found is None or not found.intact or found.stored.sha256 != sha256:
        raise _gone(is_withdrawn=gateway.board.picture(sha256) == {})
    headers = {"cache-control": _CACHED, "etag": f'"{sha256}"', "cross-origin-resource-policy": "cross-origin"}
    if f'"{sha256}"' in if_none_match:
        return Response(status_code=304, headers=headers)
    if request.method == "HEAD":
        return Response(
            headers={**headers, "content-length": str(found.stored.bytes_)}, media_type=found.stored.media_type
        )
    data = await gateway.store.read(found.stored)
    if data is None:
        raise _gone(is_withdrawn=False)
    return Response(data, headers=headers, media_type=found.stored.media_type)


def _gone(*, is_withdrawn: bool) -> Problem:
    if is_withdrawn:
        return Problem(410, "withdrawn", "The picture was withdrawn.")
    return Problem(404, "not_found", "There is no such picture.")
