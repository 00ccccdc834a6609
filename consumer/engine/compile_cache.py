"""Where compiled code is kept for the next start: by torch, and by Triton for the fused kernels."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

TORCH = "TORCHINDUCTOR_CACHE_DIR"
TRITON = "TRITON_CACHE_DIR"


def cache_variables(configured: Path | None, ours: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that tell both libraries where: in the configured folder, else in the user's cache folder.

    Where that cannot be written it is the temporary folder, which may not last. Variables that `ours` has already stay,
    unless a folder is configured. Creates nothing.
    """
    if configured is not None:
        return {TORCH: str(configured), TRITON: str(configured / "triton")}
    folder = _users_folder(ours)
    if folder is None:
        # torch has its own place there; Triton would insist on the home folder and fail at the first picture.
        found = {TRITON: str(Path(tempfile.gettempdir(), f"leadart-triton-{os.getuid()}"))}
    else:
        found = {TORCH: str(folder), TRITON: str(folder / "triton")}
    return {name: value for name, value in found.items() if name not in ours}


def _users_folder(ours: Mapping[str, str]) -> Path | None:
    """Return `leadart` in the user's cache folder, None if it cannot be written or there is no such folder."""
    base = ours.get("XDG_CACHE_HOME") or (f"{ours['HOME']}/.cache" if ours.get("HOME") else "")
    if not Path(base).is_absolute():
        return None
    folder = Path(base, "leadart")
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    return folder if os.access(existing, os.W_OK | os.X_OK) else None
