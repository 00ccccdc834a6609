"""A recorder of the files that are opened, by whatever library: the kernel reports them, so native code is seen too."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_IN_OPEN = 0x20
_IN_ISDIR = 0x4000_0000
_EVENT = struct.Struct("iIII")


@contextmanager
def recorded_opens(tree: Path) -> Iterator[set[Path]]:
    """Yield a set that holds, after the block, every file under `tree` that any process opened in it. Linux only."""
    libc = ctypes.CDLL(None, use_errno=True)
    queue = libc.inotify_init1(os.O_NONBLOCK)
    if queue < 0:
        raise OSError(ctypes.get_errno(), "inotify_init1")
    folders = {}
    for where, _, _ in os.walk(tree):
        folders[libc.inotify_add_watch(queue, os.fsencode(where), _IN_OPEN)] = Path(where)
    opened: set[Path] = set()
    try:
        yield opened
        opened |= set(_events(queue, folders))
    finally:
        os.close(queue)


def _events(queue: int, folders: dict[int, Path]) -> Iterator[Path]:
    while True:
        try:
            data = os.read(queue, 65_536)
        except BlockingIOError:
            return
        while data:
            watch, mask, _, length = _EVENT.unpack_from(data)
            name = data[_EVENT.size : _EVENT.size + length].rstrip(b"\0")
            data = data[_EVENT.size + length :]
            if mask & _IN_OPEN and not mask & _IN_ISDIR and name:
                yield folders[watch] / os.fsdecode(name)
