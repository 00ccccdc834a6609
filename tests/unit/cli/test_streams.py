"""Whatever standard output is, no command prints a traceback and none reports success for what did not arrive."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from consumer.cli.root import app
from consumer.cli.shared import PlainConsole
from consumer.cli.streams import READER_GONE

pytestmark = pytest.mark.slow

PROGRAM = """
import json, os, sys
from consumer.cli.root import main

def run(arguments, how, errors):
    sys.argv = ["leadart", *arguments]
    os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    if how == "gone":
        reader, writer = os.pipe()
        os.close(reader)
        os.dup2(writer, 1)
    elif how == "full":
        os.dup2(os.open("/dev/full", os.O_WRONLY), 1)
    elif how == "latin-1":
        os.dup2(os.open(errors + ".out", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
        sys.stdout = open(1, "w", encoding="latin-1", closefd=False)
    else:
        os.close(1)
        sys.stdout = None
    main()

commands, how, errors = json.loads(sys.argv[1])
report = os.dup(1)
statuses = []
for arguments in commands:
    pid = os.fork()
    if pid == 0:
        try:
            run(arguments, how, errors)
        except SystemExit as end:
            os._exit(end.code or 0)
        except BaseException as error:
            os.write(2, f"Traceback {error!r}".encode())
        os._exit(99)
    _, status = os.waitpid(pid, 0)
    statuses.append([os.waitstatus_to_exitcode(status), open(errors, errors="replace").read()])
os.write(report, json.dumps(statuses).encode())
"""
FULL = "leadart: standard output cannot be written: No space left on device\n"
CLOSED = "leadart: standard output cannot be written: Bad file descriptor\n"
EXPECTED = {"gone": (READER_GONE, ""), "full": (1, FULL), "closed": (1, CLOSED), "latin-1": (0, "")}


def _paths(command: Any, *path: str) -> Iterator[tuple[str, ...]]:
    yield path
    for name, inner in getattr(command, "commands", {}).items():
        yield from _paths(inner, *path, name)


COMMANDS = [
    ("--version",),
    ("styles",),
    ("styles", "--json"),
    *((*path, "--help") for path in _paths(get_command(app))),
]


@pytest.fixture(scope="module", params=EXPECTED)
def ends(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[Any, Any]:
    """How every command ends on one kind of standard output: played in one process, which loads the commands once."""
    how: str = request.param
    errors = str(tmp_path_factory.mktemp("streams") / "errors")
    arguments = json.dumps([COMMANDS, how, errors])
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", PROGRAM, arguments], capture_output=True, text=True, timeout=300, check=True
    )
    return {"how": how} | dict(zip(COMMANDS, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_ends_in_order_whatever_its_output_is(ends: dict[Any, Any], command: tuple[str, ...]) -> None:
    """Quietly without a reader, with a sentence and status 1 on a full volume, well where characters are missing."""
    assert tuple(ends[command]) == EXPECTED[ends["how"]]


@pytest.mark.parametrize("redirection", [">/dev/full", "| true", ">&- 2>&- <&-"])
@pytest.mark.parametrize("words", ["styles", "worker"])
def test_the_interpreter_has_nothing_to_add_at_its_end(tmp_path: Path, words: str, redirection: str) -> None:
    """A real process: no traceback, no `Exception ignored`, and a failed worker's status is its own."""
    environment = {"LEADART_STYLES__FILE": str(tmp_path / "none.toml")} if words == "worker" else {}
    script = f'{{ "$0" -m consumer {words} 2>"$1"; echo $? >&3; }} 3>"$2" {redirection}'
    if "2>" in redirection:
        script = f'"$0" -m consumer {words} {redirection}; echo $? >"$2"'
    errors, status = tmp_path / "errors", tmp_path / "status"
    errors.touch()
    command = ["sh", "-c", script, sys.executable, str(errors), str(status)]
    subprocess.run(command, env={**os.environ, **environment}, timeout=60, check=False)  # noqa: S603 - ours

    told = errors.read_text()
    assert "Traceback" not in told
    assert "Exception ignored" not in told
    # The reader that ends at once may have read it all.
    assert int(status.read_text()) in ({1} if words == "worker" else {0, 1, READER_GONE})


def test_a_reader_that_leaves_does_not_break_out_of_the_event_loop() -> None:
    """The console raises an ordinary error, so that `leadart dev` ends its servers; rich would raise `SystemExit`."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        with pytest.raises(BrokenPipeError):
            PlainConsole(file=closed).print("line")
        os.dup2(os.open(os.devnull, os.O_WRONLY), writer)  # what is left in the buffer goes somewhere
