from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from consumer.errors import Rejected
from consumer.jobs import Master, Picture
from consumer.pictures import encoder
from consumer.pictures.encoder import PictureEncoder
from consumer.pictures.master import encode
from consumer.pictures.rendering import NotWanted, render
from consumer.renditions import CENTRE, Crop, EncodedRenditions, Encoding, RenditionFormat, RenditionOrder, RenditionSet
from consumer.settings.disclosure import DEFAULT_PRODUCER
from schemas import Reason

BOUND = 30.0
SET = RenditionSet("square", (1, 1), (16,), (Encoding(RenditionFormat.WEBP, 75, 75),))
ORDER = RenditionOrder((SET,), CENTRE)


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


async def test_renditions_are_those_made_without_threads(picture: Callable[..., Picture]) -> None:
    """The encoder adds threads and its producer, nothing else."""
    master = encode(picture(), "The Daily Harbour").data
    with PictureEncoder(1, 2, "The Daily Harbour") as pool:
        assert await pool.render(master, ORDER) == render(master, ORDER, "The Daily Harbour")


async def test_a_wrong_crop_and_a_broken_master_reach_the_caller(picture: Callable[..., Picture]) -> None:
    """Errors of the threads are raised where renditions are awaited."""
    master = encode(picture(), DEFAULT_PRODUCER).data
    outside = RenditionOrder((SET,), CENTRE, {"square": Crop(20, 0, 16, 16)})
    with PictureEncoder(1) as pool:
        with pytest.raises(Rejected, match="not inside the picture, which is 32x16 pixels") as rejected:
            await pool.render(master, outside)
        with pytest.raises(ValueError, match="not a picture"):
            await pool.render(master[:-60], ORDER)
    assert (rejected.value.reason, rejected.value.field) == (Reason.INVALID_FIELD, "crops.square")


async def test_a_master_does_not_wait_for_renditions(
    picture: Callable[..., Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While every rendition thread is busy, masters are encoded."""
    master, go_on = encode(picture(), DEFAULT_PRODUCER).data, threading.Event()

    def slow(*order: Any) -> EncodedRenditions:
        assert go_on.wait(BOUND)
        return render(*order)

    monkeypatch.setattr(encoder, "render", slow)
    with PictureEncoder(1) as pool:
        rendering = [asyncio.create_task(pool.render(master, ORDER)) for _ in range(3)]
        assert await asyncio.wait_for(pool.encode(picture()), BOUND) == encode(picture(), DEFAULT_PRODUCER)
        go_on.set()
        assert len(set(await asyncio.wait_for(asyncio.gather(*rendering), BOUND))) == 1


async def test_renditions_that_nobody_awaits_end_with_the_file_begun(
    picture: Callable[..., Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A superseded request leaves its thread to the next one before all of its files are made."""
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def slow(*order: Any) -> EncodedRenditions:
        begun.set()
        assert go_on.wait(BOUND)
        try:
            return render(*order)
        except NotWanted:
            ended.set()
            raise

    monkeypatch.setattr(encoder, "render", slow)
    with PictureEncoder(1) as pool:
        first = asyncio.create_task(pool.render(encode(picture(), DEFAULT_PRODUCER).data, ORDER))
        assert await asyncio.to_thread(begun.wait, BOUND)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        go_on.set()
        assert await asyncio.to_thread(ended.wait, BOUND)
