from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack, suppress
from typing import Any

import aiohttp
import pytest

from consumer.errors import Fatal
from consumer.settings import HttpSettings
from consumer.telemetry.connections import ConnectionLimit
from consumer.telemetry.health import Health, Heartbeat, ServedAddress, pulse, serve
from consumer.telemetry.metrics import make_metrics

ANY_PORT = HttpSettings(host="127.0.0.1", port=0)


class Clock:
    """A clock that advances only by hand, and signals when it was read."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.read = asyncio.Event()

    def __call__(self) -> float:
        """Return the time."""
        self.read.set()
        return self.now


async def fetch(served: ServedAddress, path: str, **headers: str) -> tuple[int, str, str]:
    url = f"http://127.0.0.1:{served.port}{path}"
    timeout = aiohttp.ClientTimeout(total=10)
    async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url, headers=headers) as answer:
        return answer.status, answer.headers["Content-Type"], await answer.text()


async def ask(health: Health, path: str) -> tuple[int, dict[str, Any]]:
    async with serve(ANY_PORT, make_metrics(), health) as served:
        status, _, body = await fetch(served, path)
        return status, json.loads(body)


def test_a_heartbeat_passes_until_its_bound() -> None:
    """Within the bound it passes; past it, the sentence names the beat, its age and the bound."""
    clock = Clock()
    heartbeat = Heartbeat("poll of the bus", bound_seconds=60, clock=clock)
    clock.now += 60
    assert heartbeat() is None
    clock.now += 15
    assert heartbeat() == "the last poll of the bus was 75 s ago, more than 60 s"
    heartbeat.beat()
    assert heartbeat() is None
    assert heartbeat.age == 0


async def test_the_pulse_beats_while_the_loop_runs() -> None:
    """The pulse renews the heartbeat by itself and ends when cancelled."""
    clock = Clock()
    heartbeat = Heartbeat("beat of the event loop", bound_seconds=1, clock=clock)
    beating = asyncio.create_task(pulse(heartbeat, interval_seconds=0))
    for _ in range(3):
        clock.now += 100
        assert heartbeat.age == 100
        clock.read.clear()
        await asyncio.wait_for(clock.read.wait(), timeout=10)
        assert heartbeat.age == 0
    beating.cancel()
    with pytest.raises(asyncio.CancelledError):
        await beating


async def test_a_worker_that_makes_progress_is_alive_and_ready() -> None:
    """All checks passing is 200 on both pages, each check by its name."""
    health = Health(live={"poll": lambda: None}, ready={"model": lambda: None})
    assert await ask(health, "/healthz") == (200, {"status": "ok", "checks": {"poll": "ok"}})
    assert await ask(health, "/readyz") == (200, {"status": "ok", "checks": {"poll": "ok", "model": "ok"}})


async def test_a_worker_without_a_model_is_alive_but_not_ready() -> None:
    """A failing readiness check is 503 with its sentence and leaves liveness alone."""
    health = Health(live={"poll": lambda: None}, ready={"model": lambda: "the model is loading"})
    assert (await ask(health, "/healthz"))[0] == 200
    status, body = await ask(health, "/readyz")
    assert status == 503
    assert body == {"status": "failing", "checks": {"poll": "ok", "model": "the model is loading"}}


async def test_a_worker_that_is_stuck_is_neither_alive_nor_ready() -> None:
    """A failing liveness check is 503 on both pages: without progress a worker is not ready."""
    health = Health(live={"poll": lambda: "the last poll was 75 s ago"}, ready={"model": lambda: None})
    assert (await ask(health, "/healthz"))[0] == 503
    assert (await ask(health, "/readyz"))[0] == 503


async def test_checks_may_come_after_the_pages_are_up() -> None:
    """A check that a stage adds later counts from then on."""
    health = Health()
    async with serve(ANY_PORT, make_metrics(), health) as served:
        assert (await fetch(served, "/readyz"))[0] == 200
        health.ready["shards"] = lambda: "2 of 4 shards are open"
        assert (await fetch(served, "/readyz"))[0] == 503


async def test_metrics_are_served_as_prometheus_reads_them() -> None:
    """The page has the text format by default and OpenMetrics for those who ask for it."""
    metrics = make_metrics()
    metrics.rebalances.inc()
    async with serve(ANY_PORT, metrics, Health()) as served:
        status, kind, body = await fetch(served, "/metrics")
        _, newer_kind, newer_body = await fetch(
            served, "/metrics", Accept="application/openmetrics-text; version=1.0.0"
        )
    assert status == 200
    assert kind.startswith("text/plain")
    assert "leadart_rebalances_total 1.0" in body
    assert newer_kind.startswith("application/openmetrics-text")
    assert newer_body.endswith("# EOF\n")


async def test_port_zero_reports_the_port_that_was_bound() -> None:
    """Two workers on one machine each get a port of their own."""
    async with serve(ANY_PORT, make_metrics(), Health()) as one, serve(ANY_PORT, make_metrics(), Health()) as other:
        assert one.port != other.port
        assert 0 not in {one.port, other.port}


async def test_a_port_that_is_taken_names_the_setting() -> None:
    """The worker does not start without its pages, and says which setting to change."""
    async with serve(ANY_PORT, make_metrics(), Health()) as served:
        taken = HttpSettings(host="127.0.0.1", port=served.port)
        with pytest.raises(Fatal, match="LEADART_HTTP__PORT"):
            async with serve(taken, make_metrics(), Health()):
                pass


async def test_nothing_listens_after_the_context() -> None:
    """Leaving the context closes the port."""
    async with serve(ANY_PORT, make_metrics(), Health()) as served:
        pass
    with pytest.raises(aiohttp.ClientConnectionError):
        await fetch(served, "/healthz")


async def test_what_is_degraded_is_reported_and_fails_nothing() -> None:
    """A worker that lost a device is ready and names it; without a problem there is no entry."""
    problem: list[str | None] = ["no process paints on cuda:1"]
    health = Health(degraded={"devices": lambda: problem[0]})
    page = {"status": "ok", "checks": {}, "degraded": {"devices": "no process paints on cuda:1"}}
    assert await ask(health, "/readyz") == (200, page)
    problem[0] = None
    assert await ask(health, "/readyz") == (200, {"status": "ok", "checks": {}})


async def test_each_connection_serves_one_request() -> None:
    """Whatever the page, even one that does not exist: an open connection would count against the limit."""
    async with serve(ANY_PORT, make_metrics(), Health()) as served:
        for path in ("/healthz", "/metrics", "/none"):
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            writer.write(f"GET {path} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
            answer = await asyncio.wait_for(reader.read(), timeout=10)
            writer.close()
            assert b"Connection: close" in answer


async def test_half_a_header_a_thousand_times_keeps_no_health_check_out() -> None:
    """At the limit the oldest connections are closed for new ones, so that health and metrics are answered."""
    most = 5
    async with serve(ANY_PORT, make_metrics(), Health(), ConnectionLimit(most)) as served, AsyncExitStack() as stack:
        readers = []
        for _ in range(10 * most):
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            stack.callback(writer.close)
            writer.write(b"GET /healthz HT")
            readers.append(reader)
        assert (await fetch(served, "/healthz"))[0] == 200
        assert (await fetch(served, "/metrics"))[0] == 200
        async with asyncio.timeout(10):
            ended = [await _ended(reader) for reader in readers[: -most + 1]]
    assert len(ended) == 10 * most - most + 1


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HT", b"POST /healthz HTTP/1.1\r\nContent-Length: 9\r\n\r\nx"])
async def test_a_connection_that_comes_to_nothing_is_closed(sent: bytes) -> None:
    """Neither silence nor half a request holds a connection longer than its time."""
    limit = ConnectionLimit(seconds=0.05)
    async with serve(ANY_PORT, make_metrics(), Health(), limit) as served, asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(sent)
        await _ended(reader)
        writer.close()


async def _ended(reader: asyncio.StreamReader) -> bool:
    with suppress(ConnectionResetError):
        while await reader.read(1000):
            pass
    return True


async def test_the_gauge_is_readiness_as_a_number() -> None:
    """`leadart_ready` says what `/readyz` says at the same moment, liveness included, and not what it said before."""
    problem: dict[str, str | None] = {"store": "wrong keys", "poll": None}
    health = Health(live={"poll": lambda: problem["poll"]}, ready={"store": lambda: problem["store"]})
    async with serve(ANY_PORT, make_metrics(), health) as served:
        for store, poll, expected in (("wrong keys", None, 0), (None, None, 1), (None, "stuck", 0), (None, None, 1)):
            problem.update(store=store, poll=poll)
            page = (await fetch(served, "/metrics"))[2]
            assert f"leadart_ready {expected}.0" in page.splitlines()
            assert (await fetch(served, "/readyz"))[0] == (200 if expected else 503)
