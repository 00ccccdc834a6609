"""What the benchmark commands share: progress on stderr, results on stdout, and the documents they write."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

from consumer.cli.shared import complaints

if TYPE_CHECKING:
    from pathlib import Path


def report(line: str) -> None:
    """Print progress to stderr: stdout is for the result."""
    complaints.print(line, soft_wrap=True)


def command_line() -> str:
    """Return the command that is running, for the document it writes."""
    return shlex.join(["leadart", *sys.argv[1:]])


def write_document(target: Path, text: str) -> None:
    """Write a benchmark's document, in a folder that may be new."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
