"""One dead letter as text and as JSON. Control characters from outside never reach the terminal."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from consumer.admin.dead_letters.dead_letter import format_time_ms
from consumer.cli.shared import printable
from schemas import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consumer.admin.dead_letters.listing import DeadLetterDetails

VALUE_CHARACTERS = 4000
"""Of a value on the terminal; a file and `--json` get all of it."""


def as_json(details: DeadLetterDetails) -> dict[str, Any]:
    """Return all facts; bytes are `text`, or `base64` where they are not UTF-8."""
    letter, mark, original = details.letter, details.mark, details.letter.original
    reason = _reason(letter.reason)
    return {
        "at": str(letter.at),
        "kept": format_time_ms(letter.kept_ms),
        "state": details.state.value,
        "marked": mark.at if mark else None,
        "reason": letter.reason,
        "meaning": reason.meaning,
        "remedy": reason.remedy,
        "told": dict(letter.facts),
        "original_missing": details.missing,
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


def as_lines(details: DeadLetterDetails) -> Iterator[str]:
    """Yield all facts for a terminal, one per line."""
    for name, text in _facts(details):
        yield f"{name:12} {printable(text)}"


def _facts(details: DeadLetterDetails) -> Iterator[tuple[str, str]]:
    letter, mark, original = details.letter, details.mark, details.letter.original
    reason = _reason(letter.reason)
    yield "letter", f"{letter.at}, kept {format_time_ms(letter.kept_ms)}"
    yield "state", f"{details.state} {mark.at}" if mark else details.state.value
    yield "reason", letter.reason
    yield "", reason.meaning
    yield "remedy", reason.remedy
    for name in ("message", "field", "attempts", "worker-version"):
        if text := letter.facts.get(f"leadart-{name}"):
            yield name.removesuffix("-version"), text
    yield "came from", f"{original.topic} {original.partition}:{original.offset}, {_times(details)}"
    yield "key", _text(original.key)
    for name, value in original.headers:
        yield "header", f"{name}: {_text(value)}"
    yield "value", details.missing or _value(original.value)


def _times(details: DeadLetterDetails) -> str:
    written = f"written {format_time_ms(details.letter.original.timestamp_ms)}"
    first = details.letter.facts.get("leadart-first-seen", "")
    return f"{written}, first tried {format_time_ms(int(first))}" if first.isdecimal() and int(first) else written


def _value(value: bytes | None) -> str:
    text = _text(value)
    more = f" … {len(text) - VALUE_CHARACTERS} more characters: --value-to FILE" if len(text) > VALUE_CHARACTERS else ""
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
    """Return the reason; the contract says to treat a code that this version does not know like a defect."""
    try:
        return Reason(code)
    except ValueError:
        return Reason.INTERNAL
