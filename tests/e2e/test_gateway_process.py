"""`leadart gateway` as an operator runs it: it stops when told to, and goes by the key file as it is."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from consumer.dev.embedded.kafka import KafkaServer
from consumer.dev.embedded.s3 import S3Server
from schemas import names
from tests.support.gateway_process import GatewayProcess, gateway_process
from tests.support.harness import BOUND, Site, SiteProcess

STOPPED_SECONDS = 6.0


@pytest.fixture
def gateway(kafka: KafkaServer, s3: S3Server, tmp_path: Path) -> Iterator[GatewayProcess]:
    with gateway_process(Site.fresh(kafka, s3).prepare(), tmp_path) as running:
        yield running


async def test_it_ends_at_once_with_streams_open(gateway: GatewayProcess) -> None:
    """SIGTERM ends twenty streams and idle connections, and the process within six seconds, with status 0."""
    async with aiohttp.ClientSession(gateway.url, headers={"authorization": f"Bearer {gateway.key}"}) as client:
        async with client.get("/healthz") as healthy:
            assert healthy.status == 200
        streams = [await client.get("/v1/events") for _ in range(20)]
        began = time.monotonic()
        gateway.running.signal(signal.SIGTERM)
        async with asyncio.timeout(BOUND):
            for stream in streams:
                await stream.read()
            status = await asyncio.to_thread(gateway.running.process.wait, BOUND)
        assert (status, time.monotonic() - began < STOPPED_SECONDS) == (0, True)


async def test_a_revoked_key_is_shut_out_while_it_runs(gateway: GatewayProcess) -> None:
    """`leadart keys revoke` and SIGHUP: the key, and the session that it opened, are refused."""
    headers = {"x-requested-with": "test"}
    async with aiohttp.ClientSession(gateway.url, headers=headers, cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:
        await client.post("/v1/session", json={"key": gateway.key})
        async with client.get("/v1/session") as signed_in:
            assert signed_in.status == 200
        done = await asyncio.to_thread(gateway.site.run, "keys", "revoke", gateway.key.split("_")[1], "--execute")
        assert done.returncode == 0, done.stderr
        gateway.running.signal(signal.SIGHUP)
        async with asyncio.timeout(BOUND):
            while True:
                async with client.get("/v1/session") as answer:
                    if answer.status == 401:
                        break
                await asyncio.sleep(0.05)
        async with client.get("/v1/session", headers={"authorization": f"Bearer {gateway.key}"}) as refused:
            assert refused.status == 401


async def test_it_waits_for_topics_by_name(kafka: KafkaServer, s3: S3Server, tmp_path: Path) -> None:
    """Started before `leadart topics apply` it takes nothing in and says what is missing; then it is ready."""
    site = Site.fresh(kafka, s3, GATEWAY__PORT="0")
    running = SiteProcess(site, tmp_path / "gateway.log", "gateway")
    try:
        missing = site.topic(names.PREFERENCES)
        async with asyncio.timeout(BOUND):
            while f"There is no topic {missing}" not in (await asyncio.to_thread(running.get, "/readyz"))[1]:
                await asyncio.sleep(0.05)
            assert (await asyncio.to_thread(running.get, "/healthz"))[0] == 200
            assert (await asyncio.to_thread(running.get, "/v1/articles"))[0] == 503
        assert f"There is no topic {missing}" in running.log.read_text()
        await asyncio.to_thread(site.prepare)
        await asyncio.to_thread(running.wait_ready)
        assert '"gateway_ready"' in running.log.read_text()
        assert running.stop() == 0
    finally:
        running.kill()
