"""TOML files that a site writes: read whole or refused with the line of every mistake."""

from __future__ import annotations

import errno
import re
import reprlib
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from consumer.errors import Fatal
from schemas import Reason

_Content = TypeVar("_Content")

_MOST_BYTES: Final = 4 << 20
_CLOSES: Final = re.compile(r"""\]|\}|\"{3}|'{3}""")
"""In the last line of every statement of several lines."""

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
        text = read_text(file)
        return content.validate_python(tomllib.loads(text), context=context)
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
        lines = _lines_of(text)
        found = sorted((_explain(each, advice, lines) for each in error.errors()), key=lambda each: each[0])
        raise misconfigured("\n".join(f"{file}:{line}: {what}" for line, what in found)) from None
    except ValueError as error:  # of tomllib: a number of thousands of digits
        raise misconfigured(f"{file}: is not TOML that can be read: {error}") from error


def read_text(file: Path | Traversable) -> str:
    """Return a text file that a site writes. Raises `OSError`, also for one of over 4 MiB, and `UnicodeDecodeError`."""
    with file.open("rb") as opened:
        content = opened.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise OSError(errno.EFBIG, f"has more than {_MOST_BYTES >> 20} MiB")
    return content.decode("utf-8-sig")


def misconfigured(message: str) -> Fatal:
    """Return the error of a file that a site has to correct."""
    return Fatal(Reason.MISCONFIGURED, message)


def _explain(error: ErrorDetails, advice: Advice, lines: Mapping[tuple[str, ...], int]) -> tuple[int, str]:
    """Return the line of one of pydantic's errors, and "key: what to do"."""
    path = [str(part) for part in error["loc"] if part != "[key]"]
    what = advice(error, path) or _usual_advice(error, ".".join(path))
    above = (tuple(path[:depth]) for depth in range(len(path), -1, -1))
    return next(lines[each] for each in above if each in lines), ": ".join(filter(None, (".".join(path), what)))


def _usual_advice(error: ErrorDetails, key: str) -> str:
    match error["type"]:
        case "missing":
            return "is missing: add it"
        case "model_type" | "model_attributes_type" | "dict_type":
            return f"is not a table: write [{key}] and its keys below"
        case "advice":
            return error["msg"]
        case _:
            return (
                f"{error['msg'].removeprefix('Input ').removeprefix('String ')}, but is {reprlib.repr(error['input'])}"
            )


def _line_of_syntax(error: tomllib.TOMLDecodeError, text: str) -> int:
    found = re.search(r"at line (\d+)", str(error))
    return int(found[1]) if found else text.count("\n") + 1


def _lines_of(text: str) -> Mapping[tuple[str, ...], int]:
    """Return on which line each key and table begins, by its path. Each statement is read by itself, once."""
    found: dict[tuple[str, ...], int] = {(): 1}
    entries, table, start = Counter[tuple[str, ...]](), tuple[str, ...](), 0
    lines = text.split("\n")
    for end, line in enumerate(lines, start=1):
        if end - start > 1 and not _CLOSES.search(line):
            continue
        try:
            statement = tomllib.loads("\n".join(lines[start:end]))
        except tomllib.TOMLDecodeError:  # it goes on in the next line
            continue
        names, begins = tuple(_names(statement)), lines[start].lstrip()
        if begins.startswith("["):
            path = table = _table(names, entries, is_entry=begins.startswith("[["))
        else:
            path = (*table, *names)
        for depth in range(len(path) + 1):
            found.setdefault(path[:depth], start + 1)
        start = end
    return found


def _names(statement: dict[str, Any]) -> Iterator[str]:
    """Yield the dotted name of the one key or table that a statement has."""
    inside: Any = statement
    while isinstance(inside, dict) and inside:
        name, inside = next(iter(inside.items()))
        yield name


def _table(names: Sequence[str], entries: Counter[tuple[str, ...]], *, is_entry: bool) -> tuple[str, ...]:
    """Return the path of a table; counts the `entries` of lists of tables."""
    path: tuple[str, ...] = ()
    for depth, name in enumerate(names, start=1):
        path = (*path, name)
        entries[path] += is_entry and depth == len(names)
        if entries[path]:
            path = (*path, str(entries[path] - 1))
    return path
