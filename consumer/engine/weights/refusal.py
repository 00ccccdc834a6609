"""Errors for weights that are not loaded: one sentence that names the file, the problem and the remedy."""

import shlex
from collections.abc import Iterable
from pathlib import Path

from consumer.errors import Fatal
from schemas import Reason

PICKLED = frozenset({".bin", ".pt", ".pth", ".ckpt", ".pkl"})
"""Suffixes of files that can run code when read; they are refused unread."""

_MAX_NAMES = 3


def refused(path: Path, what: str, remedy: str) -> Fatal:
    """Return the error for a weights file."""
    return Fatal(Reason.MODEL_UNAVAILABLE, f"{shown(str(path))} {what}. {remedy}")


def doctor_command(path: Path | str, *, adapter: bool) -> str:
    """Return the command that lists everything wrong with the file."""
    return f"leadart doctor weights {shlex.quote(str(path))}{' --as lora' if adapter else ''}"


def shown(name: str) -> str:
    """Return a name from a file in printable form: control characters escaped, at most 200 characters."""
    printable = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)
    return printable if len(printable) <= 200 else f"{printable[:197]}..."


def some(names: Iterable[str]) -> str:
    """Return the first few names and the number of the others."""
    every = list(names)
    named = ", ".join(shown(name) for name in every[:_MAX_NAMES])
    return named if len(every) <= _MAX_NAMES else f"{named} and {len(every) - _MAX_NAMES} more"
