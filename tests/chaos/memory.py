"""The kernel's out-of-memory killer, aimed at one process: a control group in which a neighbour takes too much."""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.absent import Absent

GROUPS = Path("/sys/fs/cgroup")
ROOM_BYTES = 32 << 20
NEIGHBOUR = "import sys, pathlib; pathlib.Path(sys.argv[1]).write_text('0'); bytearray(64 << 20)"
"""Joins the group, then takes twice the room there is."""

FIRST_TO_GO = "1000"
EMPTY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class MemoryGroup:
    """A memory control group, of the first version (a hierarchy of its own) or the second."""

    folder: Path
    limit: str
    events: str

    def kills(self) -> int:
        """Return how often the kernel killed in here."""
        lines = (line.split() for line in (self.folder / self.events).read_text().splitlines())
        return next(int(value) for name, value in lines if name == "oom_kill")


def starve(pid: int) -> None:
    """Have the kernel kill this process for want of memory in its group. Raises `Absent` where that cannot be had."""
    group = _make()
    try:
        (group.folder / group.limit).write_text(str(ROOM_BYTES))
        members = group.folder / "cgroup.procs"
        members.write_text(str(pid))
        Path(f"/proc/{pid}/oom_score_adj").write_text(FIRST_TO_GO)
        command = [sys.executable, "-I", "-S", "-c", NEIGHBOUR, str(members)]
        subprocess.run(command, check=False, timeout=EMPTY_SECONDS, stderr=subprocess.DEVNULL)  # noqa: S603 - our own words
        assert group.kills() > 0, "the kernel killed nobody"
    finally:
        _remove(group.folder)


def check() -> None:
    """Raise `Absent` where no memory group can be made."""
    _remove(_make().folder)


def _make() -> MemoryGroup:
    first = (GROUPS / "memory").is_dir()
    folder = (GROUPS / "memory" if first else GROUPS) / f"leadart-{uuid.uuid4().hex[:8]}"
    limit, events = ("memory.limit_in_bytes", "memory.oom_control") if first else ("memory.max", "memory.events")
    try:
        folder.mkdir()
    except OSError as error:
        raise Absent(f"a memory control group must be made, which needs root: {error}") from error
    if not (folder / limit).exists():
        folder.rmdir()
        raise Absent("this machine has no memory control groups")
    return MemoryGroup(folder, limit, events)


def _remove(folder: Path) -> None:
    """Remove a group once its last process is gone."""
    deadline = time.monotonic() + EMPTY_SECONDS
    while True:
        try:
            folder.rmdir()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
