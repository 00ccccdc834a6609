"""Places where a test may catch a worker, to strike it exactly there. Inert unless a test names a folder.

A test arms a place by writing `<place>.armed` into the folder. The first worker that comes by takes it, which leaves
`<place>.hit-<pid>`, and stays for as long as that file lies there; or goes on at once if the test wrote `pass`. While
`<place>.failing` lies there, every attempt that comes by fails.
"""

from __future__ import annotations

import asyncio
import os
from enum import StrEnum
from typing import TYPE_CHECKING

from consumer.errors import Transient
from schemas import Reason

if TYPE_CHECKING:
    from pathlib import Path

HOLD_SECONDS = 120.0
"""Longest stay; a test that died must not hold a worker for ever."""

PASS = "pass"  # noqa: S105 - no password
"""What a test writes into an armed place to be told of the visit without holding it up."""


class Failpoint(StrEnum):
    """Where a worker can be caught, in the order of a record's life."""

    TAKEN = "record_taken"
    PAINTING = "engine_running"
    UPLOADING = "uploading"
    STORED = "manifest_written"
    BEGUN = "between_begin_and_commit"
    COMMITTING = "commit_in_flight"
    REBALANCING = "in_rebalance"


class _Folder:
    """Where the places are armed; None in every worker that is not a test's."""

    path: Path | None = None


def use(folder: Path | None) -> None:
    """Look for armed places in this folder from now on; None looks nowhere."""
    _Folder.path = folder


async def reached(place: Failpoint) -> None:
    """Tell that a place is reached, and stay there if a test wants that. Costs nothing where no test asked.

    Raises `Transient` if a test wants the attempt to fail.
    """
    if _Folder.path is None:
        return
    if (_Folder.path / f"{place}.failing").exists():
        raise Transient(Reason.ENGINE_FAILED, "A test wants this attempt to fail.")
    armed, hit = _Folder.path / f"{place}.armed", _Folder.path / f"{place}.hit-{os.getpid()}"
    try:
        armed.rename(hit)
    except FileNotFoundError:
        return
    if hit.read_text() == PASS:
        return
    async with asyncio.timeout(HOLD_SECONDS):
        while hit.exists():  # noqa: ASYNC110 - only ever in a test's worker, and the news is another process's
            await asyncio.sleep(0.01)
