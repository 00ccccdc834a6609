"""Word lists: text files beside a policy, one word, name or phrase a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationInfo
from pydantic_core import PydanticCustomError

from consumer.processing.policy.words import WordList, fold
from consumer.processing.styles import Styles

_MOST_LINES: Final = 200_000
_LONGEST_ENTRY: Final = 200


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
        lines = path.read_bytes().decode("utf-8-sig").splitlines()
    except OSError as error:
        raise wrong(f"names {path}, which cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise wrong(f"names {path}, whose line {line} is not UTF-8: save the file in that encoding") from error
    except ValueError as error:
        raise wrong(f"is no name of a file: {error}") from error
    return ListFile(path, WordList(_entries(path, lines)))


def _entries(path: Path, lines: Sequence[str]) -> Iterator[str]:
    if len(lines) > _MOST_LINES:
        raise wrong(f"names {path}, which has more than {_MOST_LINES} lines: split it")
    for number, line in enumerate(lines, start=1):
        entry = line.strip()
        if entry.startswith("#"):
            continue
        if len(entry) > _LONGEST_ENTRY:
            raise wrong(f"names {path}, whose line {number} is longer than {_LONGEST_ENTRY} characters")
        if entry:
            yield visible(entry, f"names {path}, whose line {number}")


def visible(entry: str, subject: str = "") -> str:
    """Return an entry of a list, of which something can be seen."""
    if not fold(entry).strip():
        raise wrong(f"{subject} has no visible character: remove it".strip())
    return entry
