"""The circuit breaker in front of the dead letters: when every request fails, the fault is ours and not theirs.

It opens after a number of failures in a row with one cause, or when most of the last attempts failed. While it is open
no records are admitted, and requests that fail are held instead of going to a retry lane or the dead letters. One
request at a time is let through as a probe; the first that succeeds closes the breaker.
"""

import asyncio
from collections import deque

import structlog

from consumer.errors import WorkerStopping
from schemas import Reason

log = structlog.get_logger(__name__)

IN_A_ROW = 5
"""Failures with one cause, no success in between, that open the breaker."""

WINDOW = 50
"""Last attempts considered: more failures than successes among them open it too."""

MAX_PROBE_SECONDS = 60.0
"""Longest wait between two probes."""


class BreakerPermit:
    """One request's standing with the breaker, from its first attempt to its last."""

    def __init__(self) -> None:
        self.failed = False
        self.probing = False


class CircuitBreaker:
    """Decides, from how attempts end, whether the next one may begin. Runs on the event loop."""

    def __init__(self, probe_seconds: float = 5.0) -> None:
        self._first_wait = probe_seconds
        self._wait = probe_seconds
        self._recent: deque[bool] = deque(maxlen=WINDOW)
        self._row: tuple[Reason | None, int] = (None, 0)
        self._held: deque[tuple[BreakerPermit, asyncio.Future[None]]] = deque()
        self._probe: BreakerPermit | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._stopping = False
        self.cause: Reason | None = None

    def __call__(self) -> str | None:
        """Return why it is open, None when it is closed: a readiness check."""
        if self.cause is None:
            return None
        return f"the breaker is open: {self.cause.meaning} {self.cause.remedy}"

    @property
    def admits(self) -> bool:
        """True if records may be polled: it is closed, or every request it holds has failed already."""
        if self.cause is None:
            return True
        return self._probe is None and all(permit.failed for permit, _ in self._held)

    async def passage(self, permit: BreakerPermit) -> None:
        """Return when an attempt may begin: at once while closed, else when this request becomes the probe.

        Raises `WorkerStopping` when the worker stops first.
        """
        if self._stopping:
            raise WorkerStopping
        if self.lets(permit):
            return
        released: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (permit, released)
        self._held.append(entry)
        try:
            await released
        finally:
            if entry in self._held:
                self._held.remove(entry)

    def lets(self, permit: BreakerPermit) -> bool:
        """Return whether an attempt may begin right now."""
        return self.cause is None or permit.probing

    def stop(self) -> None:
        """Hand back every request that is held: the worker stops."""
        self._stopping = True
        for _, released in self._held:
            if not released.done():
                released.set_exception(WorkerStopping)
        self._held.clear()
        if self._timer is not None:
            self._timer.cancel()

    def succeeded(self, permit: BreakerPermit) -> None:
        """Note that an attempt made a picture: nothing else proves that painting works."""
        permit.probing = False
        self._recent.append(True)
        self._row = (None, 0)
        if self.cause is not None:
            self._close()

    def failed(self, permit: BreakerPermit, reason: Reason) -> bool:
        """Note a failure of ours; return whether to hold the request instead of sending it on."""
        permit.failed = True
        self._recent.append(False)
        cause, count = self._row
        self._row = (reason, count + 1 if cause == reason else 1)
        if self.cause is not None:
            self._next_probe(permit)
        elif self._row[1] >= IN_A_ROW or self._mostly_failing:
            self._open(reason)
        return self.cause is not None

    def probe_soon(self) -> None:
        """Start over with the first wait: what it waited for may have changed, such as the requests there are."""
        if self.cause is not None and self._probe is None:
            self._wait = self._first_wait
            self._arm()

    def undecided(self, permit: BreakerPermit) -> None:
        """Note that an attempt ended without a verdict on us: rejected, cancelled, or found in the store."""
        self._held = deque(entry for entry in self._held if entry[0] is not permit)
        self._next_probe(permit, patient=False)

    @property
    def _mostly_failing(self) -> bool:
        return len(self._recent) == WINDOW and 2 * sum(self._recent) < WINDOW

    def _open(self, reason: Reason) -> None:
        self.cause = reason
        self._wait = self._first_wait
        log.error("breaker_open", reason=reason, probe_seconds=self._wait)
        self._arm()

    def _next_probe(self, permit: BreakerPermit, *, patient: bool = True) -> None:
        if permit is not self._probe:
            return
        permit.probing = False
        self._probe = None
        if self.cause is None:
            return
        self._wait = min(2 * self._wait, MAX_PROBE_SECONDS) if patient else self._first_wait
        log.warning("breaker_still_open", reason=self.cause, probe_seconds=self._wait)
        self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._stopping:
            return
        self._timer = asyncio.get_running_loop().call_later(self._wait, self._let_one_through)

    def _let_one_through(self) -> None:
        """Release a request that has not failed yet, else the one that has waited longest."""
        waiting = [permit for permit, released in self._held if not released.done()]
        if not waiting:
            self._arm()
            return
        self._probe = next((permit for permit in waiting if not permit.failed), waiting[0])
        self._probe.probing = True
        self._release([entry for entry in self._held if entry[0] is self._probe])

    def _close(self) -> None:
        log.info("breaker_closed", reason=self.cause)
        if self._probe is not None:
            self._probe.probing = False
        self.cause, self._probe = None, None
        self._recent.clear()
        if self._timer is not None:
            self._timer.cancel()
        self._release(list(self._held))

    def _release(self, entries: list[tuple[BreakerPermit, asyncio.Future[None]]]) -> None:
        for entry in entries:
            self._held.remove(entry)
            if not entry[1].done():
                entry[1].set_result(None)
