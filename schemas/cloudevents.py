"""CloudEvents 1.0 on Kafka: read binary and structured records, write binary ones.

Implements the specification's Kafka protocol binding and JSON event format. As specified, the `content-type` header
alone decides the mode. The record key is not checked here.
"""

import base64
import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Final

from schemas.event import CARRIED, CORE, JSON_MEDIA_TYPE, OPTIONAL, REQUIRED, Event, shown, timestamp
from schemas.jsontext import dump_json, parse_json
from schemas.reasons import ContractError, Reason
from schemas.serializers import BYTE_ORDER_MARK, CONNECT_ENVELOPE, excerpt, is_envelope, unquoted

__all__ = [
    "ENVELOPE_MEDIA_TYPE",
    "EVENT_BYTES",
    "JSON_MEDIA_TYPE",
    "Event",
    "Headers",
    "attribute_name",
    "is_json",
    "read",
    "write",
]

Headers = Iterable[tuple[str, bytes | None]]
"""Record headers as Kafka clients return them; a header may have no value."""

EVENT_BYTES: Final = 64 * 1024
"""Size limit of a record's value: what CloudEvents requires every hop to forward."""
ENVELOPE_MEDIA_TYPE: Final = "application/cloudevents+json"
READ: Final = (CORE - {"subject"}) | {"expirytime", *CARRIED}
"""The attributes that a worker reads: their text is copied or compared, so it has to be what the publisher means."""
CONTENT_TYPES: Final = ("content-type", "ce_datacontenttype")
"""The headers that set `datacontenttype`."""
_OTHER_TRANSPORT: Final = re.compile(r"(ce-|cloudevents[:_])[a-z0-9]+", re.IGNORECASE)
"""How attributes are spelled in HTTP and AMQP."""


def read(headers: Headers, value: bytes | None) -> Event:
    """Read a record in either mode. Raises only `ContractError`, for a record that is not a CloudEvent."""
    headers = list(headers)
    attributes = _from_headers(headers)
    if value is None:
        raise ContractError(Reason.TOMBSTONE, "The record has no value: send the event's data as the value.")
    if len(value) > EVENT_BYTES:
        raise ContractError(
            Reason.TOO_LARGE,
            f"The value is {len(value)} bytes: send at most {EVENT_BYTES}, only the text that the picture needs.",
        )
    content_type = attributes.get("datacontenttype", JSON_MEDIA_TYPE)
    _check_plain("datacontenttype", content_type)
    if content_type.lower().startswith("application/cloudevents"):
        return _structured(content_type, value)
    _check_required(attributes, headers)
    return _event(attributes, parse_json(value) if is_json(content_type) else value)


def write(event: Event) -> tuple[list[tuple[str, bytes]], bytes]:
    """Return an event in binary mode: headers and value.

    `content-type` is always set, and the value is never null: nothing written is taken for a tombstone.
    """
    attributes = {
        "content-type": event.datacontenttype,
        "ce_specversion": "1.0",
        **{f"ce_{name}": getattr(event, name) for name in (*REQUIRED, "subject", "dataschema")},
        "ce_time": event.time.isoformat().replace("+00:00", "Z") if event.time else None,
        **{f"ce_{name}": text for name, text in sorted(event.extensions.items())},
    }
    headers = [(name, text.encode()) for name, text in attributes.items() if text is not None]
    return headers, event.data if isinstance(event.data, bytes) else dump_json(event.data)


def attribute_name(header: str) -> str | None:
    """Return the CloudEvents attribute that a header sets; None for any other header.

    Header names are lower-cased, because some clients title-case them; two spellings of one attribute are a duplicate.
    """
    name = header.lower()
    if name == "content-type":
        return "datacontenttype"
    return name.removeprefix("ce_") if name.startswith("ce_") else None


def is_json(content_type: str) -> bool:
    """Return whether a content type is JSON: `*/json` or `*/*+json`, ignoring parameters."""
    return _media_type(content_type).endswith(("/json", "+json"))


def _media_type(content_type: str) -> str:
    return content_type.split(";", 1)[0].strip().lower()


def _from_headers(headers: Headers) -> dict[str, str]:
    texts: dict[str, str] = {}
    for header, raw in headers:
        name = attribute_name(header)
        if name is None:
            continue
        if header.lower() in texts:
            raise ContractError(
                Reason.DUPLICATE_HEADER,
                f"Two headers set attribute `{shown(name)}`: send it once.",
                field=shown(header),
            )
        texts[header.lower()] = _header_text(header, raw)
    _check_content_types(texts)
    return {name: text for header, text in texts.items() if (name := attribute_name(header)) is not None}


def _check_content_types(texts: Mapping[str, str]) -> None:
    """Check that both headers agree: some clients (SmallRye's and JavaScript's) send the content type in each."""
    if len({texts[header] for header in CONTENT_TYPES if header in texts}) > 1:
        first, second = CONTENT_TYPES
        raise ContractError(
            Reason.DUPLICATE_HEADER,
            f"Headers `{first}` and `{second}` differ, {excerpt(texts[first])} and {excerpt(texts[second])}: send the "
            "first alone, or both alike.",
            field=second,
        )


def _header_text(header: str, raw: bytes | None) -> str:
    if raw is None:
        raise ContractError(
            Reason.NOT_CLOUDEVENT,
            f"Header `{shown(header)}` has no value: set it or leave it out.",
            field=shown(header),
        )
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise ContractError(
            Reason.NOT_UTF8,
            f"Header `{shown(header)}` is {excerpt(raw)}, which is not UTF-8: encode it as UTF-8.",
            field=shown(header),
        ) from None


def _structured(content_type: str, value: bytes) -> Event:
    if _media_type(content_type) != ENVELOPE_MEDIA_TYPE:
        raise ContractError(
            Reason.NOT_CLOUDEVENT,
            f"`content-type` is {excerpt(content_type)}, a CloudEvents format other than `{ENVELOPE_MEDIA_TYPE}`: send "
            "that, singly.",
            field="content-type",
        )
    document = parse_json(value)
    if not isinstance(document, dict):
        raise ContractError(
            Reason.NOT_CLOUDEVENT,
            "`content-type` promises a whole CloudEvent, but the value is no JSON object: send the event, or send the "
            f"data alone as `{JSON_MEDIA_TYPE}` with `ce_` headers.",
            field="content-type",
        )
    if is_envelope(document):
        raise ContractError(Reason.NOT_CLOUDEVENT, f"The value {CONNECT_ENVELOPE}.", field="schema")
    attributes = _from_members(document)
    _check_required(attributes)
    return _event(attributes, _data(document, attributes.get("datacontenttype", JSON_MEDIA_TYPE)))


def _from_members(document: Mapping[str, object]) -> dict[str, str]:
    return {
        name: _member_text(name, member)
        for name, member in document.items()
        if name not in {"data", "data_base64"} and member is not None
    }


def _member_text(name: str, member: object) -> str:
    if isinstance(member, str):
        return member
    if name in CORE or not isinstance(member, int):
        raise ContractError(
            Reason.NOT_CLOUDEVENT,
            f"Attribute `{shown(name)}` has the wrong type: write it as a JSON string.",
            field=shown(name),
        )
    return json.dumps(member)


def _data(document: Mapping[str, object], content_type: str) -> object:
    data, encoded = document.get("data"), document.get("data_base64")
    if encoded is not None:
        if data is not None:
            raise ContractError(
                Reason.NOT_CLOUDEVENT, "The event has both `data` and `data_base64`: send one.", field="data_base64"
            )
        raw = _decoded(encoded)
        return parse_json(raw) if is_json(content_type) else raw
    if is_json(content_type):
        return data
    if not isinstance(data, str):
        raise ContractError(Reason.NOT_CLOUDEVENT, "`data` is not the text that `datacontenttype` says.", field="data")
    return data.encode()


def _decoded(encoded: object) -> bytes:
    if isinstance(encoded, str):
        with suppress(ValueError):
            return base64.b64decode(encoded, validate=True)
    raise ContractError(
        Reason.NOT_CLOUDEVENT, "`data_base64` is not Base64: encode it, or send `data`.", field="data_base64"
    )


def _check_required(attributes: Mapping[str, str], headers: Headers = ()) -> None:
    for name in ("specversion", *REQUIRED):
        if name not in attributes:
            other = next((shown(header) for header, _ in headers if _OTHER_TRANSPORT.fullmatch(header)), None)
            raise ContractError(
                Reason.NOT_CLOUDEVENT,
                f"CloudEvents attribute `{name}` is missing: send it as header `ce_{name}`"
                + (f", not as another transport does (`{other}`)" if other else "")
                + f", or send the whole event with `content-type: {ENVELOPE_MEDIA_TYPE}`.",
                field=name,
            )
    for name in READ & attributes.keys():
        _check_plain(name, attributes[name])
    if attributes["specversion"] != "1.0":
        raise ContractError(
            Reason.NOT_CLOUDEVENT,
            f"`specversion` is {excerpt(attributes['specversion'])}, not '1.0': send CloudEvents 1.0.",
            field="specversion",
        )


def _check_plain(name: str, text: str) -> None:
    """Check that a serializer put nothing around the text: with it, an outcome's `request_id` would match nothing."""
    if text.startswith(BYTE_ORDER_MARK):
        what = "starts with a byte order mark: send it without"
    elif text.startswith('"') and unquoted(text) is not None:
        what = "is JSON-quoted: send the text alone (Spring: set the header as String, not as UUID or URI)"
    elif unquoted(text) is not None:
        what = "is a Kafka Connect envelope: send its payload alone (`header.converter` SimpleHeaderConverter)"
    else:
        return
    raise ContractError(Reason.NOT_CLOUDEVENT, f"Attribute `{name}` is {excerpt(text)}, which {what}.", field=name)


def _event(attributes: Mapping[str, str], data: object) -> Event:
    return Event(
        **{name: attributes[name] for name in (*REQUIRED, *OPTIONAL) if name in attributes},
        time=timestamp("time", attributes["time"]) if "time" in attributes else None,
        extensions={name: text for name, text in attributes.items() if name not in CORE},
        data=data,
    )
