"""The container image leaves consumer/dev out: what runs in production does without it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
WITHOUT = "import sys; sys.modules['consumer.dev'] = None; "
RUN = WITHOUT + "from consumer.cli.root import main; main()"


def _leadart(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", RUN, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - ours


@pytest.mark.parametrize("command", ["", "worker", "lag", "replay", "doctor", "topics", "dead-letters", "bench engine"])
def test_every_command_starts(command: str) -> None:
    """Help comes up without the developer tools."""
    done = _leadart(*command.split(), "--help")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "command",
    [
        "demo",
        "dev",
        "bench worker",
        "simulate --seconds-per-picture 1 --saves-per-day 9",
        "simulate day --seconds-per-picture 1",
    ],
)
def test_a_developer_tool_says_what_to_install(command: str) -> None:
    """One sentence and exit status 1 instead of a traceback."""
    done = _leadart(*command.split())
    assert done.returncode == 1
    assert "pip install 'leadart[embedded]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_worker_loads_nothing_of_it() -> None:
    """Its whole composition imports without the developer tools."""
    script = WITHOUT + "import consumer.worker, consumer.engine.runtime.main"
    subprocess.run([sys.executable, "-c", script], timeout=60, check=True)  # noqa: S603 - ours


def test_the_image_is_built_without_it() -> None:
    """The context of the build excludes the folder after it has let the package in."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert lines.index("consumer/dev") > lines.index("!consumer")
