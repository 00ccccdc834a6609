"""Writes `docs/reliability.md` from the results, so that it says what was measured and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

from tests.chaos.matrix import IMPOSSIBLE, ROWS, Column, Row
from tests.chaos.results import FAULTS, Book, Result

PAGE: Final = Path(__file__).parents[2] / "docs" / "reliability.md"

WHEN: Final[Mapping[Column, str]] = {
    Column.IDLE: "Every outcome is there and nothing is in hand; the rest of the requests follow the strike.",
    Column.TAKEN: "A record was read and found valid; nothing is done for it yet.",
    Column.PAINTING: "The engine paints.",
    Column.UPLOADING: "A picture is painted and encoded, and about to be stored.",
    Column.STORED: "A picture and its manifest are stored; nobody was told.",
    Column.RENDERING: "The renditions of a stored picture are encoded; none of them is stored.",
    Column.BEGUN: "A transaction holds outcomes that the broker has taken, but no offsets yet.",
    Column.COMMITTING: "The commit was sent; its answer is not here.",
    Column.REBALANCING: "A worker was given its shards anew and has opened none of them.",
}
"""When the strike of each column falls."""

HEAD: Final = """\
# Reliability

<!-- made by `make chaos` from out/chaos/; do not edit -->

The promise: **for every request record, each time the group processes it, a read-committed subscriber sees
exactly one terminal outcome, and every ready outcome's pictures exist and match their digest, whatever dies.**
How it is kept stands in `docs/architecture/02-delivery.md`; here is what happened when it was tried.

A cell is a site of its own on real servers (Apache Kafka, SeaweedFS) with real worker processes. A third of its
requests is published and partly answered, then a worker is caught at the named place, by a failpoint that
exists only under a test setting, and while it is held there the strike falls. The last third is published
during the strike. The cell ends when the group has passed every record and every worker is ready again; then a
read-committed subscriber reads the outcomes and dead letters to their end and fetches every announced picture.
Requests are revisions of 20 articles over four partitions and two lanes, some with two pictures, about one in
twenty of them invalid. A cell counts only if its failpoint fired.

`make chaos` plays the cells that have no result yet and writes this page; `python -m tests.chaos --only
ROW:COLUMN` plays one again, `--fresh` all. A cell's seed is the CRC-32 of its name, `ROW:COLUMN`.
"""

NUMBERS: Final = """\
Each cell: requests · lost · doubled · missing or mismatched pictures · seconds from the strike to the last
outcome, with the time that the strike itself lasts. In bold: the promise was broken, and the notes below say
how.
"""


def write(book: Book, outages: Book, page: Path = PAGE) -> None:
    """Write the page."""
    page.write_text(render(book, outages), encoding="utf-8")


def render(book: Book, outages: Book) -> str:
    """Return the page's text."""
    cells = book.cells()
    parts = [
        HEAD,
        _summary(book, list(cells.values())),
        _matrix(cells),
        _rows(cells),
        _columns(),
        _not_played(book, cells),
    ]
    parts += [_faults(cells.values()), *_outages(outages)]
    return "\n".join(part for part in parts if part)


def broken(book: Book, outages: Book) -> bool:
    """Tell whether a promise was broken anywhere, or a strike did not fall where it should."""
    problems = {line["name"]: line["problems"] for line in outages.lines("outage")}
    return any(problems.values()) or not all(result.kept for result in book.cells().values())


def _summary(book: Book, results: Sequence[Result]) -> str:
    counting = [result for result in results if result.fired]
    runs = book.lines("run")
    told = {
        "Cells": str(len(counting)),
        "Requests": _total(counting, "requests"),
        "Lost": _total(counting, "lost"),
        "Doubled": _total(counting, "doubled"),
        "Copies in aborted transactions, which nobody saw": _total(counting, "aborted"),
        "Of another kind than due": _total(counting, "wrong"),
        "Pictures fetched": _total(counting, "pictures"),
        "Missing or mismatched": _total(counting, "mismatched"),
        "Workers that ended unasked": str(sum(len(result.exits) for result in counting)),
        "Duration": f"{sum(run['seconds'] for run in runs) / 60:.0f} minutes",
        **(_ran_on(runs[-1]) if runs else {}),
    }
    return f"## In one look\n\n{table(('', ''), told.items())}"


def _total(results: Iterable[Result], name: str) -> str:
    return f"{sum(getattr(result, name) for result in results):,}".replace(",", " ")


def _ran_on(run: Mapping[str, Any]) -> dict[str, str]:
    versions = (
        f"leadart {run['leadart']}, Apache Kafka {run['kafka']}, SeaweedFS {run['seaweedfs']}, "
        f"aiokafka {run['aiokafka']}, Python {run['python']}"
    )
    return {"Machine": f"{run['machine']}, {run['system']}", "Versions": versions, "Day": run["day"]}


def _matrix(cells: Mapping[tuple[str, str], Result]) -> str:
    lines = [[f"`{row.name}`", *[_cell(row, column, cells) for column in Column]] for row in ROWS]
    return f"## The matrix\n\n{NUMBERS}\n{table(('', *[f'`{column}`' for column in Column]), lines)}"


def _cell(row: Row, column: Column, cells: Mapping[tuple[str, str], Result]) -> str:
    if (row.name, column) in IMPOSSIBLE:
        return "impossible"
    result = cells.get((row.name, column))
    if result is None:
        return "not played"
    if not result.fired:
        return "failed" if result.error else "never caught"
    figures = (result.requests, result.lost, result.doubled, result.mismatched, f"{result.recover_seconds:.1f} s")
    text = " · ".join(str(figure) for figure in figures)
    return text if result.kept else f"**{text}**"


def _rows(cells: Mapping[tuple[str, str], Result]) -> str:
    lines = [(f"`{row.name}`", row.told, *_recovery(row, cells)) for row in ROWS]
    return f"## What is hit\n\n{table(('', 'The strike', 'Median s', 'Longest s'), lines)}"


def _recovery(row: Row, cells: Mapping[tuple[str, str], Result]) -> tuple[str, str]:
    seconds = [result.recover_seconds for result in cells.values() if result.row == row.name and result.fired]
    return (f"{median(seconds):.1f}", f"{max(seconds):.1f}") if seconds else ("", "")


def _columns() -> str:
    return f"## When\n\n{table(('', 'Where a worker is caught'), [(f'`{column}`', WHEN[column]) for column in Column])}"


def _not_played(book: Book, cells: Mapping[tuple[str, str], Result]) -> str:
    played = {row for row, _ in cells}
    absent = {line["row"]: line["reason"] for line in book.lines("absent") if line["row"] not in played}
    lines = [(f"`{row}:{column}`", reason) for (row, column), reason in IMPOSSIBLE.items()]
    lines += [(f"`{row}`", f"Not on this machine: {reason}.") for row, reason in absent.items()]
    if not lines:
        return "## Cells that are not played\n\nNone: every cell of the matrix makes sense and can be had.\n"
    return f"## Cells that are not played\n\n{table(('', 'Why'), lines)}"


def _faults(results: Iterable[Result]) -> str:
    broken = [result for result in results if result.fired and not result.kept]
    lines = [(f"`{result.row}:{result.column}`", _fault(result)) for result in broken]
    return f"## Broken\n\n{table(('', 'How'), lines)}" if lines else ""


def _fault(result: Result) -> str:
    told = [f"{name}: {_words(value)}" for name in FAULTS if (value := getattr(result, name))]
    return "; ".join([*told, *result.reasons])


def _words(value: object) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _outages(book: Book) -> list[str]:
    latest = {line["name"]: line for line in book.lines("outage")}
    if not latest:
        return []
    names = {name: None for line in latest.values() for name in line["figures"]}
    lines = [(name, *[str(line["figures"].get(name, "")) for line in latest.values()]) for name in names]
    told = "\n".join(
        " ".join(
            [f"- **{name}**: {line['told']}", *[f"**Not as promised**: {problem}." for problem in line["problems"]]]
        )
        for name, line in latest.items()
    )
    return [f"## Bounded under outage and load\n\n{told}\n\n{table(('', *latest), lines)}"]


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    escaped = [[cell.replace("|", r"\|").replace("\n", " ") for cell in row] for row in rows]
    return "".join(f"| {' | '.join(row)} |\n" for row in escaped)
