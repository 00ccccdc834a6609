"""Metrics and health on one port: `/metrics`, `/healthz` (is it getting on?), `/readyz` (may it be given work?).

Liveness asks for progress only. A broker or a store that is away is no reason to kill a worker: it waits better alive.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client.exposition import choose_encoder

from consumer.errors import Fatal
from schemas import Reason

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from consumer.settings import HttpSettings
    from consumer.telemetry.metrics import Metrics

Check = Callable[[], str | None]
"""Returns None when all is well, else a sentence for the operator; quick, never waits."""

_CLOSE_SECONDS = 1.0


class Heartbeat:
    """A sign of life and the bound on its age, itself a check. The first beat is its making.

    `what` names the sign in the sentence, e.g. "poll of the bus"; `clock` gives seconds that never go back.
    """

    def __init__(self, what: str, bound_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._what = what
        self._bound = bound_seconds
        self._clock = clock
        self._last = clock()

    def beat(self) -> None:
        """Give a sign of life."""
        self._last = self._clock()

    @property
    def age(self) -> float:
        """Seconds since the last beat."""
        return self._clock() - self._last

    def __call__(self) -> str | None:
        """Return None while the last beat is within the bound."""
        if self.age <= self._bound:
            return None
        return f"the last {self._what} was {self.age:.0f} s ago, more than {self._bound:.0f} s"


async def pulse(heartbeat: Heartbeat, interval_seconds: float = 1.0) -> None:
    """Beat for as long as the event loop turns; ends by cancellation."""
    while True:
        heartbeat.beat()
        await asyncio.sleep(interval_seconds)


@dataclass(frozen=True, slots=True)
class HealthReport:
    """What the checks said, by name; None for those that passed. `degraded` never makes it fail."""

    checks: dict[str, str | None]
    degraded: dict[str, str | None] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """True when no check had anything to say."""
        return not any(self.checks.values())


@dataclass(frozen=True, slots=True)
class Health:
    """Named checks of three kinds: `live` (progress), `ready` (model loaded, group joined, shards open), `degraded`.

    The last are told with readiness while something is worse than it should be and work goes on all the same.
    """

    live: dict[str, Check] = field(default_factory=dict)
    ready: dict[str, Check] = field(default_factory=dict)
    degraded: dict[str, Check] = field(default_factory=dict)

    def liveness(self) -> HealthReport:
        """Ask every `live` check."""
        return HealthReport(_asked(self.live))

    def readiness(self) -> HealthReport:
        """Ask every `ready` check, and the `live` ones: what makes no progress is given no work."""
        return HealthReport(_asked(self.live | self.ready), _asked(self.degraded))


@dataclass(frozen=True, slots=True)
class ServedAddress:
    """Where the pages are, with the port that was really bound."""

    host: str
    port: int


@asynccontextmanager
async def serve(http: HttpSettings, metrics: Metrics, health: Health) -> AsyncIterator[ServedAddress]:
    """Serve the pages while the context is open. Raises `Fatal` when the port cannot be had."""
    runner = web.AppRunner(_app(metrics, health), access_log=None, shutdown_timeout=_CLOSE_SECONDS)
    await runner.setup()
    try:
        await _listen(runner, http)
        host, port = runner.addresses[0][:2]
        yield ServedAddress(host, port)
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, http: HttpSettings) -> None:
    try:
        await web.TCPSite(runner, http.host, http.port).start()
    except OSError as error:
        remedy = "set LEADART_HTTP__HOST and LEADART_HTTP__PORT"
        message = f"cannot listen on {http.host}:{http.port} ({error.strerror}): {remedy}"
        raise Fatal(Reason.MISCONFIGURED, message) from error


def _app(metrics: Metrics, health: Health) -> web.Application:
    async def show_metrics(request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(metrics.registry), headers={"Content-Type": content_type})

    async def show_liveness(_request: web.Request) -> web.Response:
        return _answer(health.liveness())

    async def show_readiness(_request: web.Request) -> web.Response:
        return _answer(health.readiness())

    app = web.Application()
    app.router.add_get("/metrics", show_metrics)
    app.router.add_get("/healthz", show_liveness)
    app.router.add_get("/readyz", show_readiness)
    return app


def _answer(report: HealthReport) -> web.Response:
    status = HTTPStatus.OK if report.passed else HTTPStatus.SERVICE_UNAVAILABLE
    checks = {name: trouble or "ok" for name, trouble in report.checks.items()}
    page: dict[str, object] = {"status": "ok" if report.passed else "failing", "checks": checks}
    if degraded := {name: trouble for name, trouble in report.degraded.items() if trouble}:
        page["degraded"] = degraded
    return web.json_response(page, status=status)


def _asked(checks: dict[str, Check]) -> dict[str, str | None]:
    return {name: check() for name, check in checks.items()}
