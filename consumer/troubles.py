"""What of the store is down right now, as jobs come upon it."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from consumer.errors import Overloaded
    from schemas import Reason

log = structlog.get_logger(__name__)


class Operation(StrEnum):
    """What is asked of the store. One may fail while the others work: a full disk is read as ever."""

    FIND = "find"
    KEEP = "keep"
    ADDRESS = "address"


class Troubles:
    """What of the store is down right now: told when it begins and when all is over, not by every job that waits."""

    def __init__(self, count: Callable[[Reason], None] = lambda _reason: None) -> None:
        self._count = count
        self._current: dict[Operation, Overloaded] = {}
        self._waiting: Counter[Operation] = Counter()

    def __call__(self) -> str | None:
        """Return a sentence about what is down, None when nothing is: a readiness check."""
        return next((error.message for error in self._current.values()), None)

    @property
    def reason(self) -> str:
        """The reason code of what is down, empty when nothing is."""
        return next((error.reason.value for error in self._current.values()), "")

    @contextmanager
    def watched(self, operation: Operation) -> Iterator[None]:
        """While anybody tries the operation, its trouble is watched; of what nobody tries nothing is known."""
        self._waiting[operation] += 1
        try:
            yield
        finally:
            self._waiting[operation] -= 1
            if not self._waiting[operation] and self._current.pop(operation, None) is not None and not self._current:
                log.info("overload_forgotten", operation=operation)

    def begin(self, operation: Operation, error: Overloaded) -> None:
        """Take note that an operation failed."""
        self._count(error.reason)
        if not self._current:
            log.warning("overloaded", operation=operation, reason=error.reason, error=error.message)
        self._current[operation] = error

    def end(self, operation: Operation) -> None:
        """Take note that it succeeded: of the others that says nothing."""
        if self._current.pop(operation, None) is not None and not self._current:
            log.info("overload_over")
