"""Word lists: text files beside a policy, one word, name or phrase a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError, ValidationInfo
from pydantic_core import InitErrorDetails, PydanticCustomError

from consumer.processing.policy.words import WordList, fold
from consumer.processing.styles import Styles
from consumer.settings.toml_files import read_text

_MOST_LINES: Final = 200_000
_LONGEST_ENTRY: Final = 200
_MISTAKES_NAMED: Final = 20
_INVISIBLE: Final = "has no visible character: remove it"


@dataclass(frozen=True, slots=True)
class PolicyContext:
    """What a policy file is checked against: where its word lists are, and the site's styles."""

    folder: Path
    styles: Styles


@dataclass(frozen=True, slots=True)
class ListFile:
    """A word list and the file that it was read from."""

    path: Path
    words: WordList


def wrong(advice: str) -> PydanticCustomError:
    """Return a mistake with what to do about it; braces in what a person wrote are no placeholders."""
    return PydanticCustomError("advice", "{advice}", {"advice": advice})


def read_list(name: object, info: ValidationInfo) -> ListFile:
    """Read the list of that file name; blank lines and lines that begin with # are skipped."""
    context: Any = info.context
    if not isinstance(name, str):
        raise wrong('must be the name of a file beside the policy, such as "words/courts.txt"')
    path: Path = context.folder / name
    try:
        lines = read_text(path).splitlines()
    except OSError as error:
        raise wrong(f"names {path}, which cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise wrong(f"names {path}, whose line {line} is not UTF-8: save the file in that encoding") from error
    except ValueError as error:
        raise wrong(f"is no name of a file: {error}") from error
    if not lines:
        raise wrong(f"names {path}, which is empty: write its entries, or a line that begins with #")
    if len(lines) > _MOST_LINES:
        raise wrong(f"names {path}, which has more than {_MOST_LINES} lines: split it")
    if mistakes := list(islice(_mistakes(path, lines), _MISTAKES_NAMED)):
        errors = [InitErrorDetails(type=each, loc=(), input=name) for each in mistakes]
        raise ValidationError.from_exception_data("list", errors)
    return ListFile(path, WordList(entry for _, entry in _entries(lines)))


def _entries(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    stripped = ((number, line.strip()) for number, line in enumerate(lines, start=1))
    yield from ((number, entry) for number, entry in stripped if entry and not entry.startswith("#"))


def _mistakes(path: Path, lines: Sequence[str]) -> Iterator[PydanticCustomError]:
    for number, entry in _entries(lines):
        subject = f"names {path}, whose line {number}"
        if len(entry) > _LONGEST_ENTRY:
            yield wrong(f"{subject} is longer than {_LONGEST_ENTRY} characters")
        elif not _is_visible(entry):
            yield wrong(f"{subject} {_INVISIBLE}")


def visible(entry: str) -> str:
    """Return an entry of a list, of which something can be seen."""
    if not _is_visible(entry):
        raise wrong(_INVISIBLE)
    return entry


def _is_visible(entry: str) -> bool:
    return bool(fold(entry).strip())
