"""A mistake on the command line is answered by a sentence; no option is silently ignored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text
from typer.main import get_command
from typer.testing import CliRunner

from consumer.cli import shared
from consumer.cli.root import app


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("doctor --json weights w.safetensors", "after `weights`"),
        ("generate boat --size 256x256 --width 128", "either --size or"),
        ("styles boat", "a prompt is for --sheet"),
        ("publish - --wait --timeout 5x", "is not a time span"),
        ("topics apply --force", "add --start"),
        ("topics apply --only article-image-requested:0", "add --start"),
    ],
)
def test_an_option_that_would_have_no_effect_is_refused(words: str, sentence: str) -> None:
    """With status 2 and what to write instead, before any server is asked."""
    done = CliRunner().invoke(app, words.split(), terminal_width=200)

    assert done.exit_code == 2
    assert sentence in " ".join(done.output.replace("│", " ").split())


def test_a_list_of_articles_in_another_encoding_is_named(tmp_path: Path) -> None:
    """Spreadsheets save UTF-16: that is a sentence, not a traceback."""
    listed = tmp_path / "ids.txt"
    listed.write_bytes("a-1\n".encode("utf-16"))
    done = CliRunner().invoke(app, ["replay", "--from", "7d", "--article-file", str(listed)], terminal_width=300)

    assert done.exit_code == 2
    assert "is not UTF-8" in " ".join(done.output.replace("│", " ").split())


def _paths(command: Any, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from _paths(inner, *path, name)


@pytest.mark.parametrize("path", [path for path, _ in _paths(get_command(app))], ids=" ".join)
def test_every_command_answers_to_dash_h(path: tuple[str, ...]) -> None:
    """`-h` is `--help` everywhere."""
    short, long = (CliRunner().invoke(app, [*path, flag]) for flag in ("-h", "--help"))

    assert short.exit_code == 0, short.output
    assert short.output == long.output


def test_every_command_and_option_says_what_it_is() -> None:
    """An option of a union type, `Annotated[...] | None`, would have neither help nor bounds."""
    silent = [
        " ".join((*path, described.name or ""))
        for path, command in _paths(get_command(app))
        for described in (command, *command.params)
        if not described.help and not getattr(described, "hidden", False)
    ]

    assert silent == []


def test_no_help_loses_its_brackets() -> None:
    """Help is plain text to its writers: what looks like rich's markup is shown, not obeyed."""
    for _, command in _paths(get_command(app)):
        for described in (command, *command.params):
            assert Text.from_markup(described.help).plain == described.help.replace("\\[", "[")
    assert "leadart[bench]" in CliRunner().invoke(app, ["bench", "delivery", "-h"], terminal_width=200).output


@pytest.mark.parametrize("printed", [shared.say, shared.console.print, shared.lay_out])
def test_nothing_printed_loses_its_brackets(printed: Callable[[str], None], capsys: pytest.CaptureFixture[str]) -> None:
    """Paths and article ids may hold brackets."""
    printed("a[red]b[/]")

    assert capsys.readouterr().out == "a[red]b[/]\n"


def test_a_table_is_never_cut(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """In a pipe, or on a narrow terminal, figures are whole: they are for reading and for grep."""
    monkeypatch.setattr(shared, "console", Console(width=30))
    table = Table("slot", "revision", "request")
    table.add_row("hero", "1764000000000", "65f23c88-ae5c-4cf8-a6c8-4c7db0fd24a5")
    shared.lay_out(table)
    printed = capsys.readouterr().out

    assert "1764000000000" in printed
    assert "65f23c88-ae5c-4cf8-a6c8-4c7db0fd24a5" in printed
