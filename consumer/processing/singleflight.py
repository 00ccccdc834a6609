"""One call at a time for each key: a caller that asks for what is under way waits for it instead of beginning it again.

A call goes on while any caller is interested, whoever began it; when the last one leaves it is cancelled.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Result = TypeVar("Result")


@dataclass(slots=True)
class _Call(Generic[Result]):
    key: str
    task: asyncio.Task[None] | None = None
    waiters: list[asyncio.Future[Result]] = field(default_factory=list)
    interested: int = 0


class SingleFlight(Generic[Result]):
    """Calls by key, as tasks of the given group. Runs on the event loop."""

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self._tasks = tasks
        self._calls: dict[str, _Call[Result]] = {}

    def __len__(self) -> int:
        return len(self._calls)

    def __contains__(self, key: object) -> bool:
        """True while the key's call is under way."""
        return key in self._calls

    @contextmanager
    def interest(self, keys: Iterable[str]) -> Iterator[None]:
        """Keep the calls that are under way for these keys going for the block."""
        calls = [self._calls[key] for key in keys if key in self._calls]
        for call in calls:
            call.interested += 1
        try:
            yield
        finally:
            for call in calls:
                self._lose_interest(call)

    async def join(self, key: str, begin: Callable[[], Awaitable[Result]]) -> tuple[Result, bool]:
        """Return what the key's call returns, and whether it was under way already; if none is, begin one.

        Raises what the call raised. Cancelling leaves the call to the others that wait for it.
        """
        call, joined = self._calls.get(key), True
        if call is None:
            call, joined = self._start(key, begin), False
        waiter: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        call.waiters.append(waiter)
        call.interested += 1
        try:
            return await waiter, joined
        finally:
            self._lose_interest(call)

    def _lose_interest(self, call: _Call[Result]) -> None:
        call.interested -= 1
        if not call.interested and call.task is not None:
            call.task.cancel()
            self._forget(call)

    def _start(self, key: str, begin: Callable[[], Awaitable[Result]]) -> _Call[Result]:
        call: _Call[Result] = _Call(key)
        call.task = self._tasks.create_task(self._run(call, begin))
        self._calls[key] = call
        return call

    async def _run(self, call: _Call[Result], begin: Callable[[], Awaitable[Result]]) -> None:
        try:
            result = await begin()
        except asyncio.CancelledError:
            for waiter in call.waiters:
                waiter.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - raised to every caller that waits
            for waiter in call.waiters:
                if not waiter.done():
                    waiter.set_exception(error)
        else:
            for waiter in call.waiters:
                if not waiter.done():
                    waiter.set_result(result)
        finally:
            self._forget(call)

    def _forget(self, call: _Call[Result]) -> None:
        if self._calls.get(call.key) is call:
            del self._calls[call.key]
