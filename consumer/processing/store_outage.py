"""What of the store is down right now, as jobs come upon it."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

import structlog

from consumer.errors import Overloaded

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from schemas import Reason

Result = TypeVar("Result")

log = structlog.get_logger(__name__)

MOST_SECONDS = 5.0
"""Between two looks at a store that is down."""


class Operation(StrEnum):
    """What is asked of the store. One may fail while the others work: a full disk is read as ever."""

    STARTUP_CHECK = "startup_check"
    FIND = "find"
    KEEP = "keep"
    ADDRESS = "address"


class StoreOutage:
    """What of the store is down right now: told when it begins and when all is over, not by every job that waits.

    It is over, for readiness and for who wants to read, with the next call that succeeds. The log is told so when
    nobody is left who was refused: there a store that refuses every second call is in one trouble, not in hundreds.
    """

    def __init__(self, count: Callable[[Reason], None] = lambda _reason: None, retry_seconds: float = 1.0) -> None:
        self._count = count
        self._retry_seconds = retry_seconds
        self._current: dict[Operation, Overloaded] = {}
        self._waiting: Counter[Operation] = Counter()
        self._refused: Counter[Operation] = Counter()
        self._told = False

    def __call__(self) -> str | None:
        """Return a sentence about what is down, None when nothing is: a readiness check."""
        return next((error.message for error in self._current.values()), None)

    @property
    def reason(self) -> str:
        """The reason code of what is down, empty when nothing is."""
        return next((error.reason.value for error in self._current.values()), "")

    @property
    def at_the_door(self) -> bool:
        """True while the store has not been found fit for work: no job is needed to ask again."""
        return Operation.STARTUP_CHECK in self._current

    @contextmanager
    def watched(self, operation: Operation) -> Iterator[None]:
        """While anybody tries the operation, its trouble is watched; of what nobody tries nothing is known."""
        self._waiting[operation] += 1
        try:
            yield
        finally:
            self._waiting[operation] -= 1
            if not self._waiting[operation]:
                self._current.pop(operation, None)
            self._tell_the_end("overload_forgotten")

    async def retry_until_up(self, operation: Operation, attempt: Callable[[], Awaitable[Result]]) -> Result:
        """Try again, for as long as it takes, while the store is down: that is no failure of a request."""
        with self.watched(operation):
            try:
                result = await attempt()
            except Overloaded as error:
                result = await self._again(operation, attempt, error)
            self.end(operation)
            return result

    async def _again(
        self, operation: Operation, attempt: Callable[[], Awaitable[Result]], refusal: Overloaded
    ) -> Result:
        wait = self._retry_seconds
        self._refused[operation] += 1
        try:
            while True:
                self.begin(operation, refusal)
                await asyncio.sleep(wait)
                wait = min(2 * wait, MOST_SECONDS)
                try:
                    return await attempt()
                except Overloaded as error:
                    refusal = error
        finally:
            self._refused[operation] -= 1

    def begin(self, operation: Operation, error: Overloaded) -> None:
        """Take note that an operation failed."""
        self._count(error.reason)
        if not self._told:
            log.warning("overloaded", operation=operation, reason=error.reason, error=error.message)
        self._told = True
        self._current[operation] = error

    def end(self, operation: Operation) -> None:
        """Take note that it succeeded: of the others that says nothing."""
        self._current.pop(operation, None)
        self._tell_the_end("overload_over")

    def _tell_the_end(self, event: str) -> None:
        if self._told and not self._current and not any(self._refused.values()):
            self._told = False
            log.info(event)
