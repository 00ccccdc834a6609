"""Request bodies: JSON as the bus reads it, so that the same mistakes get the same sentences."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Header, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from consumer.gateway.problems import Problem
from schemas import ContractError, Reason
from schemas.jsontext import parse_json

Model = TypeVar("Model", bound=BaseModel)

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="Any text of yours: a repeat with the same one publishes nothing and gets the first answer.",
    ),
]


async def json_body(request: Request) -> Any:
    """Return the body as JSON of any kind: what is wrong with it is said as the bus says it.

    Raises `ContractError`, or `Problem` 415.
    """
    media_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise Problem(
            415,
            "unsupported_media_type",
            "The body has to be JSON: send it with `content-type: application/json`.",
            field="content-type",
        )
    return parse_json(await request.body())


async def json_object(request: Request) -> dict[str, Any]:
    """Return the body as a JSON object. Raises as `json_body` does."""
    body = await json_body(request)
    if not isinstance(body, dict):
        raise ContractError(Reason.INVALID_FIELD, "The body is not a JSON object: send one.")
    return body


JsonBody = Annotated[Any, Depends(json_body)]


def body_as(model: type[Model]) -> Callable[[Request], Awaitable[Model]]:
    """Return a dependency that reads the body as a model; it raises what `json_object` does, or names the field."""

    async def read(request: Request) -> Model:
        body = await json_object(request)
        try:
            return model.model_validate(body)
        except ValidationError as error:
            found = error.errors(include_url=False)
            raise RequestValidationError([{**each, "loc": ("body", *each["loc"])} for each in found]) from None

    return read
