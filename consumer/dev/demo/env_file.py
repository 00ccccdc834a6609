"""The settings file of `leadart dev`: it exists while the stack is up; other files are never touched."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from consumer.errors import Fatal
from schemas import Reason

MARK = "# Written by leadart dev, which removes it when it ends."
"""First line of the settings file."""


def write_settings(file: Path, settings: Mapping[str, str]) -> None:
    """Write the file atomically, readable by its owner only: it holds the store's keys."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text("".join(f"{line}\n" for line in [MARK, *setting_lines(settings)]), encoding="utf-8")
    draft.replace(file)


def remove_settings(file: Path) -> None:
    """Remove a settings file that an earlier run or this one wrote. Raises `Fatal` for any other file."""
    try:
        written = file.read_bytes()
    except FileNotFoundError:
        return
    except OSError as error:
        raise _refused(f"{file}: {error.strerror}") from error
    if not written.startswith(MARK.encode()):
        raise _refused(f"{file} is there and was not written by leadart dev, which writes its settings to it")
    file.unlink()


def setting_lines(settings: Mapping[str, str]) -> list[str]:
    """Return the settings as lines that both a shell and python-dotenv read."""
    return [f"{name}={_quoted(value)}" for name, value in settings.items()]


def _quoted(value: str) -> str:
    """Quote where needed: an apostrophe is safe in double quotes only."""
    if re.fullmatch(r"[\w@%+=:,./-]+", value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _refused(what: str) -> Fatal:
    return Fatal(Reason.MISCONFIGURED, f"{what}. Name another file with --env-file.")
