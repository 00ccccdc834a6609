"""Parse a Kafka record into a valid request, or report what is wrong with it."""

import re
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from schemas import names
from schemas.cloudevents import ENVELOPE_MEDIA_TYPE, JSON_MEDIA_TYPE, Event, Headers, is_json, read
from schemas.fields import ARTICLE_ID_PATTERN, PATTERNS_IN_WORDS, SAFE_INTEGER, misplaced_character
from schemas.key import check_key
from schemas.reasons import ContractError, Reason
from schemas.requests import REQUESTS, AnyRequest
from schemas.salvage import Salvage, salvage
from schemas.serializers import CONNECT_ENVELOPE, excerpt, is_envelope

__all__ = ["Salvage", "explain", "parse_request", "salvage"]

_NEWER = re.compile("|".join(re.escape(kind.removesuffix("1")) + r"([2-9]|[1-9][0-9]+)" for kind in REQUESTS))
_SENTENCES: Final = {
    "missing": "is missing: fill it in",
    "string_type": "is not text: write it as a JSON string",
    "string_unicode": "holds half a character: send whole Unicode characters",
    "string_too_short": "is empty: fill it in",
    "string_too_long": "is too long: at most {max_length} characters",
    "int_type": "is not a whole number: write it as a JSON number without a fraction or quotation marks",
    "float_type": "is not a number: write it as a JSON number without quotation marks",
    "finite_number": "is not a finite number",
    "greater_than_equal": "is {input}, which is too small: at least {ge}",
    "less_than_equal": "is {input}, which is too large: at most {le}",
    "bool_type": "is not true or false: write it as a JSON boolean",
    "enum": "is none of the known values: write {expected}",
    "tuple_type": "is not a list: write it as a JSON array",
    "too_long": "has {entries} entries: at most {max_length}",
    "model_type": "is not an object: write it as a JSON object",
    "dict_type": "is not an object: write it as a JSON object",
}

_MISSING: Final = {"missing", "nothing_to_paint", "no_digest"}


def parse_request(key: bytes | None, headers: Headers, value: bytes | None) -> tuple[Event, AnyRequest]:
    """Parse one request. Raises only `ContractError`, for any record that breaks the contract."""
    event = read(headers, value)
    _check_type(event)
    _ = event.expirytime  # an error is raised here, so that the property is safe to read later
    if not is_json(event.datacontenttype):
        raise ContractError(
            Reason.NOT_JSON,
            f"`datacontenttype` is {excerpt(event.datacontenttype)}: send the request as `{JSON_MEDIA_TYPE}`.",
            field="datacontenttype",
        )
    request = _request(event.data, REQUESTS[event.type])
    check_key(key, request.article.id)
    return event, request


def _check_type(event: Event) -> None:
    if _NEWER.fullmatch(event.type):
        raise ContractError(
            Reason.UNKNOWN_VERSION,
            f"`type` is {excerpt(event.type, most=80)}, a newer major version than v1: upgrade the worker first.",
            field="type",
        )
    if event.type not in REQUESTS:
        raise ContractError(
            Reason.WRONG_TYPE,
            f"`type` is {excerpt(event.type, most=80)}, not `{names.IMAGE_REQUESTED}` or another type that the "
            "contract lists for publishers: publish other events elsewhere.",
            field="type",
        )


def _request(data: object, model: type[AnyRequest]) -> AnyRequest:
    if data is None:
        raise ContractError(
            Reason.MISSING_FIELD, "`data` is missing: send the request as the event's data.", field="data"
        )
    if isinstance(data, dict) and "article" not in data and (what := _wrapping(data)) is not None:
        raise ContractError(Reason.MISSING_FIELD, f"`article` is missing: the data {what}.", field="article")
    if isinstance(data, str) and data.lstrip().startswith("{"):
        raise ContractError(
            Reason.INVALID_FIELD, "`data` is JSON inside a JSON string: serialise it once, not twice.", field="data"
        )
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise explain(error) from None


def _wrapping(data: dict[str, object]) -> str | None:
    if is_envelope(data):
        return CONNECT_ENVELOPE
    if {"op", "after"} <= data.keys():
        return "is a Debezium change event: unwrap it with ExtractNewRecordState, and write the request's fields"
    if {"specversion", "data"} <= data.keys():
        return f"is a whole event: send it without `ce_` headers as `{ENVELOPE_MEDIA_TYPE}`, or its `data` alone"
    return None


def explain(error: ValidationError) -> ContractError:
    """Return a `ContractError` that names the first invalid field and what to do about it."""
    first = error.errors(include_url=False)[0]
    context = first.get("ctx", {})
    located = first["loc"][:-2] if first["loc"][-1:] == ("[key]",) else first["loc"]  # a bad name is not repeated
    path = [*(str(part) for part in located), *([context["field"]] if "field" in context else [])]
    field = ".".join(path) or "data"
    reason = Reason.MISSING_FIELD if first["type"] in _MISSING else Reason.INVALID_FIELD
    return ContractError(reason, f"`{field}` {_sentence(first, context)}.", field=field)


def _sentence(first: ErrorDetails, context: dict[str, Any]) -> str:
    if first["type"] == "string_pattern_mismatch":
        pattern = context["pattern"]
        where = misplaced_character(first["input"]) if pattern == ARTICLE_ID_PATTERN else None
        return f"has the wrong form: write {PATTERNS_IN_WORDS[pattern]}" + (f" ({where})" if where else "")
    if first["type"] in _SENTENCES:
        return _SENTENCES[first["type"]].format_map({**context, **_shown(first["input"])})
    return first["msg"]


def _far_off(value: object) -> bool:
    """Return whether a number is too large to repeat in a message, or not a number (NaN)."""
    return isinstance(value, int | float) and not abs(value) <= 2 * SAFE_INTEGER


def _shown(value: object) -> dict[str, object]:
    # Only numbers are repeated: text may be from unpublished stories.
    if isinstance(value, list | dict):  # of an object, pydantic does not count the entries
        return {"entries": len(value)}
    if not isinstance(value, int | float):
        return {}
    if _far_off(value):
        return {"input": "far off"}
    return {"input": int(value) if value == int(value) else value}
