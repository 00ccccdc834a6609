"""The part of the report about what editors decide: written by itself, the rest of the page stays."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest

from tests.chaos import editorial_report
from tests.chaos.deciding import Decided
from tests.chaos.results import Book

KEPT = Decided(row="choice", column="kill", fired=True, requests=54, recover_seconds=5.0, day="2026-11-30")
PAGE = "# Reliability\n\n## The matrix\n\nAs measured.\n\n## What is hit\n\nStays.\n"


def test_the_part_is_written_and_replaced_by_itself(tmp_path: Path) -> None:
    """The other parts stay, and a second writing leaves one part, with the latest result of each cell."""
    book, page = Book(tmp_path / "editorial.jsonl"), tmp_path / "page.md"
    page.write_text(PAGE, encoding="utf-8")
    for cell in (replace(KEPT, choices_lost=1), KEPT):
        book.add("decided", asdict(cell))
        editorial_report.write(book, page)

    text = page.read_text(encoding="utf-8")
    assert text.replace(f"{editorial_report.render(book)}\n", "") == PAGE
    assert "| `choice` | 54 · 0 · 0 · 0 · 0 · 0 · 5.0 s | not played |" in text


@pytest.mark.parametrize("fault", ["lost", "doubled", "mismatched", "choices_lost", "left_behind", "wrong"])
def test_a_cell_is_kept_only_without_any_fault(fault: str) -> None:
    """Each alone breaks it, and so does a strike that did not fall."""
    assert KEPT.kept
    assert not Decided(**{**asdict(KEPT), fault: 1}).kept
    assert not replace(KEPT, fired=False).kept
