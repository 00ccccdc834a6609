"""Replies to the parent: small ones at once, pictures through a pipe of their own that a thread fills.

A picture is megabytes and a pipe holds 64 KiB, so writing one takes as long as the parent's event loop takes to read
it. The thread that feeds the device must not wait for that.
"""

from __future__ import annotations

import os
import traceback
from queue import Queue
from threading import Thread
from typing import TYPE_CHECKING, Final

from consumer.engine import protocol

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_WAITING: Final = 16
"""Pictures that may wait for the parent; with more the device waits too, so that memory is bounded."""


class Replies:
    """Sends replies. `small` is the pipe of all but pictures, in order; `pictures` that of pictures, None for none.

    A picture may arrive after replies that were sent later. When the parent does not read any more, the process ends.
    """

    def __init__(self, small: int, pictures: int | None = None) -> None:
        self._small = small
        self._waiting: Queue[protocol.Painted] | None = None
        if pictures is not None:
            self._waiting = Queue(MOST_WAITING)
            Thread(target=self._write_pictures, args=(pictures, self._waiting), name="pictures", daemon=True).start()

    def send(self, reply: protocol.Reply) -> None:
        """Send a reply; waits only for a parent that reads nothing at all."""
        if self._waiting is not None and isinstance(reply, protocol.Painted):
            self._waiting.put(reply)
        else:
            write_all(self._small, protocol.frame(reply))

    def _write_pictures(self, pipe: int, waiting: Queue[protocol.Painted]) -> None:
        try:
            while True:
                write_all(pipe, protocol.frame(waiting.get()))
        except BaseException:  # noqa: BLE001 - reported, then the process ends
            traceback.print_exc()
        os._exit(1)


def write_all(pipe: int, data: bytes, write: Callable[[int, memoryview], int] = os.write) -> None:
    """Write all of it. Raises OSError when nobody reads any more."""
    rest = memoryview(data)
    while rest:
        rest = rest[write(pipe, rest) :]
