from __future__ import annotations

import asyncio
from typing import Any

import pytest

from consumer.gateway import following
from consumer.gateway.access.key_file import KeyFile
from consumer.gateway.bus_link import BusLink
from consumer.gateway.routes import streams
from tests.support.gateway import SOURCES, GatewayBench, ready
from tests.support.gateway_server import ServedGateway, serve_gateway
from tests.support.harness import request_data

BOUND = 30.0


async def painted(bench: GatewayBench) -> dict[str, Any]:
    image = await bench.ask(request_data("a-1"))
    bench.announce("ready", image, **ready("a" * 64))
    return image


async def test_the_stream_of_a_finished_request_has_its_outcome_and_ends(bench: GatewayBench) -> None:
    """With an id from which a browser that connects again is told that nothing more will come."""
    image = await painted(bench)
    path = f"/v1/images/{image['id']}/events"
    first = await bench.call("GET", path)
    assert first.headers["content-type"].startswith("text/event-stream")
    assert "no-cache" in first.headers["cache-control"]
    assert '"state":"ready"' in first.text
    for record in bench.published:
        bench.take(record)
    position = bench.gateway.board.position.encode()
    assert (await bench.call("GET", path, last_event_id=position)).status_code == 204
    assert (await bench.call("GET", f"{path}?last_event_id={position}")).status_code == 204
    assert (await bench.call("GET", f"{path}?last_event_id={position}", last_event_id="r0-0")).status_code == 200


async def test_anothers_request_has_no_stream(bench: GatewayBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks like one that is not there."""
    image = await painted(bench)
    monkeypatch.setattr("consumer.gateway.routes.images.UNREAD_SECONDS", 0.0)
    answer = await bench.call("GET", f"/v1/images/{image['id']}/events", source=SOURCES[1])
    assert (answer.status_code, answer.json()["reason"]) == (404, "not_found")


@pytest.mark.parametrize("path", ["/v1/events", "/v1/images/any/events"])
async def test_what_is_no_event_id_is_refused(bench: GatewayBench, path: str) -> None:
    """By the name under which it was sent."""
    by_header = await bench.call("GET", path, last_event_id="yesterday")
    by_query = await bench.call("GET", f"{path}?last_event_id=yesterday")
    assert (by_header.status_code, by_header.json()["field"]) == (422, "Last-Event-ID")
    assert (by_query.status_code, by_query.json()["field"]) == (422, "last_event_id")


async def test_a_stream_ends_once_its_key_is_revoked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key is looked up again while the stream is open."""
    monkeypatch.setattr(following, "CHECK_SECONDS", 0.0)
    monkeypatch.setattr(following, "SILENCE_SECONDS", 0.05)
    async with serve_gateway() as served, asyncio.timeout(BOUND):
        client = served.client(served.key())
        async with client.get("/v1/events") as answer:
            assert (await answer.content.readuntil(b"\n\n")).startswith(b"retry: ")
            served.gateway.use_keys(KeyFile())
            rest = await answer.content.read()
    assert b"event:" not in rest
    assert listeners(served) == 0


async def test_a_stream_outlives_its_caller_s_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking the caller up again is no request of theirs: it neither counts nor ends the stream of a busy one."""
    monkeypatch.setattr(following, "CHECK_SECONDS", 0.0)
    monkeypatch.setattr(following, "SILENCE_SECONDS", 0.05)
    async with asyncio.timeout(BOUND), serve_gateway(requests_per_second=0.001) as served:
        stream = await served.client(served.key()).get("/v1/events")
        for _ in range(4):  # what it begins with, and comments, after each of which the caller is looked up
            await stream.content.readuntil(b"\n\n")
        assert listeners(served) == 1
        stream.close()


async def test_a_stream_waits_for_a_gateway_that_is_starting(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error would end a browser's for good: it is answered once the topics are read, 503 only if that takes long."""
    async with asyncio.timeout(BOUND), serve_gateway() as served:
        served.gateway.feed.link = BusLink()
        client = served.client(served.key())
        async with client.get("/v1/articles") as refused:
            assert (refused.status, (await refused.json())["reason"]) == (503, "starting")
        async with served.client().get("/v1/events") as stranger:
            assert stranger.status == 401
        held = asyncio.create_task(client.get("/v1/events"))
        async with client.get("/healthz"):
            assert not held.done()
        served.gateway.feed.link.found()
        served.gateway.feed.link.caught_up()
        answer = await held
        assert answer.status == 200
        answer.close()

        served.gateway.feed.link = BusLink()
        monkeypatch.setattr(streams, "HELD_SECONDS", 0.0)
        async with client.get("/v1/events") as given_up:
            assert given_up.status == 503


def listeners(served: ServedGateway) -> int:
    return served.gateway.broadcast.listeners
