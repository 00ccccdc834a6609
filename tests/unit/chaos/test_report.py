from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos import report
from tests.chaos.about import this_machine
from tests.chaos.matrix import IMPOSSIBLE, ROWS, Column, rows
from tests.chaos.results import Book, Result

KEPT = Result(
    row="worker_kill",
    column=Column.BEGUN,
    seed=7,
    fired=True,
    requests=42,
    pictures=50,
    recover_seconds=5.25,
    seconds=12.0,
)


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book(tmp_path / "results.jsonl")


def test_a_result_survives_its_file(book: Book) -> None:
    """What is noted is read back unchanged, the latest result of a cell winning."""
    broken = replace(KEPT, lost=2, exits=("worker-0-1.log: status 1",), reasons=("internal: a defect",))
    book.note(KEPT)
    book.note(broken)

    assert book.cells() == {("worker_kill", "between_begin_and_commit"): broken}


def test_a_cell_is_kept_only_without_any_fault() -> None:
    """Each fault alone, and a failpoint that never fired, break the promise."""
    faults = ({"lost": 1}, {"doubled": 1}, {"wrong": 1}, {"mismatched": 1}, {"behind": ("t:0",)}, {"unready": "no"})

    assert KEPT.kept
    assert not any(replace(KEPT, **fault).kept for fault in (*faults, {"exits": ("a",)}, {"fired": False}))


def test_the_page_shows_the_figures_of_each_cell(book: Book) -> None:
    """A kept cell stands in its row with its figures, a cell without a result as not played."""
    book.note(KEPT)

    (line,) = [line for line in report.render(book, book).splitlines() if line.startswith("| `worker_kill` | not")]

    cells = [cell.strip() for cell in line.strip("|").split("|")][1:]
    assert cells[list(Column).index(Column.BEGUN)] == "42 · 0 · 0 · 0 · 5.2 s"
    assert cells.count("not played") == len(Column) - 1


def test_a_broken_promise_is_bold_and_explained(book: Book) -> None:
    """Nobody has to read all figures to find the cell that failed."""
    book.note(replace(KEPT, lost=3, reasons=("internal: a | defect",)))

    text = report.render(book, book)

    assert "**42 · 3 · 0 · 0 · 5.2 s**" in text
    assert "| `worker_kill:between_begin_and_commit` | lost: 3; internal: a \\| defect |" in text
    assert report.broken(book, book)


def test_a_row_that_needs_what_is_not_here_says_so(book: Book) -> None:
    """A row without results names what is missing; once it was played, nothing is missing."""
    book.add("absent", {"row": "worker_kill", "reason": "no Go"})

    assert "| `worker_kill` | Not on this machine: no Go. |" in report.render(book, book)
    book.note(KEPT)
    assert "no Go" not in report.render(book, book)


def test_the_machine_and_the_duration_of_all_runs_are_told(book: Book) -> None:
    """The page adds up the runs it took and says what they ran on."""
    book.note(KEPT)
    for _ in range(2):
        book.add("run", {**this_machine(), "seconds": 90})

    text = report.render(book, book)

    assert "| Duration | 3 minutes |" in text
    assert this_machine()["machine"] in text
    assert f"Python {this_machine()['python']}" in text


def test_an_outage_stands_with_its_latest_figures(book: Book) -> None:
    """Of an outage that was watched twice the page tells the later one."""
    for lost in ("1", "0"):
        problems = ["outcomes are missing"] if lost == "1" else []
        book.add("outage", {"name": "Store away", "told": "Gone.", "figures": {"Lost": lost}, "problems": problems})

    assert "| Lost | 0 |" in report.render(book, book)
    assert "missing" not in report.render(book, book).partition("## Bounded")[2]
    assert not report.broken(book, book)


def test_the_committed_page_has_every_row_and_column() -> None:
    """The committed page was made from this matrix: its table has these rows and columns, in this order."""
    lines = report.PAGE.read_text(encoding="utf-8").partition("## The matrix")[2].splitlines()
    table = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]

    assert table[0][1:] == list(Column)
    assert [row[0] for row in table[2 : 2 + len(ROWS)]] == [row.name for row in ROWS]


def test_every_row_and_column_tells_what_it_does() -> None:
    """The page explains each of them in a sentence."""
    assert all(row.told.endswith(".") for row in ROWS)
    assert report.WHEN.keys() == set(Column)


def test_cells_are_chosen_by_name() -> None:
    """ROW, or ROW:COLUMN; a name that is none is an error, and impossible cells are never played."""
    ((row, columns),) = rows("worker_kill:idle")

    assert (row.name, columns) == ("worker_kill", [Column.IDLE])
    assert sum(len(columns) for _, columns in rows()) == len(ROWS) * len(Column) - len(IMPOSSIBLE)
    with pytest.raises(KeyError):
        rows("worker_boredom")
