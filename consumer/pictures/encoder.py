"""Encoding on a few threads beside the event loop (zlib releases the GIL)."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Self

from consumer.jobs import Picture, Renditions
from consumer.pictures.checks import check
from consumer.pictures.renditions import encode


class PictureEncoder:
    """Encodes pictures on `threads` threads; a context manager whose exit waits for the pictures being encoded.

    Further pictures queue; the caller limits how many, because they hold their pixels.
    """

    def __init__(self, threads: int) -> None:
        self._threads = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="encoder")

    async def encode(self, picture: Picture) -> Renditions:
        """Check a picture and encode its renditions. Raises `Unpaintable` or `Transient` if the check fails.

        Cancelling drops a queued picture; one being encoded is finished and discarded.
        """
        return await asyncio.get_running_loop().run_in_executor(self._threads, _check_and_encode, picture)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)


def _check_and_encode(picture: Picture) -> Renditions:
    check(picture)
    return encode(picture)
