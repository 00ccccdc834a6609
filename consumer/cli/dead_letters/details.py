"""One dead letter, told to a person or to a program. Nothing from outside reaches the terminal as it came."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from consumer.admin.dead_letters.dead_letter import iso_ms
from consumer.cli.shared import printable
from schemas import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consumer.admin.dead_letters.lookup import DeadLetterDetails

VALUE_CHARACTERS = 4000
"""Of a value on the terminal; a file or `--json` gets it whole."""


def facts(found: DeadLetterDetails) -> dict[str, Any]:
    """Return all about a letter for JSON; bytes are told as `text`, or as `base64` where they are not UTF-8."""
    letter, mark, original = found.letter, found.mark, found.letter.original
    reason = _reason(letter.reason)
    return {
        "at": str(letter.at),
        "kept": iso_ms(letter.kept_ms),
        "state": found.state.value,
        "marked": mark.at if mark else None,
        "reason": letter.reason,
        "meaning": reason.meaning,
        "remedy": reason.remedy,
        "told": dict(letter.told),
        "original_missing": found.missing,
        "original": {
            "topic": original.topic,
            "partition": original.partition,
            "offset": original.offset,
            "timestamp_ms": original.timestamp_ms,
            "key": _bytes(original.key),
            "headers": [[name, _bytes(value)] for name, value in original.headers],
            "value": _bytes(original.value),
        },
    }


def lines(found: DeadLetterDetails) -> Iterator[str]:
    """Yield all about a letter, a line each, for a terminal."""
    for name, text in _told(found):
        yield f"{name:12} {printable(text)}"


def _told(found: DeadLetterDetails) -> Iterator[tuple[str, str]]:
    letter, mark, original = found.letter, found.mark, found.letter.original
    reason = _reason(letter.reason)
    yield "letter", f"{letter.at}, kept {iso_ms(letter.kept_ms)}"
    yield "state", f"{found.state} {mark.at}" if mark else found.state.value
    yield "reason", letter.reason
    yield "", reason.meaning
    yield "remedy", reason.remedy
    for name in ("message", "field", "attempts", "worker-version"):
        if text := letter.told.get(f"leadart-{name}"):
            yield name.removesuffix("-version"), text
    yield "came from", f"{original.topic} {original.partition}:{original.offset}, {_written(found)}"
    yield "key", _text(original.key)
    for name, value in original.headers:
        yield "header", f"{name}: {_text(value)}"
    yield "value", found.missing or _value(original.value)


def _written(found: DeadLetterDetails) -> str:
    written = f"written {iso_ms(found.letter.original.timestamp_ms)}"
    first = found.letter.told.get("leadart-first-seen", "")
    return f"{written}, first tried {iso_ms(int(first))}" if first.isdecimal() and int(first) else written


def _value(value: bytes | None) -> str:
    text = _text(value)
    more = f" … {len(text) - VALUE_CHARACTERS} characters more: --value-to FILE" if len(text) > VALUE_CHARACTERS else ""
    return text[:VALUE_CHARACTERS] + more


def _text(raw: bytes | None) -> str:
    return "none" if raw is None else raw.decode(errors="backslashreplace")


def _bytes(raw: bytes | None) -> dict[str, str] | None:
    if raw is None:
        return None
    try:
        return {"text": raw.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(raw).decode()}


def _reason(code: str) -> Reason:
    """Return the reason; a code that this version does not know is treated like a defect, as the contract says."""
    try:
        return Reason(code)
    except ValueError:
        return Reason.INTERNAL
