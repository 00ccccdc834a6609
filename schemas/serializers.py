"""What a serializer leaves around or instead of a text: recognised, so that a message can name it."""

import json
from itertools import takewhile
from typing import Final, TypeGuard

BYTE_ORDER_MARK: Final = "\ufeff"
CONNECT_ENVELOPE: Final = (
    "is a Kafka Connect envelope of `schema` and `payload`: set `value.converter.schemas.enable=false`, and for a "
    "payload that is text already, StringConverter as `value.converter`"
)
"""What is said of a value that JsonConverter wrote with its schema."""

EXCERPT: Final = 40
"""How many characters of a text from outside a message repeats."""
_LEAD: Final = 10
_SIGNATURES: Final = (
    (b"\xef\xbb\xbf", "starts with a byte order mark (EF BB BF)"),
    (b"\xff\xfe\x00\x00", "starts with UTF-32's byte order mark (FF FE 00 00)"),
    (b"\xff\xfe", "starts with UTF-16's byte order mark (FF FE)"),
    (b"\xfe\xff", "starts with UTF-16's byte order mark (FE FF)"),
    (b"Obj\x01", "is an Avro file"),
    (b"\xac\xed\x00\x05", "is a serialised Java object (AC ED)"),
    (b"\xc3\x01", "is a single object of Avro (C3 01)"),
)
_CODECS: Final = (
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"\x82SNAPPY\x00", "snappy"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"BZh91AY&SY", "bzip2"),
    (b"x\x9c", "zlib"),
    (b"x\xda", "zlib"),
)


def signature(raw: bytes) -> str | None:
    """Return what the first bytes give away, as the rest of a sentence; None if they look like text."""
    for start, what in _SIGNATURES:
        if raw.startswith(start):
            return what
    for start, codec in _CODECS:
        if raw.startswith(start):
            magic = start[:4].hex(" ").upper()
            return f"is compressed with {codec} ({magic}), beside the producer's own `compression.type`"
    if _alternates_with_nul(raw):
        return "is UTF-16"
    if raw.startswith(b"\x00") and len(raw) > 5:
        schema_id = int.from_bytes(raw[1:5])
        return f"starts with the magic byte of Avro and other schema registry formats (0, then schema id {schema_id})"
    return None


def _alternates_with_nul(raw: bytes) -> bool:
    even, odd = raw[0:4:2], raw[1:4:2]
    return (even == b"\x00\x00" and len(odd) == 2 and 0 not in odd) or (odd == b"\x00\x00" and 0 not in even)


def is_envelope(document: object) -> TypeGuard[dict[str, object]]:
    """Return whether a document is what Kafka Connect's JsonConverter writes with `schemas.enable`."""
    return isinstance(document, dict) and document.keys() == {"schema", "payload"}


def unquoted(text: str) -> str | None:
    """Return the text inside a JSON string or a Connect envelope; None for text that is neither."""
    if text[:1] not in {'"', "{"}:
        return None
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if is_envelope(document):
        payload = document["payload"]
        return str(payload) if isinstance(payload, str | int) else None
    return document if isinstance(document, str) else None


def plain(text: str) -> str:
    """Return a text without the byte order mark, quotation marks or envelope that a serializer put around it."""
    bare = text.removeprefix(BYTE_ORDER_MARK)
    return bare if (inner := unquoted(bare)) is None else inner


def excerpt(text: str | bytes, start: int = 0, *, most: int = EXCERPT) -> str:
    """Return characters from `start`, quoted and in ASCII, safe for messages and logs; `...` for what is left out."""
    end = start + most
    return f"{'...' * bool(start)}{text[start:end]!a}{'...' * (len(text) > end)}"


def side_by_side(one: str, other: str) -> tuple[str, str]:
    """Return excerpts of two texts, of long ones from where they begin to differ."""
    if max(len(one), len(other)) <= EXCERPT:
        return excerpt(one), excerpt(other)
    alike = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
    start = max(alike - _LEAD, 0)
    return excerpt(one, start), excerpt(other, start)
