"""A Python that sees a few distributions and what they require, and our source: nothing else that is installed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

_ROOT = Path(__file__).parents[2]
_SECONDS = 240.0


class BarePython:
    """Runs programs that see `distributions`, what those require, and the repository."""

    def __init__(self, folder: Path, distributions: Sequence[str]) -> None:
        self._packages = folder / "packages"
        self._packages.mkdir()
        for name in _required(distributions):
            for top in {file.parts[0] for file in distribution(name).files or ()} - {"..", "bin", "__pycache__"}:
                link = self._packages / top
                if not link.exists():
                    link.symlink_to(Path(str(distribution(name).locate_file(top))))

    def command(self, *arguments: str) -> list[str]:
        """Return the command that runs Python without its own packages."""
        return [sys.executable, "-S", "-P", *arguments]

    @property
    def environment(self) -> dict[str, str]:
        """The environment of its programs."""
        return {**os.environ, "PYTHONPATH": os.pathsep.join((str(_ROOT), str(self._packages)))}

    def run(self, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run Python with these arguments until it ends."""
        return subprocess.run(  # noqa: S603 - ours
            self.command(*arguments),
            env=self.environment,
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )


def _required(distributions: Sequence[str]) -> set[str]:
    """Return the installed ones among these and what they require, without extras."""
    found: set[str] = set()
    waiting = list(distributions)
    while waiting:
        name = waiting.pop().lower()
        if name in found:
            continue
        try:
            requires = distribution(name).requires or []
        except PackageNotFoundError:  # for another platform or version of Python
            continue
        found.add(name)
        wanted = (Requirement(line) for line in requires)
        waiting += [each.name for each in wanted if not each.marker or each.marker.evaluate({"extra": ""})]
    return found
