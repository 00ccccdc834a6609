from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from consumer.errors import Rejected
from consumer.jobs import Master, Picture
from consumer.pictures import encoder
from consumer.pictures.encoder import PictureEncoder
from consumer.pictures.master import encode
from consumer.settings.disclosure import DEFAULT_PRODUCER


async def test_the_encoder_returns_the_master(picture: Callable[..., Picture]) -> None:
    """The result is that of encoding without threads."""
    with PictureEncoder(threads=1) as pool:
        assert await pool.encode(picture()) == encode(picture(), DEFAULT_PRODUCER)


async def test_a_blank_picture_does_not_leave(picture: Callable[..., Picture]) -> None:
    """The check runs before encoding, and its error reaches the caller."""
    with PictureEncoder(threads=1) as pool, pytest.raises(Rejected):
        await pool.encode(picture(b"\0" * 1536))


async def test_only_its_own_threads_encode(picture: Callable[..., Picture], monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight pictures on two threads: both are used, never a third, and each carries the encoder's name."""
    names: set[str] = set()
    both = threading.Barrier(2, timeout=10)

    def watched(painted: Picture, producer: str) -> Master:
        names.add(threading.current_thread().name)
        both.wait()
        return encode(painted, producer)

    monkeypatch.setattr(encoder, "encode", watched)
    with PictureEncoder(threads=2) as pool:
        await asyncio.wait_for(asyncio.gather(*(pool.encode(picture()) for _ in range(8))), timeout=30)
    assert names == {"encoder_0", "encoder_1"}


async def test_a_cancelled_wait_leaves_the_encoder_usable(
    picture: Callable[..., Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelling a picture that is being encoded loses only that picture."""
    begun, go_on = threading.Event(), threading.Event()

    def slow(painted: Picture, producer: str) -> Master:
        begun.set()
        assert go_on.wait(timeout=10)
        return encode(painted, producer)

    monkeypatch.setattr(encoder, "encode", slow)
    with PictureEncoder(threads=1) as pool:
        first = asyncio.create_task(pool.encode(picture()))
        assert await asyncio.to_thread(begun.wait, 10)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        go_on.set()
        assert await asyncio.wait_for(pool.encode(picture()), timeout=10) == encode(picture(), DEFAULT_PRODUCER)
