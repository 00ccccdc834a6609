"""How a file of weights is refused: a sentence that names the file, what is wrong, and what mends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumer.errors import Fatal
from schemas import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

PICKLED = frozenset({".bin", ".pt", ".pth", ".ckpt", ".pkl"})
"""Suffixes of files that run code when they are read; they are refused unread."""

_NAMED = 3


def refused(path: Path, what: str, remedy: str) -> Fatal:
    """Return the error that says what is wrong with a file of weights and how to mend it."""
    return Fatal(Reason.MODEL_UNAVAILABLE, f"{shown(str(path))} {what}. {remedy}")


def shown(name: str) -> str:
    """Return a name from a file so that it can be printed: escaped where it could move a cursor, and not endless."""
    printable = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)
    return printable if len(printable) <= 200 else f"{printable[:197]}..."


def some(names: Iterable[str]) -> str:
    """Return the first few names, and how many more there are."""
    every = list(names)
    named = ", ".join(shown(name) for name in every[:_NAMED])
    return named if len(every) <= _NAMED else f"{named} and {len(every) - _NAMED} more"
