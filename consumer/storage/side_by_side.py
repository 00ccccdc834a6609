"""Calls made at once."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import TypeVar

_Result = TypeVar("_Result")


async def all_of(calls: Iterable[Coroutine[None, None, _Result]], at_once: int | None = None) -> list[_Result]:
    """Make the calls side by side, at most `at_once`; return their results in order once all have ended.

    Raises the first error among them. Cancelling cancels them all.
    """
    places = asyncio.Semaphore(at_once) if at_once else None

    async def placed(call: Coroutine[None, None, _Result]) -> _Result:
        if places is None:
            return await call
        async with places:
            return await call

    made = list(calls)
    try:
        # Not a TaskGroup: what one error would cancel is an upload, which the next attempt would have to make again.
        ended = await asyncio.gather(*map(placed, made), return_exceptions=True)
    finally:
        for call in made:
            call.close()  # one that was cancelled before its turn has not begun
    results = []
    for result in ended:
        if isinstance(result, BaseException):
            raise result
        results.append(result)
    return results
