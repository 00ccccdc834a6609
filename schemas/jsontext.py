"""JSON as the contract requires it: UTF-8, finite numbers, whole characters, bounded depth."""

import json
import math
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

from pydantic_core import from_json

from schemas.reasons import ContractError, Reason
from schemas.serializers import signature

_HALF: Final = re.compile("[\ud800-\udfff]")
_PERHAPS_INFINITE: Final = re.compile(rb"[0-9]{309}|[eE]\+?0*[1-9][0-9]{2}")
_DEEPEST: Final = 4
_NAME: Final = re.compile(r"\w{1,40}", re.ASCII)


def parse_json(value: bytes) -> object:
    """Parse one JSON document. Raises only `ContractError`.

    Its reason is `not_utf8`, `not_json`, or `invalid_field` for a string with half a character or a number such as
    1e999, whose field it names. Stricter than the standard library's parser, which accepts NaN, 1e999, UTF-16 and lone
    surrogates, and whose error for deep nesting is not a ValueError.
    """
    try:
        value.decode()
    except UnicodeDecodeError as error:
        what = f"is not UTF-8 at byte {error.start}: encode it as UTF-8" if error.start else _binary(value)
        raise _unreadable(value, Reason.NOT_UTF8, what) from None
    if not value.strip():
        raise ContractError(Reason.NOT_JSON, "The value is empty: send one JSON document.")
    place = None
    try:
        document = from_json(value, allow_inf_nan=False)
    except ValueError as error:
        with suppress(RecursionError):
            place = _place(parse_leniently(value), _is_half)
        if place is not None:
            raise ContractError(
                Reason.INVALID_FIELD,
                f"`{place}` holds half a character: cut text between characters, not within one.",
                field=place,
            ) from None
        what = f"is not JSON ({error}): send one JSON document, or the content type that it has"
        raise _unreadable(value, Reason.NOT_JSON, what) from None
    if _PERHAPS_INFINITE.search(value) and (place := _place(document, _is_infinite)) is not None:
        raise ContractError(Reason.INVALID_FIELD, f"`{place}` is not a finite number.", field=place)
    return document


def _binary(value: bytes) -> str:
    return f"starts with {value[:4].hex(' ').upper()}, as binary formats such as MessagePack do: send JSON, in UTF-8"


def _unreadable(value: bytes, reason: Reason, otherwise: str) -> ContractError:
    known = signature(value)
    return ContractError(reason, f"The value {otherwise if known is None else f'{known}: send JSON alone, in UTF-8'}.")


def parse_leniently(value: bytes) -> object:
    """Parse a document with lone surrogates or numbers beyond a float's, as far as it may; None for any other."""
    if b"\\ud" not in value.lower() and not _PERHAPS_INFINITE.search(value):
        return None
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


def _members(document: object) -> Iterable[tuple[object, object]]:
    if isinstance(document, dict):
        return document.items()
    return enumerate(document) if isinstance(document, list) else ()


def _is_half(part: object) -> bool:
    return isinstance(part, str) and _HALF.search(part) is not None


def _is_infinite(part: object) -> bool:
    return isinstance(part, float) and math.isinf(part)


def _place(document: object, is_wrong: Callable[[object], bool], place: str = "data") -> str | None:
    """Return the dotted path of the first part that is wrong, as far as its names are plain; None if none is."""
    if is_wrong(document):
        return place
    for name, member in _members(document):
        if is_wrong(name):
            return place
        plain = _NAME.fullmatch(str(name)) and place.count(".") < _DEEPEST
        within = place if not plain else str(name) if place == "data" else f"{place}.{name}"
        if (found := _place(member, is_wrong, within)) is not None:
            return found
    return None


def dump_json(data: object) -> bytes:
    """Serialise compactly as UTF-8. Raises ValueError or TypeError for values that JSON cannot represent."""
    return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
