"""What the benchmarks' commands share: progress, and the report of a run."""

from __future__ import annotations

import json
import shlex
import sys
from typing import TYPE_CHECKING

from consumer.cli.shared import complaints, console, say

if TYPE_CHECKING:
    from pathlib import Path

    from consumer.dev.bench.reporting import BenchReport


def show_progress(line: str) -> None:
    """Print a line about a running benchmark, on stderr."""
    complaints.print(line, soft_wrap=True)


def show_report(report: BenchReport, target: Path | None = None, *, as_json: bool) -> int:
    """Print the report and write its document to `target`; return the exit status."""
    if as_json:
        print(json.dumps(report.figures))
    else:
        if report.table:
            console.print(report.table)
        for line in (report.verdict, *report.notes):
            say(line)
    if target:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(report.document(shlex.join(["leadart", *sys.argv[1:]])), encoding="utf-8")
    return 0 if report.passed else 1
