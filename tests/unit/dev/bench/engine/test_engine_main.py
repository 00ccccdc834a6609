"""`python -m consumer.dev.bench.engine`."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.core import TyperGroup, TyperOption
from typer.main import get_command

from consumer.cli.bench import commands
from consumer.dev.bench.engine import __main__ as program
from consumer.dev.bench.engine.files import DEFAULT_FILE


def parameters_of_the_command() -> list[TyperOption]:
    """The options of `leadart bench engine`."""
    group = get_command(commands)
    assert isinstance(group, TyperGroup)
    return [each for each in group.commands["engine"].params if isinstance(each, TyperOption)]


def test_it_has_the_options_of_the_command() -> None:
    """What writes the repository's page or JSON for a pipe is the command's alone: the files are there at the end."""
    here = {option for action in program.parser()._actions for option in action.option_strings}
    there = {option for parameter in parameters_of_the_command() for option in parameter.opts}
    assert here - {"-h", "--help", "--no-compile"} == there - {"--write", "--json"}


def test_results_go_where_the_command_puts_them() -> None:
    """Without a word both write into the same folder, which the repository ignores."""
    (default,) = (parameter.default for parameter in parameters_of_the_command() if parameter.name == "out")
    assert program.parser().parse_args([]).out == default == DEFAULT_FILE


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--shapes", "512x512"], "512x512 is no shape: width x height x steps x guidance"),
        (["--batches", "1,0"], "0 is less than 1"),
        (["--rounds", "0"], "--rounds: invalid"),
    ],
)
def test_a_wrong_option_is_refused(arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The option and what is wrong are named before anything is loaded."""
    with pytest.raises(SystemExit) as left:
        program.main(arguments)
    assert left.value.code == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.slow
def test_a_model_that_is_missing_is_a_sentence(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Exit status 1 and what to give, without a traceback."""
    assert program.main(["--device", "cpu", "--out", str(tmp_path / "x.json")]) == 1
    assert "--model FOLDER, or --random" in capsys.readouterr().err
