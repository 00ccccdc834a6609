"""Where pictures become bytes: a few named threads beside the event loop (zlib lets go of the interpreter)."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Self

from consumer.pictures.checks import check
from consumer.pictures.renditions import encode

if TYPE_CHECKING:
    from consumer.jobs import Picture, Renditions


class PictureEncoder:
    """Encodes pictures on `threads` threads; a context manager whose exit waits for the pictures being encoded.

    Callers beyond `threads` wait their turn. How many may wait is the caller's to bound: it holds the pixels.
    """

    def __init__(self, threads: int) -> None:
        self._threads = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="encoder")

    async def encode(self, picture: Picture) -> Renditions:
        """Check one picture and encode its renditions. Raises `Rejected` or `Transient` when the check fails.

        Cancelling drops a picture that waits; one being encoded is finished and thrown away.
        """
        return await asyncio.get_running_loop().run_in_executor(self._threads, _checked_and_encoded, picture)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)


def _checked_and_encoded(picture: Picture) -> Renditions:
    check(picture)
    return encode(picture)
