"""Streams of a real gateway: nothing is missed when it is killed, when there are two, and when the broker is away."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from consumer.dev.embedded.kafka import KafkaServer
from consumer.dev.embedded.s3 import S3Server
from schemas import names
from schemas.cloudevents import Event, write
from tests.support.gateway_process import GatewayProcess, gateway_process
from tests.support.harness import BOUND, Cms, Site, cms, request_data

REQUESTS = 200
CLIENTS, SAVES = 200, 5
AGAIN_SECONDS = 0.2


@dataclass
class StreamClient:
    """Follows the stream as a browser does: it connects again after its last event id."""

    gateway: GatewayProcess
    last_id: str = ""
    connections: int = 0
    states: dict[str, str] = field(default_factory=dict)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    url: str = ""

    def __post_init__(self) -> None:
        """Keep the address, which is the same after a restart."""
        self.url = f"{self.gateway.url}/v1/events"

    async def follow(self) -> None:
        """Follow until cancelled."""
        async with aiohttp.ClientSession(headers={"authorization": f"Bearer {self.gateway.key}"}) as http:
            while True:
                try:
                    await self._read(http)
                except (aiohttp.ClientError, OSError):
                    await asyncio.sleep(AGAIN_SECONDS)

    async def _read(self, http: aiohttp.ClientSession) -> None:
        known = {"last-event-id": self.last_id} if self.last_id else {}
        timeout = aiohttp.ClientTimeout(total=None, sock_read=BOUND)
        async with http.get(self.url, headers=known, timeout=timeout, read_bufsize=1 << 20) as answer:
            assert answer.status == 200, await answer.text()
            self.connections += 1
            block: dict[str, str] = {}
            async for line in answer.content:
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name:
                    block[name] = value
                    continue
                await self._take(block)
                block = {}

    async def _take(self, block: dict[str, str]) -> None:
        assert block.get("event") != "reset"
        async with self.changed:
            if "data" in block:
                image = json.loads(block["data"])
                self.states[image["id"]] = image["state"]
            self.last_id = block.get("id", self.last_id)
            self.changed.notify_all()

    async def until(self, enough: Callable[[], bool]) -> None:
        """Wait until what was heard is enough."""
        async with asyncio.timeout(BOUND), self.changed:
            await self.changed.wait_for(enough)

    def count(self, state: str) -> int:
        """Return how many requests have been heard in that state."""
        return sum(each == state for each in self.states.values())


async def announce(desk: Cms, request_id: str, article: str) -> None:
    """Announce that a request failed, as a worker does."""
    data = {"request_id": request_id, "article": {"id": article, "revision": 1}, "slot": "hero", "reason": "internal"}
    event = Event(
        id=f"failed-{request_id}",
        source="/leadart/test",
        type=names.IMAGE_FAILED,
        subject=article,
        extensions={"causationid": request_id},
        data=data,
    )
    headers, value = write(event)
    await desk.publish(article.encode(), value, headers, names.OUTCOME)


@pytest.fixture
def site(kafka: KafkaServer, s3: S3Server) -> Site:
    return Site.fresh(kafka, s3).prepare()


async def test_two_hundred_clients_hear_of_every_save(site: Site, tmp_path: Path) -> None:
    """Each on a connection of its own hears of each save and its outcome, and none is cut off."""
    with gateway_process(site, tmp_path) as gateway:
        async with cms(site) as desk, asyncio.TaskGroup() as tasks:
            clients = [StreamClient(gateway) for _ in range(CLIENTS)]
            following = [tasks.create_task(client.follow()) for client in clients]
            for client in clients:
                await client.until(lambda client=client: bool(client.last_id))  # type: ignore[misc]
            for number in range(SAVES):
                await desk.ask(request_data(f"a-{number}"), event_id=f"r-{number}")
                await announce(desk, f"r-{number}", f"a-{number}")
            for client in clients:
                await client.until(lambda client=client: client.count("failed") == SAVES)  # type: ignore[misc]
            for task in following:
                task.cancel()
    assert {client.connections for client in clients} == {1}


async def test_no_outcome_is_missed_when_the_gateway_is_killed(site: Site, tmp_path: Path) -> None:
    """Killed twice among 200 requests and started again, it tells a client that comes back of every one."""
    with gateway_process(site, tmp_path) as gateway:
        async with cms(site) as desk, asyncio.TaskGroup() as tasks:
            client = StreamClient(gateway)
            following = tasks.create_task(client.follow())
            await client.until(lambda: bool(client.last_id))

            async def publish(first: int, last: int) -> None:
                for number in range(first, last):
                    await desk.ask(request_data(f"a-{number}"), event_id=f"r-{number}")
                    await announce(desk, f"r-{number}", f"a-{number}")

            publishing = tasks.create_task(publish(0, REQUESTS // 2))
            await client.until(lambda: client.count("failed") >= REQUESTS // 5)
            gateway.kill()
            await publishing  # half of it while there is no gateway
            await asyncio.to_thread(gateway.start_again)
            await publish(REQUESTS // 2, REQUESTS * 3 // 4)
            await client.until(lambda: client.count("failed") >= REQUESTS * 3 // 5)
            gateway.kill()
            await publish(REQUESTS * 3 // 4, REQUESTS)
            await asyncio.to_thread(gateway.start_again)
            await client.until(lambda: client.count("failed") == REQUESTS)
            following.cancel()
    assert client.states == {f"r-{number}": "failed" for number in range(REQUESTS)}
    assert client.connections >= 3


async def test_two_gateways_say_the_same(site: Site, tmp_path: Path) -> None:
    """Both list the same articles, and a client goes on at the one with the event id of the other."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    with gateway_process(site, tmp_path / "one") as one, gateway_process(site, tmp_path / "two") as two:
        async with cms(site) as desk, asyncio.TaskGroup() as tasks:
            here, there = StreamClient(one), StreamClient(two)
            following = [tasks.create_task(client.follow()) for client in (here, there)]
            for client in (here, there):
                await client.until(lambda client=client: bool(client.last_id))  # type: ignore[misc]
            for number in range(20):
                await desk.ask(request_data(f"a-{number % 7}", revision=number), event_id=f"r-{number}")
                if number % 2:
                    await announce(desk, f"r-{number}", f"a-{number % 7}")
            for client in (here, there):
                await client.until(lambda client=client: client.count("failed") == 10 and len(client.states) == 20)  # type: ignore[misc]
            for task in following:
                task.cancel()
        lists = [await articles(gateway) for gateway in (one, two)]
        assert lists[0] == lists[1]
        moved = StreamClient(two, last_id=here.last_id)
        following = [asyncio.create_task(moved.follow())]
        await moved.until(lambda: moved.connections == 1)
        following[0].cancel()
    assert moved.states == {}


async def articles(gateway: GatewayProcess) -> dict[str, Any]:
    headers = {"authorization": f"Bearer {gateway.key}"}
    async with aiohttp.ClientSession(headers=headers) as http, http.get(f"{gateway.url}/v1/articles") as answer:
        found: dict[str, Any] = await answer.json()
        return found


async def test_streams_outlive_an_absence_of_the_broker(s3: S3Server, tmp_path: Path) -> None:
    """While the broker does not answer, `/readyz` says so and the stream stays open; then it goes on."""
    kafka = KafkaServer(tmp_path / "kafka")
    with kafka:
        site = Site.fresh(kafka, s3).prepare()
        with gateway_process(site, tmp_path) as gateway:
            async with cms(site) as desk, asyncio.TaskGroup() as tasks:
                client = StreamClient(gateway)
                following = tasks.create_task(client.follow())
                await desk.ask(request_data("a-1"), event_id="r-1")
                await client.until(lambda: "r-1" in client.states)
                os.kill(kafka.pid, signal.SIGSTOP)
                try:
                    await asyncio.to_thread(until_ready, gateway, False)
                finally:
                    os.kill(kafka.pid, signal.SIGCONT)
                await asyncio.to_thread(until_ready, gateway, True)
                await announce(desk, "r-1", "a-1")
                await client.until(lambda: client.count("failed") == 1)
                following.cancel()
    assert client.connections == 1


def until_ready(gateway: GatewayProcess, ready: bool) -> None:  # noqa: FBT001 - what is waited for
    """Wait until the gateway says that it is ready, or not."""
    end = time.monotonic() + BOUND
    while (gateway.running.get("/readyz")[0] == 200) != ready:
        assert time.monotonic() < end
        time.sleep(0.2)
