"""Salvage what an invalid request record still says: enough to address its failed outcome."""

import base64
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from schemas import names
from schemas.cloudevents import ENVELOPE_MEDIA_TYPE, Headers, attribute_name
from schemas.event import CARRIED, CORE, Event
from schemas.fields import ArticleId, Revision, Slot
from schemas.ignored import NOTHING_IGNORED, Ignored, unknown_fields
from schemas.jsontext import parse_json, parse_leniently
from schemas.key import article_of_key
from schemas.reasons import ContractError
from schemas.requested import Output
from schemas.requests import REQUESTS
from schemas.serializers import BYTE_ORDER_MARK, is_envelope, plain

_T = TypeVar("_T")
_ARTICLE_ID: Final[TypeAdapter[str]] = TypeAdapter(ArticleId)
_REVISION: Final[TypeAdapter[int]] = TypeAdapter(Revision)
_SLOT: Final[TypeAdapter[str]] = TypeAdapter(Slot)


@dataclass(frozen=True, slots=True)
class Salvage:
    """Values that are each valid by themselves; None where the record has none."""

    request_id: str | None
    source: str | None
    article_id: str | None
    revision: int | None
    slot: str | None
    carried: Mapping[str, str] = field(default_factory=dict)
    ignored: Ignored = NOTHING_IGNORED


def salvage(key: bytes | None, headers: Headers, value: bytes | None) -> Salvage:
    """Read what is readable of any record, of any size, also within what a serializer put around it. Never raises.

    A value with a `specversion` is taken for a whole event, unless a header has one and the content type is not that of
    an event. The article id is the data's, else the record key; the slot is the default one if there is an article
    without a slot.
    """
    document, unique = _object(value), _unique_attributes(headers)
    structured = plain(unique.get("datacontenttype", "")).lower().startswith(ENVELOPE_MEDIA_TYPE)
    whole = "specversion" in document and (structured or "specversion" not in unique)
    attributes = document if whole else unique
    data = _data(document) if whole else document
    article = _member(data, "article")
    event_type = _attribute("type", attributes) or names.IMAGE_REQUESTED
    return Salvage(
        request_id=_attribute("id", attributes),
        source=_attribute("source", attributes),
        article_id=_valid(_ARTICLE_ID, article.get("id")) or _valid(_ARTICLE_ID, article_of_key(key)),
        revision=_valid(_REVISION, article.get("revision")),
        slot=_slot(data, event_type) if article else None,
        carried={name: text for name in CARRIED if (text := _attribute(name, attributes)) is not None},
        ignored=unknown_fields(data, REQUESTS[event_type]) if event_type in REQUESTS else NOTHING_IGNORED,
    )


def _slot(data: Mapping[str, Any], event_type: str) -> str | None:
    output = data.get("output") if event_type == names.IMAGE_REQUESTED else data
    if event_type in {names.ARTICLE_WITHDRAWN, names.ARTICLE_RESTORED}:
        return _valid(_SLOT, data.get("slot"))
    if output is None:
        return Output().slot
    named = output.get("slot") if isinstance(output, dict) else ""
    return Output().slot if named is None else _valid(_SLOT, named)


def _unique_attributes(headers: Headers) -> dict[str, str]:
    texts: dict[str, set[str]] = {}
    for header, raw in headers:
        texts.setdefault(attribute_name(header) or "", set()).add(_text(raw) or "")
    return {name: values.pop() for name, values in texts.items() if len(values) == 1}


def _data(document: Mapping[str, Any]) -> Mapping[str, Any]:
    encoded = document.get("data_base64")
    if isinstance(encoded, str):
        with suppress(ValueError):
            return _object(base64.b64decode(encoded, validate=True))
    return _unwrapped(document.get("data"))


def _object(value: bytes | None) -> Mapping[str, Any]:
    text = (value or b"").removeprefix(BYTE_ORDER_MARK.encode())
    try:
        document = parse_json(text)
    except ContractError:
        document = parse_leniently(text)
    return _unwrapped(document)


def _unwrapped(document: object) -> Mapping[str, Any]:
    inner = document["payload"] if is_envelope(document) else document
    if isinstance(inner, str):
        with suppress(ContractError):
            inner = parse_json(inner.encode("utf-8", "surrogatepass"))
    return inner if isinstance(inner, dict) else {}


def _member(parent: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    member = parent.get(name)
    return member if isinstance(member, dict) else {}


def _attribute(name: str, attributes: Mapping[str, Any]) -> str | None:
    text = attributes.get(name)
    if isinstance(text, int) and name not in CORE:
        text = json.dumps(text)
    if not isinstance(text, str):
        return None
    bare = plain(text)
    try:
        return Event(id=bare, source=bare, type=bare).id
    except ContractError:
        return None


def _valid(adapter: TypeAdapter[_T], value: object) -> _T | None:
    try:
        return adapter.validate_python(value, strict=True)
    except ValidationError:
        return None


def _text(raw: bytes | None) -> str | None:
    try:
        return None if raw is None else raw.decode()
    except UnicodeDecodeError:
        return None
