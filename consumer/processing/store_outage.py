"""Which store operations are failing, as seen by running jobs."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TypeVar

import structlog

from consumer.errors import LeadartError, Overloaded, Unstorable
from schemas import Reason

Result = TypeVar("Result")

log = structlog.get_logger(__name__)

MAX_WAIT_SECONDS = 5.0
"""Longest wait between two attempts at a store that is down."""

ALONE = 5
"""Failures of one job, each with a success of another since the one before, that make it that job's own affair."""


class Operation(StrEnum):
    """What is asked of the store. One may fail while the others work: a full disk can still be read."""

    CHECK = "check"
    FIND = "find"
    KEEP = "keep"
    READ = "read"
    RENDITIONS = "renditions"
    ADDRESS = "address"
    REFER = "refer"
    WITHDRAW = "withdraw"


class StoreOutage:
    """The store operations that fail right now. Logged when the first fails and when all work again, not by every job.

    For readiness and admission an operation works again with its next success, or when the store passes the `probe`:
    what fails may be about one job's objects, and no other has to wait for that. The log calls the outage over only
    when no refused job is left: a store that refuses every second call has one outage, not hundreds.
    """

    def __init__(
        self,
        count: Callable[[Reason], None] = lambda _reason: None,
        retry_seconds: float = 1.0,
        probe: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._count = count
        self._retry_seconds = retry_seconds
        self._probe = probe
        self._probing = False
        self._successes: Counter[Operation] = Counter()
        self._failing: dict[Operation, Overloaded] = {}
        self._refusals: dict[Operation, Overloaded] = {}
        self._trying: Counter[Operation] = Counter()
        self._refused: Counter[Operation] = Counter()
        self._logged = False

    def __call__(self) -> str | None:
        """Return a sentence about what is down, None when nothing is: a readiness check."""
        return next((error.message for error in self._failing.values()), None)

    @property
    def reason(self) -> str:
        """The reason code of what was refused and not answered to any job since, whatever a probe found; else empty."""
        return next((error.reason.value for error in self._refusals.values()), "")

    @property
    def checking(self) -> bool:
        """True while the worker's own check fails: that repeats itself, so no job is needed to probe the store."""
        return Operation.CHECK in self._failing

    @contextmanager
    def watched(self, operation: Operation) -> Iterator[None]:
        """Count a job as trying the operation for the block. What nobody tries any more is forgotten: it is unknown."""
        self._trying[operation] += 1
        try:
            yield
        finally:
            self._trying[operation] -= 1
            if not self._trying[operation]:
                self._forget(operation)
            self._log_end("overload_forgotten")

    async def retry_until_up(self, operation: Operation, attempt: Callable[[], Awaitable[Result]]) -> Result:
        """Attempt until the store answers, without bound: an outage is no failure of a request.

        Raises `Unstorable` when this attempt goes on failing while those of others succeed.
        """
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
        wait, alone = self._retry_seconds, 0
        self._refused[operation] += 1
        try:
            while alone < ALONE:
                self.begin(operation, refusal)
                await self._reopen_if_up(operation)
                others = self._successes[operation]
                await asyncio.sleep(wait)
                wait = min(2 * wait, MAX_WAIT_SECONDS)
                try:
                    return await attempt()
                except Overloaded as error:
                    refusal = error
                alone += self._successes[operation] > others
            raise Unstorable(refusal.reason, f"The store works for other requests, but not for this one: {refusal}")
        finally:
            self._refused[operation] -= 1

    async def _reopen_if_up(self, operation: Operation) -> None:
        """Forget the failure if the store passes the probe. One probe at a time is enough for all jobs."""
        if self._probe is None or self._probing or operation is Operation.CHECK:
            return
        self._probing = True
        try:
            await self._probe()
        except LeadartError:  # it is down, as `refusal` says
            return
        finally:
            self._probing = False
        self._failing.pop(operation, None)

    def begin(self, operation: Operation, error: Overloaded) -> None:
        """Note that an operation failed."""
        self._count(error.reason)
        if not self._logged:
            log.warning("overloaded", operation=operation, reason=error.reason, error=error.message)
        self._logged = True
        self._failing[operation] = self._refusals[operation] = error

    def end(self, operation: Operation) -> None:
        """Note that an operation succeeded, which says nothing about the others."""
        self._successes[operation] += 1
        self._forget(operation)
        self._log_end("overload_over")

    def _forget(self, operation: Operation) -> None:
        self._failing.pop(operation, None)
        self._refusals.pop(operation, None)

    def _log_end(self, event: str) -> None:
        if self._logged and not self._failing and not any(self._refused.values()):
            self._logged = False
            log.info(event)
