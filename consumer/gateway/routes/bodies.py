"""Request bodies: JSON as the bus reads it, so that the same mistakes get the same sentences."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Depends, Header, Request

from schemas import ContractError, Reason
from schemas.jsontext import parse_json

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="Any text of yours: a repeat with the same one publishes nothing and gets the first answer.",
    ),
]


async def json_object(request: Request) -> Mapping[str, Any]:
    """Return the body as a JSON object. Raises `ContractError`."""
    body = parse_json(await request.body())
    if not isinstance(body, dict):
        raise ContractError(Reason.NOT_JSON, "The body is not a JSON object: send one.")
    return body


JsonObject = Annotated[Mapping[str, Any], Depends(json_object)]
