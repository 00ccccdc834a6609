"""Readers of marks in pictures that are not ours: exiftool and exiv2."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.support.absent import absent

DEBIAN = {"exiftool": "libimage-exiftool-perl", "exiv2": "exiv2"}
"""The package of each program."""


def by_exiftool(files: Iterable[Path], *groups: str) -> dict[Path, dict[str, Any]]:
    """Return what each file says in these groups (default: XMP). TC260's label, which 12.57 spells Aigc, is AIGC."""
    asked = groups or ("XMP",)
    output = _run("exiftool", "-json", *(f"-{group}:all" for group in asked), *map(str, files))
    entries: list[dict[str, Any]] = json.loads(output)
    return {
        Path(entry.pop("SourceFile")): {"AIGC" if name == "Aigc" else name: value for name, value in entry.items()}
        for entry in entries
    }


def by_exiv2(file: Path) -> dict[str, str]:
    """Return the file's XMP, by the names without `Xmp.` and the schema's prefix."""
    rows = [line.split(maxsplit=1) for line in _run("exiv2", "-P", "kt", str(file)).splitlines()]
    return {row[0].rpartition(".")[2]: row[1] for row in rows if row[0].startswith("Xmp.")}


def _run(name: str, *arguments: str) -> str:
    program = shutil.which(name)
    if program is None:
        absent(f"{name} is not installed (Debian: {DEBIAN[name]})")
    done = subprocess.run(  # noqa: S603 - our own arguments
        [program, *arguments], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout
