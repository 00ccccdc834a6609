"""Commands named in output can be copied: they have the settings file that the command was given."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from consumer.cli.hints import CommandHints
from consumer.cli.root import app

FILE = Path("out/dev/my site.env")
GIVEN = "--env-file 'out/dev/my site.env'"


class Parameter:
    def __init__(self, name: str) -> None:
        self.name = name


class Command:
    def __init__(self, *parameters: str, **commands: Command) -> None:
        self.params = [Parameter(name) for name in parameters]
        self.commands = commands


@pytest.fixture
def hints() -> CommandHints:
    made = CommandHints()
    heads = Command(reset=Command("env_file"), show=Command("env_file"))
    made.learn(Command(replay=Command("env_file", cancel=Command("env_file")), heads=heads, dev=Command("keep")))
    return made


@pytest.mark.parametrize(
    ("text", "completed"),
    [
        ("run it: leadart replay --from 7d", f"run it: leadart replay {GIVEN} --from 7d"),
        (
            "leadart replay cancel --lane x; leadart replay.",
            f"leadart replay cancel {GIVEN} --lane x; leadart replay {GIVEN}.",
        ),
        ("(leadart heads reset a-1)", f"(leadart heads reset {GIVEN} a-1)"),
        ("`leadart heads`, leadart dev, leadart replays", "`leadart heads`, leadart dev, leadart replays"),
        ("leadart replay --from 0 --env-file x", "leadart replay --from 0 --env-file x"),
        ("leadart listens; the group leadart", "leadart listens; the group leadart"),
    ],
)
def test_a_command_that_takes_the_file_gets_it(text: str, completed: str, hints: CommandHints) -> None:
    """The longest name of a command counts; one that takes no file, or has it already, stays as it is."""
    hints.use(FILE)

    assert hints.complete(text) == completed
    hints.use(None)
    assert hints.complete(text) == text


def test_what_a_command_prints_can_be_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a file they stay as they are."""
    env_file = tmp_path / "site.env"
    env_file.write_text("LEADART_ENGINE__KIND=swatch\n", encoding="utf-8")
    monkeypatch.setattr("consumer.admin.controls.shard_controls", _nothing)
    done = CliRunner().invoke(app, ["resume", "--lane", "backfill", "--env-file", str(env_file)])
    bare = CliRunner().invoke(app, ["resume", "--lane", "backfill"])

    assert f"`leadart pause --env-file {env_file}` lists what is" in done.stdout
    assert "`leadart pause` lists what is" in bare.stdout


async def _nothing(_settings: object) -> list[object]:
    return []
