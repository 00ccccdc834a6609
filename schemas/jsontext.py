"""JSON as the contract requires it: UTF-8, finite numbers, whole characters, bounded depth."""

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from pydantic_core import from_json

from schemas.reasons import ContractError, Reason
from schemas.serializers import signature

_HALF: Final = re.compile("[\ud800-\udfff]")
_DEEPEST: Final = 4
_NAME: Final = re.compile(r"\w{1,40}", re.ASCII)


def parse_json(value: bytes) -> object:
    """Parse one JSON document. Raises only `ContractError`.

    Its reason is `not_utf8`, `not_json`, or `invalid_field` for a string with half a character, whose field it names.
    Stricter than the standard library's parser, which accepts NaN, UTF-16 and lone surrogates, and whose error for deep
    nesting is not a ValueError.
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
        return from_json(value, allow_inf_nan=False)
    except ValueError as error:
        with suppress(RecursionError):
            place = _half_character(parse_with_halves(value))
        if place is not None:
            raise ContractError(
                Reason.INVALID_FIELD,
                f"`{place}` holds half a character: cut text between characters, not within one.",
                field=place,
            ) from None
        what = f"is not JSON ({error}): send one JSON document, or the content type that it has"
        raise _unreadable(value, Reason.NOT_JSON, what) from None


def _binary(value: bytes) -> str:
    return f"starts with {value[:4].hex(' ').upper()}, as binary formats such as MessagePack do: send JSON, in UTF-8"


def _unreadable(value: bytes, reason: Reason, otherwise: str) -> ContractError:
    known = signature(value)
    return ContractError(reason, f"The value {otherwise if known is None else f'{known}: send JSON alone, in UTF-8'}.")


def parse_with_halves(value: bytes) -> object:
    """Parse a document whose strings may contain lone surrogates; None for any other document."""
    if b"\\ud" not in value.lower():
        return None
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


def _members(document: object) -> Iterable[tuple[object, object]]:
    if isinstance(document, dict):
        return document.items()
    return enumerate(document) if isinstance(document, list) else ()


def _half_character(document: object, place: str = "data") -> str | None:
    """Return the dotted path of the first string with a lone surrogate, as far as its names are plain; None if none."""
    if isinstance(document, str):
        return place if _HALF.search(document) else None
    for name, member in _members(document):
        if _HALF.search(str(name)):
            return place
        plain = _NAME.fullmatch(str(name)) and place.count(".") < _DEEPEST
        within = place if not plain else str(name) if place == "data" else f"{place}.{name}"
        if (found := _half_character(member, within)) is not None:
            return found
    return None


def dump_json(data: object) -> bytes:
    """Serialise compactly as UTF-8. Raises ValueError or TypeError for values that JSON cannot represent."""
    return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
