"""A job on its way through the stages: what it is, who hears of it, how long it takes, until when it is of use."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from consumer.errors import Expired
from consumer.processing.circuit_breaker import BreakerPermit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from contextlib import AbstractContextManager

    from consumer.jobs import Job
    from consumer.telemetry.metrics import Stage


class ProgressReporter:
    """Hears how far a job is. This one keeps silent; the worker's publishes progress events."""

    def started(self, index: int) -> None:
        """The picture has its turn at the engine."""

    def step(self, index: int, done: int, of: int) -> None:
        """A denoising step of the picture is done."""

    def storing(self, index: int) -> None:
        """The picture is painted and on its way to the store."""

    def failed(self) -> None:
        """The attempt failed; another may follow."""


@dataclass(slots=True)
class Timings:
    """Seconds of a job's stages, the longest of its pictures for each."""

    started: float = field(default_factory=time.monotonic)
    stages: dict[Stage, float] = field(default_factory=dict)

    def note(self, stage: Stage, seconds: float) -> None:
        """Take note of one picture's time in a stage."""
        self.stages[stage] = max(seconds, self.stages.get(stage, 0.0))

    @property
    def total(self) -> float:
        """Seconds since the job began."""
        return time.monotonic() - self.started


async def _at_once() -> None:
    """Wait for nothing."""


def unwatched() -> AbstractContextManager[Callable[[], Awaitable[None]]]:
    """Be in the engine without a group that has to know."""
    return nullcontext(_at_once)


@dataclass(frozen=True, slots=True)
class JobContext:
    """A job on its way: who hears of it, how long it takes, and what is known of its past.

    `suspect`: a process died with it in the engine, so it is painted alone. `in_engine` is held while it is in the
    engine; what it yields waits until the group knows.
    """

    job: Job
    teller: ProgressReporter = field(default_factory=ProgressReporter)
    timings: Timings = field(default_factory=Timings)
    ticket: BreakerPermit = field(default_factory=BreakerPermit)
    suspect: bool = False
    in_engine: Callable[[], AbstractContextManager[Callable[[], Awaitable[None]]]] = unwatched
    _begun: asyncio.Event = field(default_factory=asyncio.Event)
    _bounds: set[asyncio.Timeout] = field(default_factory=set)

    def begin(self) -> None:
        """Take note that one of its pictures has its turn: from now on it does not expire."""
        self._begun.set()
        for bound in self._bounds:
            if not bound.expired():
                bound.reschedule(None)

    @property
    def patience(self) -> float | None:
        """Seconds until the request is past use, negative when it is; None without an `expirytime`, or once begun."""
        expiry = self.job.event.expirytime
        return None if expiry is None or self._begun.is_set() else (expiry - datetime.now(UTC)).total_seconds()

    @asynccontextmanager
    async def in_time(self) -> AsyncIterator[None]:
        """Raise `Expired` when the request is past use before the block ends, and before it begins."""
        bound = asyncio.timeout(self.patience)
        try:
            async with bound:
                self._bounds.add(bound)
                yield
        except TimeoutError as error:
            if bound.expired():
                raise Expired from error
            raise
        finally:
            self._bounds.discard(bound)

    def check_expiry(self) -> None:
        """Raise `Expired` when the request is past use."""
        if self.patience is not None and self.patience <= 0:
            raise Expired
