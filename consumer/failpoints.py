"""Failpoints: where a test can stop a worker, to kill or fail it exactly there. Inert unless a test names a folder.

A test arms a failpoint by writing `<failpoint>.armed` into the folder. The first worker to reach it takes that file,
which leaves `<failpoint>.hit-<pid>`, and stays while the latter exists; or goes on at once if the test wrote `pass`.
While `<failpoint>.failing` exists, every attempt that reaches it fails.
"""

import asyncio
import os
from enum import StrEnum
from pathlib import Path

from consumer.errors import Transient
from schemas import Reason

HOLD_SECONDS = 120.0
"""Longest stop: a test that died must not hold a worker for ever."""

PASS = "pass"  # noqa: S105 - no password
"""What a test writes into the armed file to learn of the visit without stopping the worker."""


class Failpoint(StrEnum):
    """Where a worker can be stopped, in the order of a record's life."""

    TAKEN = "record_taken"
    PAINTING = "engine_running"
    UPLOADING = "uploading"
    STORED = "manifest_written"
    RENDERING = "between_renditions"
    WITHDRAWING = "withdrawing"
    BEGUN = "between_begin_and_commit"
    COMMITTING = "commit_in_flight"
    REBALANCING = "in_rebalance"


class _Folder:
    """Where failpoints are armed; None except in a test's worker."""

    path: Path | None = None


def use(folder: Path | None) -> None:
    """Look for armed failpoints in this folder from now on; None looks nowhere."""
    _Folder.path = folder


async def reached(failpoint: Failpoint) -> None:
    """Mark that a failpoint is reached, and stop there if a test armed it. Costs nothing without a folder.

    Raises `Transient` if a test wants the attempt to fail.
    """
    if _Folder.path is None:
        return
    if (_Folder.path / f"{failpoint}.failing").exists():
        raise Transient(Reason.ENGINE_FAILED, "A test wants this attempt to fail.")
    armed, hit = _Folder.path / f"{failpoint}.armed", _Folder.path / f"{failpoint}.hit-{os.getpid()}"
    try:
        armed.rename(hit)
    except FileNotFoundError:
        return
    if hit.read_text() == PASS:
        return
    async with asyncio.timeout(HOLD_SECONDS):
        while hit.exists():  # noqa: ASYNC110 - only in a test's worker, and another process removes the file
            await asyncio.sleep(0.01)
