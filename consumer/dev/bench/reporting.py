"""A benchmark's report: a table for the terminal, JSON, a document for the repository."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Rows = list[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class BenchReport:
    """What one run says; every figure is from its result.

    `remarks` follow the verdict in the document, `sections` its table. `terminal` is the table for a terminal where the
    whole one is too wide, and `notes` are lines below it.
    """

    name: str
    verdict: str
    figures: Mapping[str, Any]
    passed: bool = True
    title: str = ""
    head: tuple[str, ...] = ()
    rows: Rows = field(default_factory=list)
    terminal: tuple[tuple[str, ...], Rows] | None = None
    notes: Sequence[str] = ()
    remarks: Sequence[str] = ()
    sections: Sequence[str] = ()
    machine: Mapping[str, str] = field(default_factory=dict)
    explanation: str = ""

    def document(self, command: str) -> str:
        """Return the document made by `command`."""
        blocks = [
            f"# {self.title}",
            origin(command),
            self.verdict,
            *self.remarks,
            markdown_table(self.head, self.rows),
            *self.sections,
            where(self.machine),
            self.explanation.rstrip("\n"),
        ]
        return "\n\n".join(blocks) + "\n"


def markdown_table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Return a table in Markdown; figures are right-aligned, except in one of two columns."""
    ruler = ["---", *["---:" if len(head) > 2 else "---"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, tuple(ruler), *rows))


def origin(command: str) -> str:
    """Return the comment that names the command a document was made by, and the day."""
    return f"<!-- made by `{command}` on {datetime.now(UTC):%Y-%m-%d}; do not edit -->"


def where(machine: Mapping[str, str]) -> str:
    """Return the section that describes the machine."""
    return "## Where\n\n" + markdown_table(("", ""), list(machine.items()))


def met(passed: bool) -> str:  # noqa: FBT001 - its only argument
    """Return the word for a bar that was or was not reached."""
    return "met" if passed else "missed"


def spread(values: Sequence[float], spec: str) -> str:
    """Return the least and the greatest value."""
    return f"{min(values):{spec}} to {max(values):{spec}}"
