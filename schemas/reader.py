"""Parse a Kafka record into a valid request, or report what is wrong with it."""

import re

from pydantic import ValidationError

from schemas import names
from schemas.cloudevents import JSON_MEDIA_TYPE, Event, Headers, is_json, read
from schemas.event import shown
from schemas.explain import explain
from schemas.reasons import ContractError, Reason
from schemas.requested import ImageRequested
from schemas.salvage import Salvage, salvage

__all__ = ["Salvage", "parse_request", "salvage"]

_NEWER = re.compile(re.escape(names.IMAGE_REQUESTED.removesuffix("1")) + r"([2-9]|[1-9][0-9]+)")


def parse_request(key: bytes | None, headers: Headers, value: bytes | None) -> tuple[Event, ImageRequested]:
    """Parse one request. Raises only `ContractError`, for any record that breaks the contract."""
    event = read(headers, value)
    _check_type(event)
    _ = event.expirytime  # an error is raised here, so that the property is safe to read later
    if not is_json(event.datacontenttype):
        raise ContractError(
            Reason.NOT_JSON,
            f"`datacontenttype` is {shown(event.datacontenttype)}: send the request as `{JSON_MEDIA_TYPE}`.",
            field="datacontenttype",
        )
    request = _request(event.data)
    if key != request.article.id.encode():
        raise ContractError(
            Reason.WRONG_KEY, "The record key is not `article.id`: set it to that text, as UTF-8.", field="article.id"
        )
    return event, request


def _check_type(event: Event) -> None:
    if _NEWER.fullmatch(event.type):
        raise ContractError(
            Reason.UNKNOWN_VERSION, "`type` has a newer major version than v1: upgrade the worker first.", field="type"
        )
    if event.type != names.IMAGE_REQUESTED:
        raise ContractError(
            Reason.WRONG_TYPE, f"`type` is not `{names.IMAGE_REQUESTED}`: publish other events elsewhere.", field="type"
        )


def _request(data: object) -> ImageRequested:
    if data is None:
        raise ContractError(
            Reason.MISSING_FIELD, "`data` is missing: send the request as the event's data.", field="data"
        )
    try:
        return ImageRequested.model_validate(data)
    except ValidationError as error:
        raise explain(error) from None
