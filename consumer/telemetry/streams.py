"""Streams for log lines: a write never fails and, in a worker, never waits. What is lost is counted.

A log line must end nothing: its reader may be gone, its volume full, its descriptor closed, or its reader may stand
still while the pipe is full.
"""

import io
import select
from queue import Full, Queue
from threading import Lock, Thread
from time import monotonic, sleep
from typing import Any, BinaryIO, TextIO, cast

QUEUED_WRITES = 10_000
"""Most writes that wait for a slow reader; what comes beyond is lost."""

_ROOM_SECONDS = 1.0
_DRAIN_POLL_SECONDS = 0.01


class _LostLines:
    """Lines of this process's log that could not be written."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.number = 0

    def add(self, data: memoryview) -> None:
        with self._lock:
            self.number += max(1, bytes(data).count(b"\n"))


_lost = _LostLines()


def log_lines_lost() -> int:
    """Return how many lines this process could not write to its log since it began."""
    return _lost.number


class WholeFile(io.FileIO):
    """A descriptor whose `write` writes all it is given, also where the descriptor does not block.

    Programs that share a pipe with node.js or a terminal may find it non-blocking: then a plain write is cut short.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "w", closefd=False)

    def write(self, data: Any) -> int:
        """Write everything. Raises OSError; `BlockingIOError` if a non-blocking descriptor has no room for a second."""
        rest = memoryview(data).cast("B")
        size = len(rest)
        while rest:
            written = cast("int | None", super().write(rest))
            if written is None and not self._has_room():
                raise BlockingIOError(0, "nobody reads it")
            rest = rest[written or 0 :]
        return size

    def _has_room(self) -> bool:
        poll = select.poll()
        poll.register(self.fileno(), select.POLLOUT)
        return bool(poll.poll(_ROOM_SECONDS * 1000))


class LossyFile(WholeFile):
    """A descriptor for a log: what cannot be written is dropped and counted."""

    def write(self, data: Any) -> int:
        """Write or lose the data. Waits while a reader stands still."""
        try:
            return super().write(data)
        except OSError:
            _lost.add(memoryview(data).cast("B"))
            return len(data)


class BackgroundFile(LossyFile):
    """A descriptor for a log that a thread writes to: `write` never waits. Close it with `drain`."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor)
        self._waiting: Queue[bytes] = Queue(QUEUED_WRITES)
        Thread(target=self._run, name=f"log-{descriptor}", daemon=True).start()

    def write(self, data: Any) -> int:
        """Queue the data, or lose it when the queue is full."""
        try:
            self._waiting.put_nowait(bytes(data))
        except Full:
            _lost.add(memoryview(data).cast("B"))
        return len(data)

    def drain(self, seconds: float) -> None:
        """Wait until all is written, at most so long."""
        deadline = monotonic() + seconds
        while self._waiting.unfinished_tasks and monotonic() < deadline:
            sleep(_DRAIN_POLL_SECONDS)

    def _run(self) -> None:
        while True:
            super().write(self._waiting.get())
            self._waiting.task_done()


def as_text(raw: LossyFile, like: TextIO | None) -> TextIO:
    """Return a text stream that passes each write on at once; a character that `like` cannot encode is escaped."""
    encoding = like.encoding if like is not None else "utf-8"
    return io.TextIOWrapper(cast("BinaryIO", raw), encoding, errors="backslashreplace", write_through=True)
