"""A small disk that can be filled: a memory file system, which only root may mount."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.chaos.absent import Absent

MEGABYTES = 256


@dataclass(frozen=True, slots=True)
class Tmpfs:
    """A file system of its own at `folder`, unmounted on leaving."""

    folder: Path

    @property
    def _ballast(self) -> Path:
        return self.folder / "ballast"

    def fill(self) -> None:
        """Leave no byte free."""
        with self._ballast.open("wb", buffering=0) as ballast:
            try:
                while ballast.write(bytes(1 << 16)):
                    pass
            except OSError:
                return

    def free(self) -> None:
        """Give the room back."""
        self._ballast.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        done = _run("mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "tmpfs", str(self.folder))
        if done.returncode:
            raise Absent(f"a small disk must be mounted, which needs root: {done.stderr.strip()}")
        return self

    def __exit__(self, *exc_info: object) -> None:
        _run("umount", "--lazy", str(self.folder))


def _run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = shutil.which(program)
    if path is None:
        raise Absent(f"{program} is not installed")
    return subprocess.run([path, *arguments], capture_output=True, text=True, timeout=10, check=False)  # noqa: S603 - its own words
