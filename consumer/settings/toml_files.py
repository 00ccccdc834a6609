"""TOML files that a site writes: read whole or refused with the line of every mistake."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Sequence
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from consumer.errors import Fatal
from schemas import Reason

_Content = TypeVar("_Content")

Advice = Callable[[ErrorDetails, Sequence[str]], str | None]
"""What to do about one of pydantic's errors at a path of keys, for errors that a file knows more about; else None."""


def load_toml(
    file: Path | Traversable, setting: str, content: TypeAdapter[_Content], advice: Advice, context: object = None
) -> _Content:
    """Read the file. A mistake of a validator's own is a `PydanticCustomError` of type "advice".

    Raises `Fatal` whose message has, for every mistake, the file, the line, the key and what to do. `setting` is the
    variable that names the file. `context` is what validators check it against.
    """
    try:
        text = file.read_bytes().decode("utf-8-sig")
        document = tomllib.loads(text)
        return content.validate_python(document, context=context)
    except OSError as error:
        raise misconfigured(f"{file}: {error.strerror}: let {setting} name a readable file") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise misconfigured(f"{file}:{line}: is not UTF-8: save the file in that encoding") from error
    except RecursionError as error:
        raise misconfigured(f"{file}: is nested too deeply: write its tables and lists beside each other") from error
    except tomllib.TOMLDecodeError as error:
        raise misconfigured(f"{file}:{_line_of_syntax(error, text)}: is not TOML here: {error}") from error
    except ValidationError as error:
        found = sorted((_explain(each, advice, text, document) for each in error.errors()), key=lambda each: each[0])
        raise misconfigured("\n".join(f"{file}:{line}: {what}" for line, what in found)) from None


def misconfigured(message: str) -> Fatal:
    """Return the error of a file that a site has to correct."""
    return Fatal(Reason.MISCONFIGURED, message)


def _explain(error: ErrorDetails, advice: Advice, text: str, document: dict[str, Any]) -> tuple[int, str]:
    """Return the line of one of pydantic's errors, and "key: what to do"."""
    path = [str(part) for part in error["loc"] if part != "[key]"]
    what = advice(error, path) or _usual_advice(error, ".".join(path))
    return _line_of(path, text, document), ": ".join(filter(None, (".".join(path), what)))


def _usual_advice(error: ErrorDetails, key: str) -> str:
    match error["type"]:
        case "missing":
            return "is missing: add it"
        case "model_type" | "model_attributes_type" | "dict_type":
            return f"is not a table: write [{key}] and its keys below"
        case "advice":
            return error["msg"]
        case _:
            return f"{error['msg'].removeprefix('Input ').removeprefix('String ')}, but is {error['input']!r}"


def _line_of_syntax(error: tomllib.TOMLDecodeError, text: str) -> int:
    found = re.search(r"at line (\d+)", str(error))
    return int(found[1]) if found else text.count("\n") + 1


def _line_of(path: Sequence[str], text: str, document: dict[str, Any]) -> int:
    """Return the line where the key at `path`, or the nearest table above it, begins.

    It is the first line with which the file, read up to there, has the key. A value of several lines is no TOML before
    its last line, so the line sought is the one after the last one without the key that could be read.
    """
    known = _existing(path, document)
    if not known:
        return 1
    before = 0
    lines = text.split("\n")
    for count in range(1, len(lines) + 1):
        try:
            part = tomllib.loads("\n".join(lines[:count]))
        except tomllib.TOMLDecodeError:
            continue
        if len(_existing(known, part)) == len(known):
            return before + 1
        before = count
    return before


def _existing(path: Sequence[str], document: Any) -> Sequence[str]:
    """Return the part of `path` that exists in the document."""
    for depth, key in enumerate(path):
        inside = {str(place): entry for place, entry in enumerate(document)} if isinstance(document, list) else document
        if not isinstance(inside, dict) or key not in inside:
            return path[:depth]
        document = inside[key]
    return path
