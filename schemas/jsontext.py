"""JSON as the contract wants it: UTF-8, finite numbers, whole characters, bounded depth."""

from __future__ import annotations

import json

from pydantic_core import from_json

from schemas.reasons import ContractError, Reason


def parse_json(value: bytes) -> object:
    """Parse one JSON document. Raises `ContractError` (`not_utf8`, `not_json`) and nothing else.

    Stricter than the standard library's parser, which takes NaN, UTF-16 and lone surrogates, and whose error for deep
    nesting is no ValueError.
    """
    try:
        value.decode()
    except UnicodeDecodeError as error:
        raise ContractError(
            Reason.NOT_UTF8, f"The value is not UTF-8 at byte {error.start}: encode it as UTF-8."
        ) from None
    try:
        return from_json(value, allow_inf_nan=False)
    except ValueError as error:
        raise ContractError(
            Reason.NOT_JSON,
            f"The value is not JSON ({error}): send one JSON document, or the content type that it has.",
        ) from None


def dump_json(data: object) -> bytes:
    """Serialise compactly as UTF-8. Raises ValueError or TypeError for what JSON cannot hold."""
    return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
