"""A run's files, complete at any moment: JSON, and the same as a page with its table. Imports no torch."""

import json
from pathlib import Path

from consumer.dev.bench.engine.report import engine_report
from consumer.dev.bench.engine.result import EngineResult

DEFAULT_FILE = Path("out/bench-engine.json")


class ResultFiles:
    """Keeps the JSON in `figures` and the page beside it, under the same name with `.md`; makes their folder."""

    def __init__(self, figures: Path, command: str) -> None:
        self.figures = figures
        self.page = figures.with_suffix(".md")
        self._command = command

    def write(self, result: EngineResult) -> None:
        """Replace both files by what is known now; a process that is killed here leaves the earlier ones."""
        report = engine_report(result)
        self.figures.parent.mkdir(parents=True, exist_ok=True)
        _replace(self.figures, json.dumps(report.figures, indent=1, allow_nan=False) + "\n")
        _replace(self.page, report.document(self._command))


def _replace(path: Path, text: str) -> None:
    beside = path.with_name(f"{path.name}.part")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)
