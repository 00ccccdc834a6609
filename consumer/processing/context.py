"""A job on its way through the stages: its timings, its progress, its past, and when it expires."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime

from consumer.errors import Expired
from consumer.jobs import Job
from consumer.processing.circuit_breaker import BreakerPermit
from consumer.processing.policy import NO_POLICY, PolicyDecision
from consumer.processing.progress import ProgressReporter
from consumer.telemetry.metrics import Stage


@dataclass(slots=True)
class Timings:
    """Seconds of a job's stages, for each stage those of its slowest picture."""

    started: float = field(default_factory=time.monotonic)
    stages: dict[Stage, float] = field(default_factory=dict)

    def note(self, stage: Stage, seconds: float) -> None:
        """Add one picture's time in a stage."""
        self.stages[stage] = max(seconds, self.stages.get(stage, 0.0))

    @property
    def total(self) -> float:
        """Seconds since the job began."""
        return time.monotonic() - self.started


async def _at_once() -> None:
    """Wait for nothing."""


def unwatched() -> AbstractContextManager[Callable[[], Awaitable[None]]]:
    """Be in the engine without recording it anywhere."""
    return nullcontext(_at_once)


@dataclass(slots=True, eq=False)
class JobContext:
    """A job and what goes with it through the stages.

    `suspect`: a process died with it in the engine, so it is painted alone. `in_engine` is held while it is in the
    engine; what it yields waits until the group has recorded that. `policy`: what the site's rules say of it.
    """

    job: Job
    progress: ProgressReporter = field(default_factory=ProgressReporter)
    timings: Timings = field(default_factory=Timings)
    policy: PolicyDecision = NO_POLICY
    permit: BreakerPermit = field(default_factory=BreakerPermit)
    suspect: bool = False
    in_engine: Callable[[], AbstractContextManager[Callable[[], Awaitable[None]]]] = unwatched
    _begun: bool = False
    _expiry: asyncio.Timeout | None = None

    def begin(self) -> None:
        """Note that a picture of the job is being painted, or that all are there: from now on it does not expire."""
        self._begun = True
        if self._expiry is not None and not self._expiry.expired():
            self._expiry.reschedule(None)

    @asynccontextmanager
    async def until_expiry(self) -> AsyncIterator[None]:
        """Raise `Expired` if the `expirytime` has passed, or passes within the block before the job has begun."""
        seconds = self._seconds_left()
        if seconds is not None and seconds <= 0:
            raise Expired
        self._expiry = expiry = asyncio.timeout(seconds)
        try:
            async with expiry:
                yield
        except TimeoutError as error:
            if expiry.expired():
                raise Expired from error
            raise
        finally:
            self._expiry = None

    def _seconds_left(self) -> float | None:
        expiry = self.job.event.expirytime
        return None if expiry is None or self._begun else (expiry - datetime.now(UTC)).total_seconds()
