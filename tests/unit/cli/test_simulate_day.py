"""`leadart simulate day`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from consumer.cli import app
from consumer.dev.simulate.day.newsroom import SHIPPED

pytestmark = pytest.mark.slow


def simulate(*words: str) -> Result:
    return CliRunner().invoke(app, ["simulate", *words])


def day(*words: str) -> Result:
    return simulate("day", "--seconds-per-picture", "1", "--stories", "2", *words)


def test_it_compares_four_columns() -> None:
    """The assumptions in a sentence, and a table: without anything, with the rules, with the settle time, with both."""
    done = day()

    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0].startswith("2 stories, policy newsroom-1/")
    assert lines[1].split() == ["nothing", "policy", "settle", "time", "both"]
    assert [line.split()[0] for line in lines[2:5]] == ["requests", "declined", "held"]


def test_the_same_seed_gives_the_same_figures() -> None:
    """--json has every figure, and equal calls print the same."""
    first, again = day("--json", "--seed", "3"), day("--json", "--seed", "3")

    assert first.exit_code == 0, first.output
    assert first.stdout == again.stdout
    figures = json.loads(first.stdout)
    assert figures["seed"] == 3
    assert figures["newsroom"]["stories"] == 2
    assert list(figures["columns"]) == ["nothing", "policy", "settle", "both"]


def test_a_newsroom_s_own_numbers_count(tmp_path: Path) -> None:
    """--newsroom replaces the assumptions; a mistake in the file is one sentence with its line."""
    file = tmp_path / "ours.toml"
    file.write_text(SHIPPED.read_text(encoding="utf-8").replace("published_share = 0.85", "published_share = 0"))
    done = day("--newsroom", str(file), "--json")

    assert json.loads(done.stdout)["columns"]["nothing"]["final"]["with_picture"] == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("day",), "Missing option '--seconds-per-picture'"),
        (("--gpus", "2", "day", "--seconds-per-picture", "1"), "write the options after `day`"),
        (
            ("day", "--seconds-per-picture", "1", "--batch-size", "4", "--batch-speedup", "5"),
            "cannot be 5 times as fast",
        ),
        (("--saves-per-day", "5"), "say how long a picture takes"),
    ],
)
def test_mistakes_are_named(words: tuple[str, ...], sentence: str) -> None:
    """What cannot be meant is refused before anything is simulated."""
    done = simulate(*words)

    assert done.exit_code == 2
    assert sentence in " ".join(done.stderr.replace("│", " ").split())
