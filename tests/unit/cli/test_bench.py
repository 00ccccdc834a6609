"""How a benchmark's report is shown on a terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from consumer.cli import bench
from consumer.dev.bench.reporting import BenchReport

FULL = BenchReport("leadart bench x", "It is fast.", {"speed": 2}, head=("Who", "a", "b"), rows=[("ours", "1", "2")])


def test_a_report_is_a_table_and_its_verdict(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Each row is drawn, the verdict follows, and the document is written where it was asked for."""
    page = tmp_path / "docs" / "x.md"
    assert bench._show(FULL, page, as_json=False) == 0
    shown = capsys.readouterr().out
    assert all(cell in shown for cell in (*FULL.head, *FULL.rows[0], "It is fast."))
    assert "| ours | 1 | 2 |" in page.read_text(encoding="utf-8")


def test_a_report_for_a_narrow_terminal_leaves_columns_out(capsys: pytest.CaptureFixture[str]) -> None:
    """Where the report says what fits, only that is drawn."""
    narrow = BenchReport("x", "", {}, head=FULL.head, rows=FULL.rows, terminal=(("Who", "a"), [("ours", "1")]))
    bench._show(narrow, None, as_json=False)
    assert "b" not in capsys.readouterr().out.split()


def test_as_json_only_the_figures_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """One line for a pipe."""
    assert bench._show(BenchReport("x", "slow", {"speed": 2}, passed=False), None, as_json=True) == 1
    assert capsys.readouterr().out == '{"speed": 2}\n'
