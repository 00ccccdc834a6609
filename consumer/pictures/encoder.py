"""Encoding on a few threads beside the event loop (the encoders release the GIL)."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Self

from PIL import ImageStat

from consumer.errors import Transient, Unpaintable
from consumer.jobs import Master, Picture
from consumer.pictures.master import encode, open_picture
from consumer.pictures.rendering import render
from consumer.pictures.trim import trim
from consumer.renditions import EncodedRenditions, RenditionOrder
from consumer.settings.disclosure import DEFAULT_PRODUCER
from schemas import Reason

_LEAST_DEVIATION = 1.0  # of 255 levels: real pictures vary by tens, and so does noise
_BLANK = (
    "The picture came out blank, with all pixels of one colour, and its recipe gives the same picture every time: ask "
    "for another seed or variation, more steps, or less guidance."
)


class PictureEncoder:
    """Encodes masters on `threads` threads and renditions on others; a context manager whose exit waits for them.

    A master never waits for renditions, which take ten times as long. Further pictures queue; the caller limits how
    many, because they hold their pixels. `producer` is named in the marks of every file.
    """

    def __init__(self, threads: int, rendition_threads: int = 1, producer: str = DEFAULT_PRODUCER) -> None:
        self._producer = producer
        self._threads = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="encoder")
        self._rendition_threads = ThreadPoolExecutor(rendition_threads, thread_name_prefix="renditions")

    async def encode(self, picture: Picture) -> Master:
        """Check a picture, trim it and encode it. Raises `Unpaintable` or `Transient` if the check fails.

        Cancelling drops a queued picture; one being encoded is finished and discarded.
        """
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, _check_and_encode, picture, self._producer
        )

    async def render(self, master: bytes, order: RenditionOrder) -> EncodedRenditions:
        """Make the renditions of a master, on one thread. Deterministic.

        Raises `Rejected` (reason `invalid_field`, field `crops.<set>`) for a crop outside the master, of another ratio
        or for no set of the order; ValueError for bytes that are no picture. Cancelling drops a queued picture; of one
        being rendered, the file begun is finished and all are discarded.
        """
        cancelled = threading.Event()
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._rendition_threads, render, master, order, self._producer, lambda: not cancelled.is_set()
            )
        finally:
            cancelled.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        for threads in (self._threads, self._rendition_threads):
            threads.shutdown(wait=True, cancel_futures=True)


def _check_and_encode(picture: Picture, producer: str) -> Master:
    check(picture)
    return encode(trim(picture), producer)


def check(picture: Picture) -> None:
    """Raise `Transient` for a picture of the wrong size, `Unpaintable` for one that is blank.

    A blank picture is the recipe's fault: three more attempts over an hour would give the same. But a broken engine
    paints every recipe blank, so the circuit breaker counts blank pictures too: several in a row, with nothing painted
    in between, hold requests back before they become dead letters (`consumer.processing.failure_policy`).
    """
    size = picture.width * picture.height * 3
    if len(picture.rgb) != size:
        raise Transient(Reason.ENGINE_FAILED, f"the engine gave {len(picture.rgb)} bytes of pixels instead of {size}")
    if max(ImageStat.Stat(open_picture(picture)).stddev) < _LEAST_DEVIATION:
        raise Unpaintable(Reason.NOT_PAINTED, _BLANK)
