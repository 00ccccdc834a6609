"""Replies: pictures never hold up what is small."""

from __future__ import annotations

import os
from collections.abc import Iterator
from threading import Thread

import pytest

from consumer.engine.protocol import Beat, Frames, Painted, Reply, StepDone
from consumer.engine.runtime.replies import MOST_WAITING, Replies, write_all

PIXELS = bytes(1024 * 1024 * 3)


def picture(number: int) -> Painted:
    return Painted(number, 1024, 1024, PIXELS, 1.0)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ours, theirs = os.pipe()
    yield ours, theirs
    os.close(ours)


def read(pipe: int, count: int) -> list[Reply]:
    frames: Frames[Reply] = Frames()
    replies: list[Reply] = []
    while len(replies) < count:
        replies.extend(frames.feed(os.read(pipe, 1 << 20)))
    return replies


def test_a_picture_that_nobody_reads_holds_up_no_reply(pipe: tuple[int, int]) -> None:
    """Pictures of 3 MiB go into pipes of 64 KiB that nobody reads, and the sender goes on."""
    small, pictures = os.pipe()
    replies = Replies(pictures, pipe[1])
    for number in range(MOST_WAITING):
        replies.send(picture(number))
    replies.send(StepDone(7, 1, 2))

    assert read(small, 1) == [StepDone(7, 1, 2)]
    assert [reply.number for reply in read(pipe[0], MOST_WAITING) if isinstance(reply, Painted)] == list(
        range(MOST_WAITING)
    )
    os.close(small)


def test_without_a_pipe_of_their_own_pictures_go_with_the_rest(pipe: tuple[int, int]) -> None:
    """In order, as a child that is driven by hand expects."""
    replies = Replies(pipe[1])

    def send() -> None:
        replies.send(picture(1))
        replies.send(Beat())

    sender = Thread(target=send)
    sender.start()
    first, second = read(pipe[0], 2)
    sender.join(10)

    assert (first, second) == (picture(1), Beat())


def test_what_a_pipe_takes_in_parts_arrives_whole() -> None:
    """A write may take less than it was given."""
    taken = bytearray()

    def some(pipe: int, data: memoryview) -> int:
        assert pipe == 9
        taken.extend(data[:3])
        return min(3, len(data))

    write_all(9, b"0123456789", some)

    assert taken == b"0123456789"
