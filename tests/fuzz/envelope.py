"""Mutations of what stands around the data: headers, whole events, keys."""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random
from typing import Any, Final

from consumer.kafka.batches import HEADERS
from schemas import names
from tests.fuzz.case import SECRET, Draft, Expect, Raw, encoded
from tests.fuzz.texts import hostile

REQUIRED: Final = ("specversion", "id", "source", "type")
CONTENT_TYPES: Final = (
    b"",
    b" ",
    b"text/plain",
    b"application/avro",
    b"application/jsonp",
    b"application/cloudevents",
    b"application/cloudevents-batch+json",
    b"application/cloudevents+avro",
    b"application/json/x",
    b"json",
    b"\xff\xfe",
    b"application/\x1b[31mred",
    "application/\u202enosj".encode(),
    "application/文".encode(),
    b"x" * 3000,
    b"../../etc/passwd",
)
EXTENSIONS: Final = ("subject", "time", "dataschema", "expirytime", "traceparent", "correlationid", "partitionkey")
ODD_NAMES: Final = (
    b"",
    b"ce_",
    b"ce_data",
    b"ce_a-b",
    b"ce_a b",
    b"ce_\x00",
    b"ce_\x1b[31m",
    "ce_é".encode(),
    "ce_\u202e".encode(),
    b"ce_" + b"x" * 500,
    b"ce_" + b"x" * 20_000,
)
NOT_UTF8_NAMES: Final = (
    b"pr\xe9nom",
    b"\xff",
    b"ce_\xe9",
    b"\xed\xa0\x80",
    SECRET.encode() * 1000 + b"\x80",
    b"\xc0\xaf",
)
SPELLED: Final = ("\u062e\u0628\u0631\u200c\u0647\u0627", "\u0915\u094d\u200d\u0937", "\U0001f469\u200d\U0001f4bb")


def missing_header(dice: Random) -> Raw:
    """Leave out one attribute that CloudEvents requires, or all headers."""
    draft = Draft.fresh(dice)
    if dice.random() < 0.1:
        return replace(draft.binary(), headers=(), expect=Expect.REFUSED)
    return draft.forget(dice.choice(REQUIRED)).binary()


def doubled_header(dice: Random) -> Raw:
    """Tell one attribute twice, in the same spelling or another."""
    raw = replace(Draft.fresh(dice), expect=Expect.REFUSED).binary()
    name, value = dice.choice(raw.headers)
    again = dice.choice([name, name.upper(), name.title(), name.swapcase()])
    return replace(raw, headers=(*raw.headers, (again, dice.choice([value, b"other", b"", None]))))


def casing(dice: Random) -> Raw:
    """Spell header names in any case: that is allowed, and some clients do it."""
    raw = Draft.fresh(dice).binary()
    spell = dice.choice([bytes.upper, bytes.title, bytes.swapcase, bytes.capitalize])
    return replace(raw, headers=tuple((spell(name), value) for name, value in raw.headers))


def header_values(dice: Random) -> Raw:
    """Give a header that counts a value that is empty, null, no UTF-8, huge, or hostile."""
    raw = Draft.fresh(dice).binary()
    place = dice.randrange(len(raw.headers))
    values = (None, b"", b"\xff\xfe", b"\xed\xa0\x80", b"a\x00b", b"x" * 2049, b"x" * 100_000, b"\n", b"\xc2\x85")
    changed = list(raw.headers)
    changed[place] = (changed[place][0], dice.choice(values))
    return replace(raw, headers=tuple(changed), expect=Expect.EITHER if place == 0 else Expect.REFUSED)


def hostile_attributes(dice: Random) -> Raw:
    """Put a hostile text into an attribute; the id stays like no other."""
    draft, name = Draft.fresh(dice), dice.choice([*REQUIRED, *EXTENSIONS])
    text = hostile(dice) + (draft.event_id if name == "id" else "")
    changed = replace(draft.tell(name, text), expect=Expect.EITHER)
    return changed.structured() if dice.random() < 0.4 and _whole(text) else changed.binary()


def _whole(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def content_types(dice: Random) -> Raw:
    """Promise something else than what the value is."""
    draft = replace(Draft.fresh(dice), expect=Expect.EITHER)
    raw = draft.either_mode(dice)
    return replace(raw, headers=((b"content-type", dice.choice(CONTENT_TYPES)), *raw.headers[1:]))


def mixed_modes(dice: Random) -> Raw:
    """Send headers of one mode with the value of the other."""
    draft = Draft.fresh(dice)
    binary, whole = draft.binary(), draft.structured()
    if dice.random() < 0.5:  # headers beside a whole event are copies and do not count
        return replace(whole, headers=(*whole.headers, *binary.headers[1:]))
    pairs = [(binary.value, whole.headers), (whole.value, binary.headers)]
    value, headers = dice.choice(pairs)
    return Raw(draft.key, value, headers, Expect.REFUSED)


def odd_names(dice: Random) -> Raw:
    """Add headers whose names cannot name an attribute."""
    name, value = dice.choice(ODD_NAMES), dice.choice([b"x", b"x", b"a\x00b", b"x" * 3000, b"\xff", None])
    # A long name is a valid one, so long as it is made of a-z and 0-9.
    allowed = not name.startswith(b"ce_") or (b"xx" in name and value == b"x")
    return replace(
        Draft.fresh(dice), extra=((name, value),), expect=Expect.READY if allowed else Expect.REFUSED
    ).binary()


def names_not_utf8(dice: Random) -> Raw:
    """Add a header whose name is no UTF-8, as C clients can write it."""
    name = dice.choice(NOT_UTF8_NAMES)
    expect = Expect.REFUSED if name.startswith(b"ce_") else Expect.READY
    return replace(Draft.fresh(dice), extra=((name, SECRET.encode()),), expect=expect).binary()


def long_name_not_utf8(dice: Random) -> Raw:
    """Add a header with a name of 50 KB that is no UTF-8."""
    return replace(Draft.fresh(dice), extra=((SECRET.encode() * 5000 + b"\x80", b"x"),)).binary()


def strangers(dice: Random) -> Raw:
    """Add headers that are nobody's business: many, huge, null, hostile. Too many of them are not read."""
    bulk: tuple[tuple[bytes, bytes | None], ...]
    match dice.randrange(4):
        case 0:
            bulk = tuple((b"x-%d" % number, b"y") for number in range(dice.randrange(100, 3000)))
        case 1:
            bulk = ((b"x-huge", SECRET.encode() * dice.randrange(1000, 20_000)),)
        case 2:
            bulk = ((b"x-null", None), (b"x-empty", b""), (b"x-bytes", dice.randbytes(64)))
        case _:
            bulk = ((encoded(hostile(dice)).decode(errors="ignore").encode() or b"x", encoded(hostile(dice))),)
    raw = replace(Draft.fresh(dice), extra=bulk).binary()
    return replace(raw, expect=Expect.READY if len(raw.headers) <= HEADERS else Expect.REFUSED)


def forged(dice: Random) -> Raw:
    """Carry headers that only the worker writes, so that a dead letter could lie about where it came from."""
    lies = {"topic": "elsewhere", "partition": "0", "offset": "0", "reason": "internal", "attempts": "99"}
    told = tuple((f"leadart-{name}".encode(), text.encode()) for name, text in lies.items())
    draft = replace(Draft.fresh(dice), extra=told)
    return replace(draft, key=b"other", expect=Expect.REFUSED).binary() if dice.random() < 0.8 else draft.binary()


def newer_types(dice: Random) -> Raw:
    """Name another type or version of event."""
    prefix = names.TYPE_PREFIX
    kinds = ("requested.v2", "requested.v99999999999999999999", "requested", "requested.v0", "ready.v1", "failed.v1")
    others = (*(prefix + kind for kind in kinds), "com.example.saved", names.IMAGE_REQUESTED.upper())
    draft = Draft.fresh(dice).tell("type", dice.choice(others))
    return replace(draft, expect=Expect.REFUSED).either_mode(dice)


def whole_events(dice: Random) -> Raw:
    """Break the envelope of a whole event: members of wrong types, data told twice or not at all."""
    draft = replace(Draft.fresh(dice), expect=Expect.REFUSED)
    member: tuple[str, Any] = dice.choice(
        [
            ("data_base64", "eyJ9"),
            ("data_base64", 7),
            ("data", None),
            ("data", "text"),
            ("data", []),
            ("specversion", 1.0),
            ("specversion", "0.3"),
            ("id", 7),
            ("id", ""),
            ("source", None),
            ("source", {"a": 1}),
            ("type", ["x"]),
            ("time", "yesterday"),
            ("time", 7),
            ("datacontenttype", "text/plain"),
            ("datacontenttype", True),
            ("an extension", "x"),
            ("x", {"nested": SECRET}),
            ("x", 1.5),
            ("expirytime", "soon"),
        ]
    )
    return replace(draft, members=(member,)).structured()


def keys(dice: Random) -> Raw:
    """Another key than the article's id."""
    draft = Draft.fresh(dice)
    own = draft.key or b""
    others = (
        None,
        b"",
        b"other",
        own + b"\n",
        b" " + own,
        own.upper(),
        own.decode().encode("utf-16"),
        b"\xff\xfe",
        b"../../etc/passwd",
        b"\x00",
        b"\x1b[31m",
        "\u202e".encode(),
        b"k" * 201,
        b"k" * 100_000,
        dice.randbytes(16),
    )
    return replace(draft, key=dice.choice(others), expect=Expect.REFUSED).either_mode(dice)


def wrapped(dice: Random) -> Raw:
    """Leave a serializer's wrapping around key, value or attribute: quotation marks, envelope, magic byte."""
    draft = replace(Draft.fresh(dice), expect=Expect.REFUSED)
    wrap = dice.choice([_quoted, _enveloped, _marked])
    match dice.randrange(3):
        case 0:
            return replace(draft, key=wrap((draft.key or b"").decode()).encode()).either_mode(dice)
        case 1:
            text = wrap(json.dumps(draft.data)).encode()
            return draft.binary(dice.choice([text, b"\x00\x00\x00\x00\x07" + text]))
        case _:
            name = dice.choice(REQUIRED)
            return draft.tell(name, wrap(dict(draft.attributes)[name])).either_mode(dice)


def _quoted(text: str) -> str:
    return json.dumps(text)


def _enveloped(text: str) -> str:
    return json.dumps({"schema": {"type": "string", "optional": False}, "payload": text})


def _marked(text: str) -> str:
    return f"\ufeff{text}"


def joined_ids(dice: Random) -> Raw:
    """Article ids that are spelled with zero-width joiners, as Persian and Indic words are: allowed."""
    draft = Draft.fresh(dice)
    told = f"{dice.choice(SPELLED)}-{dice.randrange(100)}"
    data = {**draft.data, "article": {**draft.data["article"], "id": told}}
    return replace(draft, data=data, key=told.encode()).either_mode(dice)


def path_ids(dice: Random) -> Raw:
    """Article ids that look like paths: allowed, and must never become one."""
    draft = Draft.fresh(dice)
    paths = ("../../etc/passwd", "/etc/shadow", "..", "a/../../b", "%2e%2e%2f", "pictures/x.png", "C:\\x", "s3://b/k")
    told = f"{dice.choice(paths)}"
    data = {**draft.data, "article": {**draft.data["article"], "id": told}}
    return replace(draft, data=data, key=told.encode()).either_mode(dice)
