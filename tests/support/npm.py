"""Packages from npm, installed once for each `package.json` and kept in the user's cache folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

SECONDS = 240


class NpmMissingError(Exception):
    """The packages cannot be had here; the message says why."""


def modules(manifest: Path) -> Path:
    """Return a `node_modules` with what the manifest pins. Raises `NpmMissingError`."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise NpmMissingError("node and npm are not installed")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "leadart" / "npm"
    kept = cache / hashlib.sha256(manifest.read_bytes()).hexdigest()[:16]
    if not kept.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=cache) as scratch:
            made = Path(scratch) / "made"
            _install(npm, manifest, made)
            _keep(made, kept)
    return kept / "node_modules"


def _install(npm: str, manifest: Path, folder: Path) -> None:
    folder.mkdir()
    shutil.copy(manifest, folder)
    options = ("--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline")
    done = subprocess.run(  # noqa: S603 - npm itself
        [npm, "install", *options], cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    if done.returncode:
        raise NpmMissingError(f"npm could not install: {done.stderr[-500:]}")


def _keep(made: Path, kept: Path) -> None:
    # Moved when complete: neither a kill nor a run beside this one leaves a part of it.
    try:
        made.rename(kept)
    except OSError:
        if not kept.is_dir():
            raise
