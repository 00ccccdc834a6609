"""Commands that a command's output names: with the --env-file that it was given, so that they can be copied."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class CommandHints:
    """Completes the commands in what is printed. It learns the command tree at the start, the file from the command."""

    def __init__(self) -> None:
        self._named: re.Pattern[str] | None = None
        self._option = ""

    def learn(self, root: Any) -> None:
        """Take the commands that have the option."""
        paths = sorted(_paths(root), key=len, reverse=True)
        named = "|".join(re.escape(path) for path in paths)
        # One that has the option already was made by a program, whole.
        self._named = re.compile(rf"\bleadart (?:{named})(?![\w-])(?![^\n]* --env-file\b)") if paths else None

    def use(self, env_file: Path | None) -> None:
        """Take the file that the command was given; None if it was given none."""
        self._option = f" --env-file {shlex.quote(str(env_file))}" if env_file else ""

    def complete(self, text: str) -> str:
        """Return the text whose commands have the option, right behind their names."""
        if not self._option or self._named is None:
            return text
        return self._named.sub(lambda named: f"{named[0]}{self._option}", text)


def _paths(command: Any) -> Iterator[str]:
    for name, inner in getattr(command, "commands", {}).items():
        if any(parameter.name == "env_file" for parameter in inner.params):
            yield name
        yield from (f"{name} {path}" for path in _paths(inner))


hints = CommandHints()
"""Those of this process, which runs one command."""
