"""The answer to what was published: 202, and where it can be followed."""

from urllib.parse import quote

from fastapi.responses import JSONResponse

from consumer.gateway.board.board import Change
from schemas.ignored import Ignored


def accepted(change: Change, unknown: Ignored) -> JSONResponse:
    """Return the details of what was published, and which fields the contract does not know, as an outcome has them."""
    not_understood = {"ignored": list(unknown.ignored), "did_you_mean": dict(unknown.did_you_mean)}
    where = f"/v1/images/{quote(change.image.id, safe='')}"
    return JSONResponse({**change.image.details(), **not_understood}, 202, {"location": where})
