"""Branch coverage by package, as a table: `python -m tests.coverage`, after `coverage run`."""

from __future__ import annotations

import json
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

from coverage import Coverage
from rich.console import Console
from rich.table import Table


def measured() -> dict[str, Counter[str]]:
    """Return coverage.py's counts by package of the first level. Raises `NoDataError` before `coverage run`."""
    coverage = Coverage()
    coverage.load()
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        coverage.json_report(outfile=report.name)
        files = json.loads(Path(report.name).read_text())["files"]
    packages: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for file, found in files.items():
        counts = {name: count for name, count in found["summary"].items() if isinstance(count, int)}
        packages["/".join(Path(file).parent.parts[:2])].update(counts)
    return dict(packages)


def row(name: str, counts: Counter[str]) -> tuple[str, ...]:
    statements, branches = counts["num_statements"], counts["num_branches"]
    ran = counts["covered_lines"] + counts["covered_branches"]
    return name, f"{statements}", f"{branches}", f"{100 * ran / max(1, statements + branches):.1f} %"


def main() -> None:
    table = Table("Package", "Statements", "Branches", "Covered")
    packages = measured()
    for name, counts in sorted(packages.items()):
        table.add_row(*row(name, counts))
    table.add_section()
    table.add_row(*row("all", sum(packages.values(), Counter[str]())))
    Console().print(table)


if __name__ == "__main__":
    main()
