"""Tables as Markdown writes them, and where a document says it comes from."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def tabled(head: tuple[str, ...], body: Sequence[tuple[str, ...]]) -> list[str]:
    """Return the lines of a table; figures stand to the right, except in one of two columns."""
    ruler = ["---", *["---:" if len(head) > 2 else "---"] * (len(head) - 1)]
    return ["| " + " | ".join(cells) + " |" for cells in (head, tuple(ruler), *body)]


def origin(command: str) -> str:
    """Return the comment that names the command a document was made by, and the day."""
    return f"<!-- made by `{command}` on {datetime.now(UTC):%Y-%m-%d}; do not edit -->"


def where(machine: Mapping[str, str]) -> list[str]:
    """Return the section that describes the machine."""
    return ["## Where", "", *tabled(("", ""), list(machine.items()))]
