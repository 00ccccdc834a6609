"""Standard output and error of every command: what a command prints must arrive, what it complains of may get lost.

A reader that is gone (`leadart lag | head -1`) ends a command quietly, as it ends other Unix tools. A full volume or a
closed descriptor is one sentence and exit status 1. A character that the output's encoding lacks becomes a `?`.
"""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
from contextlib import contextmanager, suppress
from time import monotonic
from typing import TYPE_CHECKING, Any

from consumer.telemetry.streams import BackgroundFile, LossyFile, WholeFile, as_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

READER_GONE = 128 + signal.SIGPIPE
"""Exit status when nobody reads the output any more: a shell's for a program that SIGPIPE ended."""

_DRAIN_SECONDS = 2.0
_STDOUT, _STDERR = 1, 2


class StandardOutput(WholeFile):
    """Descriptor 1. Once a write failed, `failure` says why, and what is still written is dropped."""

    failure: OSError | None = None

    def write(self, data: Any) -> int:
        """Write everything, the first time that this fails raise OSError."""
        if self.failure is not None:
            return len(data)
        try:
            return super().write(data)
        except OSError as error:
            self.failure = error
            raise


@contextmanager
def standard_streams() -> Iterator[None]:
    """Run a command on checked streams. Raises `SystemExit` for output that could not be written."""
    _occupy_closed_descriptors()
    output = StandardOutput(_STDOUT)
    encoding = sys.stdout.encoding if sys.stdout is not None else "utf-8"
    sys.stdout = io.TextIOWrapper(io.BufferedWriter(output), encoding, errors="replace", line_buffering=output.isatty())
    sys.stderr = as_text(LossyFile(_STDERR), sys.stderr)
    try:
        yield
    finally:
        with suppress(OSError):
            sys.stdout.flush()
        if output.failure is not None:
            sys.exit(_status(output.failure))


@contextmanager
def log_streams() -> Iterator[Callable[[], None]]:
    """Let standard output and error be a worker's log, which neither fails nor delays it.

    What is yielded waits, for two seconds at most, until the log is written; leaving the context does the same.
    """
    before = sys.stdout, sys.stderr
    files: list[BackgroundFile] = []
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        with suppress(io.UnsupportedOperation):  # a test's stream in memory stays
            files.append(BackgroundFile(stream.fileno()))
            setattr(sys, name, as_text(files[-1], stream))

    def drain() -> None:
        until = monotonic() + _DRAIN_SECONDS
        for file in files:
            file.drain(until - monotonic())

    try:
        yield drain
    finally:
        drain()
        sys.stdout, sys.stderr = before


def _occupy_closed_descriptors() -> None:
    """Open descriptors 0 to 2 where they are closed: the next file or socket would get the number, and be printed to.

    They are read-only, so that output fails, and is reported or counted.
    """
    for number in (0, _STDOUT, _STDERR):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDONLY)
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False, encoding="utf-8")  # noqa: SIM115 - it stays open


def _status(failure: OSError) -> int:
    """Return the exit status after output that could not be written, with a sentence unless its reader just left."""
    if failure.errno == errno.EPIPE:
        return READER_GONE
    sys.stderr.write(f"leadart: standard output cannot be written: {failure.strerror}\n")
    return 1
