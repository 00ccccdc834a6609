"""What a person types wrongly is told in a sentence; nothing that was asked for is silently left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from rich.console import Console
from rich.table import Table
from typer.testing import CliRunner

from consumer.cli import shared
from consumer.cli.root import app

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("doctor --json weights w.safetensors", "behind `weights`"),
        ("generate boat --size 256x256 --width 128", "either --size or"),
        ("styles boat", "a prompt is for --sheet"),
        ("topics apply --force", "say --start"),
        ("topics apply --only article-image-requested:0", "say --start"),
    ],
)
def test_an_option_that_would_have_no_effect_is_refused(words: str, told: str) -> None:
    """With status 2 and what to write instead, before anything is asked of a server."""
    done = CliRunner().invoke(app, words.split(), terminal_width=200)

    assert done.exit_code == 2
    assert told in " ".join(done.output.replace("│", " ").split())


def test_a_list_of_articles_in_another_encoding_is_named(tmp_path: Path) -> None:
    """Spreadsheets save UTF-16: that is a sentence, not a traceback."""
    listed = tmp_path / "ids.txt"
    listed.write_bytes("a-1\n".encode("utf-16"))
    done = CliRunner().invoke(app, ["replay", "--from", "7d", "--article-file", str(listed)], terminal_width=300)

    assert done.exit_code == 2
    assert "is not UTF-8" in " ".join(done.output.replace("│", " ").split())


def test_a_table_is_never_cut(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """In a pipe, or on a narrow terminal, figures are whole: they are for reading and for grep."""
    monkeypatch.setattr(shared, "console", Console(width=30))
    table = Table("slot", "revision", "request")
    table.add_row("hero", "1764000000000", "65f23c88-ae5c-4cf8-a6c8-4c7db0fd24a5")
    shared.lay_out(table)
    printed = capsys.readouterr().out

    assert "1764000000000" in printed
    assert "65f23c88-ae5c-4cf8-a6c8-4c7db0fd24a5" in printed
