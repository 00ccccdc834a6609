"""One CloudEvent 1.0, whose attributes are valid on any transport."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from schemas.reasons import ContractError, Reason
from schemas.serializers import excerpt

JSON_MEDIA_TYPE: Final = "application/json"
ATTRIBUTE_CHARACTERS: Final = 2048
"""Maximum length of an attribute: any intermediary may log it."""

REQUIRED: Final = ("id", "source", "type")
OPTIONAL: Final = ("subject", "dataschema", "datacontenttype")
CORE: Final = frozenset({*REQUIRED, *OPTIONAL, "specversion", "time"})
CARRIED: Final = ("correlationid", "traceparent", "tracestate")
"""Extensions that an outcome copies from its request, so that a flow can be traced."""

_EXTENSION = re.compile(r"[a-z0-9]+")
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:[0-5]\d)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Event:
    """One CloudEvent. `data` is the parsed JSON value, or the bytes when `datacontenttype` is not JSON.

    Two events with equal `source` and `id` are the same event. Raises `ContractError` for attributes that CloudEvents
    does not allow, so that every instance can be written.
    """

    id: str
    source: str
    type: str
    subject: str | None = None
    time: datetime | None = None
    dataschema: str | None = None
    datacontenttype: str = JSON_MEDIA_TYPE
    extensions: Mapping[str, str] = field(default_factory=dict)
    data: object = None

    def __post_init__(self) -> None:
        for name in (*REQUIRED, *OPTIONAL):
            _check_core(name, getattr(self, name))
        for name, text in self.extensions.items():
            _check_extension_name(name)
            _check_text(name, text)
        if self.time is not None:
            _check_offset(self.time.utcoffset())

    @property
    def expirytime(self) -> datetime | None:
        """When the request expires: the extension of that name. Raises `ContractError` if it is not RFC 3339."""
        text = self.extensions.get("expirytime")
        return None if text is None else timestamp("expirytime", text)


def timestamp(name: str, text: str) -> datetime:
    """Parse an RFC 3339 time, to the microsecond. Raises `ContractError` that names the attribute."""
    try:
        if _RFC_3339.fullmatch(text):
            return datetime.fromisoformat(text.upper())
    except ValueError:
        pass
    raise ContractError(
        Reason.INVALID_FIELD,
        f"`{name}` is {excerpt(text)}, which is not a time of RFC 3339: write it like 2026-11-23T08:15:00Z.",
        field=name,
    )


def shown(name: str) -> str:
    """Return a name from a publisher, shortened and in ASCII, safe for messages and logs."""
    return ascii(name[:40])[1:-1]


def _check_core(name: str, text: str | None) -> None:
    if text == "":
        raise ContractError(Reason.NOT_CLOUDEVENT, f"Attribute `{name}` is empty: fill it in.", field=name)
    if text is not None:
        _check_text(name, text)


def _check_extension_name(name: str) -> None:
    if not _EXTENSION.fullmatch(name) or name in CORE or name == "data":
        raise ContractError(
            Reason.NOT_CLOUDEVENT,
            f"`{shown(name)}` cannot name a CloudEvents extension: use a-z and 0-9 only, and no name that is taken.",
            field=shown(name),
        )


def _check_text(name: str, text: str) -> None:
    field = shown(name)
    if len(text) > ATTRIBUTE_CHARACTERS:
        raise ContractError(
            Reason.TOO_LARGE, f"Attribute `{field}` is over {ATTRIBUTE_CHARACTERS} characters: shorten it.", field=field
        )
    if _FORBIDDEN.search(text):
        raise ContractError(
            Reason.NOT_CLOUDEVENT, f"Attribute `{field}` holds a control character: remove it.", field=field
        )


def _check_offset(offset: timedelta | None) -> None:
    if offset is None or offset % timedelta(minutes=1):
        raise ContractError(Reason.INVALID_FIELD, "`time` needs an offset in whole minutes.", field="time")
