"""The servers that a row needs. They live as long as the row, the cells get sites of their own on them."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from consumer.dev.embedded import KafkaServer, S3Server
from tests.chaos.cluster import Cluster
from tests.chaos.proxies import CuttableKafka, Gate, Toxiproxy
from tests.chaos.tmpfs import Tmpfs

WORKERS = 3
"""Slots with a way of their own to a server: two workers, and one more that makes the group rebalance."""


@dataclass
class Servers:
    """Kafka and S3, what stands between them and the workers, and the settings that lead there.

    `env` are settings (without `LEADART_`) of the whole site, `slots` those of each worker alone.
    """

    kafka: KafkaServer
    s3: S3Server
    env: Mapping[str, str] = field(default_factory=dict)
    slots: Sequence[Mapping[str, str]] = ()
    cluster: Cluster | None = None
    gate: Gate | None = None
    toxiproxy: Toxiproxy | None = None
    disk: Tmpfs | None = None


@asynccontextmanager
async def ordinary(folder: Path) -> AsyncIterator[Servers]:
    """One broker, one store."""
    with ExitStack() as stack:
        kafka, s3 = KafkaServer(folder), S3Server(folder)
        for server in (kafka, s3):
            stack.callback(server.stop)
        await asyncio.gather(*[asyncio.to_thread(server.start) for server in (kafka, s3)])
        yield Servers(kafka, s3)


@asynccontextmanager
async def with_model(folder: Path) -> AsyncIterator[Servers]:
    """One broker, one store, and the tiny model for the engine that paints in a child process."""
    model = folder / "model"
    command = [sys.executable, "-m", "consumer.engine.runtime.tiny", str(model)]
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True, timeout=120, env=environment)
    async with ordinary(folder) as servers:
        servers.env = {"ENGINE__KIND": "zimage", "ENGINE__MODEL": str(model.resolve()), "ENGINE__THREADS": "1"}
        yield servers


@asynccontextmanager
async def three_brokers(folder: Path) -> AsyncIterator[Servers]:
    """Three brokers that replicate three times, two of which must agree; one store."""
    with ExitStack() as stack:
        cluster, s3 = Cluster(folder), S3Server(folder)
        stack.callback(cluster.stop)
        stack.callback(s3.stop)
        await asyncio.gather(cluster.start(), asyncio.to_thread(s3.start))
        env = {"KAFKA__BOOTSTRAP_SERVERS": cluster.bootstrap_servers, "TOPICS__REPLICATION_FACTOR": "3"}
        yield Servers(cluster.nodes[0], s3, env, cluster=cluster)


@asynccontextmanager
async def gated_store(folder: Path) -> AsyncIterator[Servers]:
    """One broker, one store behind a gate that can be slow or answer with errors."""
    async with ordinary(folder) as servers, Gate(servers.s3.endpoint_url) as gate:
        servers.env = {"STORAGE__ENDPOINT_URL": gate.endpoint_url, "STORAGE__TIMEOUT_SECONDS": "2"}
        servers.gate = gate
        yield servers


@asynccontextmanager
async def small_disk(folder: Path) -> AsyncIterator[Servers]:
    """One broker, one store whose disk is small. Raises `Absent` where no file system can be mounted."""
    with Tmpfs(folder / "s3-data") as disk:
        async with ordinary(folder) as servers:
            servers.disk = disk
            yield servers


@asynccontextmanager
async def cuttable_broker(folder: Path) -> AsyncIterator[Servers]:
    """One broker that each worker reaches through a proxy of its own; one store. Raises `Absent` without Go."""
    with ExitStack() as stack:
        toxiproxy = stack.enter_context(Toxiproxy(folder))
        kafka, s3 = CuttableKafka(folder, WORKERS), S3Server(folder)
        for server in (kafka, s3):
            stack.callback(server.stop)
        await asyncio.gather(*[asyncio.to_thread(server.start) for server in (kafka, s3)])
        for number, (listen, upstream) in enumerate(kafka.ways):
            toxiproxy.add(str(number), listen, upstream)
        slots = [{"KAFKA__BOOTSTRAP_SERVERS": f"127.0.0.1:{listen}"} for listen, _ in kafka.ways]
        yield Servers(kafka, s3, slots=slots, toxiproxy=toxiproxy)


@asynccontextmanager
async def cuttable_store(folder: Path) -> AsyncIterator[Servers]:
    """One broker, one store that each worker reaches through a proxy of its own. Raises `Absent` without Go."""
    with Toxiproxy(folder) as toxiproxy:
        async with ordinary(folder) as servers:
            upstream = int(servers.s3.endpoint_url.rpartition(":")[2])
            ports = [toxiproxy.add_anywhere(str(number), upstream) for number in range(WORKERS)]
            servers.slots = [
                {"STORAGE__ENDPOINT_URL": f"http://127.0.0.1:{port}", "STORAGE__TIMEOUT_SECONDS": "2"} for port in ports
            ]
            servers.toxiproxy = toxiproxy
            yield servers
