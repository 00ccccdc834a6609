"""Metrics and health on one port: `/metrics`, `/healthz` (liveness: is it making progress?), `/readyz` (readiness).

Liveness checks progress only: restarting a worker helps nothing while a broker or the store is down.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import cast

from aiohttp import web
from prometheus_client.exposition import choose_encoder

from consumer.errors import Fatal
from consumer.settings import HttpSettings
from consumer.telemetry.connections import ConnectionLimit
from consumer.telemetry.metrics import Metrics
from schemas import Reason

Check = Callable[[], str | None]
"""Returns None if the check passes, else a sentence for the operator. Never blocks."""

_CLOSE_SECONDS = 1.0


class Heartbeat:
    """A check that fails when the last beat is older than a bound. Creating it counts as the first beat.

    `what` names the beat in the sentence, such as "poll of the bus"; `clock` returns monotonic seconds.
    """

    def __init__(self, what: str, bound_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._what = what
        self._bound = bound_seconds
        self._clock = clock
        self._last = clock()

    def beat(self) -> None:
        """Record a sign of life."""
        self._last = self._clock()

    @property
    def age(self) -> float:
        """Seconds since the last beat."""
        return self._clock() - self._last

    def __call__(self) -> str | None:
        """Return None while the last beat is recent enough, else how old it is."""
        if self.age <= self._bound:
            return None
        return f"the last {self._what} was {self.age:.0f} s ago, more than {self._bound:.0f} s"


async def pulse(heartbeat: Heartbeat, interval_seconds: float = 1.0) -> None:
    """Beat while the event loop runs; ends by cancellation."""
    while True:
        heartbeat.beat()
        await asyncio.sleep(interval_seconds)


@dataclass(frozen=True, slots=True)
class HealthReport:
    """Result of each check by name, None if it passed. `degraded` never makes the report fail."""

    checks: dict[str, str | None]
    degraded: dict[str, str | None] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return not any(self.checks.values())


@dataclass(frozen=True, slots=True)
class Health:
    """Named checks of three kinds: `live` (progress), `ready` (model loaded, group joined, shards open), `degraded`.

    The last appear with readiness and do not affect it: something is worse than it should be, but work goes on.
    """

    live: dict[str, Check] = field(default_factory=dict)
    ready: dict[str, Check] = field(default_factory=dict)
    degraded: dict[str, Check] = field(default_factory=dict)

    def liveness(self) -> HealthReport:
        """Run every `live` check."""
        return HealthReport(_results(self.live))

    def readiness(self) -> HealthReport:
        """Run the `ready` and the `live` checks: a worker that makes no progress is not ready either."""
        return HealthReport(_results(self.live | self.ready), _results(self.degraded))


@dataclass(frozen=True, slots=True)
class ServedAddress:
    """Where the pages are served, with the port actually bound."""

    host: str
    port: int


@asynccontextmanager
async def serve(
    http: HttpSettings, metrics: Metrics, health: Health, limit: ConnectionLimit | None = None
) -> AsyncIterator[ServedAddress]:
    """Serve the pages while the context is open. Raises `Fatal` if the port cannot be bound.

    The gauge `leadart_ready` is `/readyz` at the moment in which `/metrics` is read.
    """
    metrics.ready.set_function(lambda: health.readiness().passed)
    runner = web.AppRunner(_app(metrics, health), access_log=None, shutdown_timeout=_CLOSE_SECONDS)
    await runner.setup()
    server = None
    try:
        server = await _listen(runner, http, limit or ConnectionLimit())
        host, port = server.sockets[0].getsockname()[:2]
        yield ServedAddress(host, port)
    finally:
        if server is not None:
            server.close()
        await runner.cleanup()


async def _listen(runner: web.AppRunner, http: HttpSettings, limit: ConnectionLimit) -> asyncio.Server:
    protocols = limit.guard(cast("Callable[[], asyncio.Protocol]", runner.server))
    try:
        return await asyncio.get_running_loop().create_server(protocols, http.host, http.port)
    except OSError as error:
        remedy = "set LEADART_HTTP__HOST and LEADART_HTTP__PORT"
        message = f"cannot listen on {http.host}:{http.port} ({error.strerror}): {remedy}"
        raise Fatal(Reason.MISCONFIGURED, message) from error


def _app(metrics: Metrics, health: Health) -> web.Application:
    async def show_metrics(request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(metrics.registry), headers={"Content-Type": content_type})

    async def show_liveness(_request: web.Request) -> web.Response:
        return _response(health.liveness())

    async def show_readiness(_request: web.Request) -> web.Response:
        return _response(health.readiness())

    async def close_afterwards(_request: web.Request, response: web.StreamResponse) -> None:
        response.force_close()
        response.headers["Connection"] = "close"  # aiohttp's own headers are made before this hook

    app = web.Application()
    app.on_response_prepare.append(close_afterwards)
    app.router.add_get("/metrics", show_metrics)
    app.router.add_get("/healthz", show_liveness)
    app.router.add_get("/readyz", show_readiness)
    return app


def _response(report: HealthReport) -> web.Response:
    status = HTTPStatus.OK if report.passed else HTTPStatus.SERVICE_UNAVAILABLE
    checks = {name: problem or "ok" for name, problem in report.checks.items()}
    page: dict[str, object] = {"status": "ok" if report.passed else "failing", "checks": checks}
    if degraded := {name: problem for name, problem in report.degraded.items() if problem}:
        page["degraded"] = degraded
    return web.json_response(page, status=status)


def _results(checks: dict[str, Check]) -> dict[str, str | None]:
    return {name: check() for name, check in checks.items()}
