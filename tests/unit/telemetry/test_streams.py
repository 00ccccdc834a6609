"""A log line that cannot be written ends nothing and delays nothing; it is counted."""

from __future__ import annotations

import fcntl
import io
import os
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from consumer.telemetry import streams
from consumer.telemetry.streams import BackgroundFile, LossyFile, WholeFile, as_text, log_lines_lost

_SIZE = 1031  # F_SETPIPE_SZ


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    fcntl.fcntl(writer, _SIZE, 4096)
    yield reader, writer
    for descriptor in (reader, writer):
        try:
            os.close(descriptor)
        except OSError:
            continue


def test_lines_without_a_reader_are_counted(pipe: tuple[int, int]) -> None:
    """Nothing is raised, and each line counts."""
    reader, writer = pipe
    os.close(reader)
    before = log_lines_lost()

    as_text(LossyFile(writer), None).write("one\ntwo\n")

    assert log_lines_lost() - before == 2


def test_lines_on_a_full_volume_are_counted() -> None:
    """Neither a write nor a flush raises, and later lines are written as soon as there is room again."""
    before = log_lines_lost()
    with Path("/dev/full").open("wb") as full:
        stream = as_text(LossyFile(full.fileno()), None)
        stream.write("one\n")
        stream.flush()
        stream.close()

    assert log_lines_lost() - before == 1


def test_a_character_that_the_log_cannot_encode_is_escaped(tmp_path: Path) -> None:
    """The line is written: a headline in another script costs no line."""
    with (tmp_path / "log").open("wb") as log:
        like = io.TextIOWrapper(io.BytesIO(), "latin-1")
        as_text(LossyFile(log.fileno()), like).write("für 日本\n")

    assert (tmp_path / "log").read_bytes() == "für \\u65e5\\u672c\n".encode("latin-1")


def test_a_reader_that_stands_still_delays_nobody(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Writes return at once; what neither the pipe nor the queue holds is lost, the rest arrives when it is read."""
    monkeypatch.setattr(streams, "QUEUED_WRITES", 10)
    reader, writer = pipe
    before, line = log_lines_lost(), "x" * 4095 + "\n"
    file = BackgroundFile(writer)

    stream = as_text(file, None)
    for _ in range(20):
        stream.write(line)
    file.drain(0)
    lost = log_lines_lost() - before
    with io.FileIO(reader, "r", closefd=False) as read:
        copied = bytearray()
        while len(copied) < (20 - lost) * len(line):
            copied += read.read(65_536) or b""
    file.drain(10)

    assert 8 <= lost <= 10
    assert copied == line.encode() * (20 - lost)


def test_a_pipe_that_does_not_block_gets_everything(pipe: tuple[int, int]) -> None:
    """A parent may have made the pipe non-blocking: the write waits for room instead of being cut short."""
    reader, writer = pipe
    os.set_blocking(writer, False)
    data, copied = b"y" * 50_000, bytearray()
    writing = Thread(target=WholeFile(writer).write, args=(data,))
    writing.start()
    while len(copied) < len(data):
        copied += os.read(reader, 65_536)
    writing.join(10)

    assert copied == data


def test_a_pipe_that_does_not_block_and_is_not_read_is_an_error(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wait for room is bounded."""
    monkeypatch.setattr(streams, "_ROOM_SECONDS", 0.01)
    _, writer = pipe
    os.set_blocking(writer, False)

    with pytest.raises(BlockingIOError):
        WholeFile(writer).write(b"y" * 50_000)
