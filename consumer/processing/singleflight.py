"""One call at a time for each key: who asks for what is under way already waits for it instead of beginning it again.

A call goes on for as long as anybody is interested, whoever began it; when the last one leaves it is cancelled.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator

Result = TypeVar("Result")


@dataclass(slots=True)
class _Flight(Generic[Result]):
    key: str
    task: asyncio.Task[None] | None = None
    waiters: list[asyncio.Future[Result]] = field(default_factory=list)
    interested: int = 0


class SingleFlight(Generic[Result]):
    """Calls by key, as tasks of the given group. Runs on the event loop."""

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self._tasks = tasks
        self._flights: dict[str, _Flight[Result]] = {}

    def __contains__(self, key: object) -> bool:
        """True while the key's call is under way."""
        return key in self._flights

    @contextmanager
    def interest(self, keys: Iterable[str]) -> Iterator[None]:
        """Keep the calls that are under way for these keys going for the block."""
        flights = [self._flights[key] for key in keys if key in self._flights]
        for flight in flights:
            flight.interested += 1
        try:
            yield
        finally:
            for flight in flights:
                self._lose_interest(flight)

    async def join(self, key: str, call: Callable[[], Awaitable[Result]]) -> tuple[Result, bool]:
        """Return what the key's call returns, and whether it was under way already; if none is, begin `call`.

        Raises what the call raised. Cancelling it leaves the call to those who still wait.
        """
        flight, joined = self._flights.get(key), True
        if flight is None:
            flight, joined = self._take_off(key, call), False
        landing: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        flight.waiters.append(landing)
        flight.interested += 1
        try:
            return await landing, joined
        finally:
            self._lose_interest(flight)

    def _lose_interest(self, flight: _Flight[Result]) -> None:
        flight.interested -= 1
        if not flight.interested and flight.task is not None:
            flight.task.cancel()
            self._forget(flight)

    def _take_off(self, key: str, call: Callable[[], Awaitable[Result]]) -> _Flight[Result]:
        flight: _Flight[Result] = _Flight(key)
        flight.task = self._tasks.create_task(self._fly(flight, call))
        self._flights[key] = flight
        return flight

    async def _fly(self, flight: _Flight[Result], call: Callable[[], Awaitable[Result]]) -> None:
        try:
            result = await call()
        except asyncio.CancelledError:
            for landing in flight.waiters:
                landing.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - it is told to everybody who waits
            for landing in flight.waiters:
                if not landing.done():
                    landing.set_exception(error)
        else:
            for landing in flight.waiters:
                if not landing.done():
                    landing.set_result(result)
        finally:
            self._forget(flight)

    def _forget(self, flight: _Flight[Result]) -> None:
        if self._flights.get(flight.key) is flight:
            del self._flights[flight.key]
