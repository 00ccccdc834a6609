"""What a cell showed, and the file that remembers it: one JSON line a cell, so that a run can be resumed."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

FAULTS: Final = ("lost", "doubled", "wrong", "mismatched", "behind", "exits", "unready")
"""Fields of `Result` that are 0 or empty when the promise was kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One cell."""

    row: str
    column: str
    seed: int
    fired: bool
    """Whether the strike fell where the column says; else the cell does not count."""
    requests: int = 0
    lost: int = 0
    """Requests without a visible outcome."""
    doubled: int = 0
    """Visible outcomes, or dead letters, beyond a request's first."""
    wrong: int = 0
    """Outcomes of another kind, or of another article, than was due."""
    aborted: int = 0
    """Copies of outcomes in transactions that were cut off: only a read-uncommitted subscriber sees them."""
    pictures: int = 0
    mismatched: int = 0
    """Announced pictures that are not there, or whose bytes have another digest."""
    behind: tuple[str, ...] = ()
    """Partitions of lanes that the group has not passed to their end."""
    exits: tuple[str, ...] = ()
    """Workers that ended though nobody asked."""
    unready: str = ""
    """Why a worker was not ready again, if so."""
    error: str = ""
    """Why the cell could not be played to its end, if so; it does not count then."""
    reasons: tuple[str, ...] = ()
    """Failed outcomes that were not due: `code: message`."""
    recover_seconds: float = 0.0
    """From the strike to the last outcome's being visible."""
    seconds: float = 0.0
    """The whole cell."""

    @property
    def kept(self) -> bool:
        """Whether the cell counts and the promise was kept in it."""
        return self.fired and not any(getattr(self, fault) for fault in FAULTS)

    @property
    def key(self) -> tuple[str, str]:
        """Row and column."""
        return self.row, self.column

    @classmethod
    def read(cls, told: dict[str, Any]) -> Self:
        """Return what `asdict` made, after its way through JSON."""
        lists = {name: tuple(value) for name, value in told.items() if isinstance(value, list)}
        return cls(**{**told, **lists})


@dataclass(frozen=True, slots=True)
class Book:
    """The file of results. A line is a cell, a row that could not be run here, or a note on the run."""

    path: Path

    def add(self, kind: str, line: dict[str, Any]) -> None:
        """Append a line."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as out:
            out.write(json.dumps({"kind": kind, **line}) + "\n")

    def note(self, result: Result) -> None:
        """Append a cell."""
        self.add("cell", asdict(result))

    def lines(self, kind: str) -> list[dict[str, Any]]:
        """Return the lines of a kind, oldest first."""
        if not self.path.exists():
            return []
        told = [json.loads(line) for line in self.path.read_text(encoding="utf-8").splitlines()]
        return [line for line in told if line.pop("kind") == kind]

    def cells(self) -> dict[tuple[str, str], Result]:
        """Return the latest result of each cell."""
        return {(result := Result.read(line)).key: result for line in self.lines("cell")}
