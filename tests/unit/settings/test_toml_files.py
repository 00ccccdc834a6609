from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, TypeAdapter
from pydantic_core import ErrorDetails

from consumer.errors import Fatal
from consumer.settings import toml_files
from consumer.settings.toml_files import load_toml


class Shelf(BaseModel):
    model_config = ConfigDict(extra="forbid")

    books: int


SHELVES = TypeAdapter(dict[str, Shelf])


def own_advice(error: ErrorDetails, path: Sequence[str]) -> str | None:
    return f"{path[-1]} is not on a shelf" if error["type"] == "extra_forbidden" else None


def load(folder: Path, text: bytes) -> dict[str, Shelf]:
    file = folder / "shelves.toml"
    file.write_bytes(text)
    return load_toml(file, "LEADART_SHELVES__FILE", SHELVES, own_advice)


def test_a_file_is_read_as_its_content(tmp_path: Path) -> None:
    """A byte order mark is no part of the first key."""
    assert load(tmp_path, b"\xef\xbb\xbf[a]\nbooks = 3\n") == {"a": Shelf(books=3)}


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (b"[a]\nbooks = 3\ncups = 1\n", ["3: a.cups: cups is not on a shelf"]),
        (b"[a]\n", ["1: a.books: is missing: add it"]),
        (b"\n[a]\nbooks = 'x'\n[b]\nbooks = 1\ncups = 2\n", ["3: a.books: should be", "6: b.cups: cups is"]),
        (b"\na = 1\n", ["2: a: is not a table: write [a] and its keys below"]),
        (b"[a]\nbooks = = 1\n", ["2: is not TOML here"]),
        (b"[a]\n# caf\xe9\n", ["2: is not UTF-8: save the file in that encoding"]),
        (b"[a]\nbooks = [\n1, # ]\n]\n[b.c]\n", ["2: a.books: should be", "5: b.books: is missing", "5: b.c: c is"]),
        (b"a.books = 1\nb.books = '''\n[c]\n'''\n", ["2: b.books: should be a valid integer"]),
    ],
)
def test_each_mistake_has_its_line(tmp_path: Path, text: bytes, lines: list[str]) -> None:
    """The file's own advice comes first, then the usual one."""
    with pytest.raises(Fatal) as fatal:
        load(tmp_path, text)
    told = fatal.value.message.split("\n")
    assert len(told) == len(lines)
    for line, expected in zip(told, lines, strict=True):
        assert line.startswith(f"{tmp_path}/shelves.toml:{expected}")


def test_a_file_that_is_nested_too_deeply_is_refused(tmp_path: Path) -> None:
    """Whoever made it learns that much; a worker that reads it again later goes on."""
    with pytest.raises(Fatal, match="is nested too deeply"):
        load(tmp_path, b"a = " + b"[" * 100_000)


def test_a_number_of_thousands_of_digits_is_refused(tmp_path: Path) -> None:
    """Python reads none of over 4300 digits, and says so with an error of its own."""
    with pytest.raises(Fatal, match="is not TOML that can be read: Exceeds the limit"):
        load(tmp_path, b"a = " + b"9" * 5_000)


def test_a_file_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more of it is read than a file may have."""
    monkeypatch.setattr(toml_files, "_MOST_BYTES", 1 << 20)
    with pytest.raises(Fatal, match="has more than 1 MiB: let LEADART_SHELVES__FILE name a readable file"):
        load(tmp_path, b"#" * ((1 << 20) + 1))


def test_what_a_long_file_says_is_looked_up_statement_by_statement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that reads a policy again is not busy for minutes: nothing is read more often than a few times."""
    tables = [f"[t{number}]\nbooks = 1\n" for number in range(500)]
    text, read, parse = "".join(tables).replace("[t499]\nbooks", "[t499]\ncups"), 0, tomllib.loads

    def counting(part: str) -> dict[str, Any]:
        nonlocal read
        read += len(part)
        return parse(part)

    monkeypatch.setattr(tomllib, "loads", counting)
    with pytest.raises(Fatal, match=r"1000: t499\.cups"):
        load(tmp_path, text.encode())
    assert read <= 3 * len(text)


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    """What cannot be read names the setting."""
    with pytest.raises(Fatal, match="Is a directory: let LEADART_SHELVES__FILE name a readable file"):
        load_toml(tmp_path, "LEADART_SHELVES__FILE", SHELVES, own_advice)
