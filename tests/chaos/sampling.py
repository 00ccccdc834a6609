"""What a worker takes while it waits and works: memory, processor and sockets, once a second."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import astuple, dataclass, field
from pathlib import Path

import psutil

from tests.chaos.servers import Servers

EVERY_SECONDS = 1.0
MEBIBYTE = 2**20


@dataclass(frozen=True, slots=True)
class Sample:
    """One look: when (seconds since the sampler began), resident mebibytes, share of a core, connections."""

    at: float
    rss: float
    cpu: float
    to_broker: int
    to_store: int


@dataclass
class Sampler:
    """Looks at a process until left."""

    process: psutil.Process
    broker_port: int
    store_port: int
    samples: list[Sample] = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic)

    @property
    def now(self) -> float:
        """Seconds since the sampler began."""
        return time.monotonic() - self._began

    def between(self, first: float, last: float) -> list[Sample]:
        """Return the looks of a while. Raises ValueError when there was none."""
        found = [sample for sample in self.samples if first <= sample.at <= last]
        if not found:
            raise ValueError(f"no sample between {first:.0f} and {last:.0f} s")
        return found

    def write(self, path: Path) -> None:
        """Write all looks down, for whoever wants to see the curve."""
        lines = (",".join(f"{value:.2f}" for value in astuple(sample)) + "\n" for sample in self.samples)
        path.write_text("".join(["seconds,rss_mib,cpu_share,to_broker,to_store\n", *lines]), encoding="utf-8")

    async def look(self) -> None:
        """Look once a second, until cancelled."""
        self.process.cpu_percent()
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            rss = self.process.memory_info().rss / MEBIBYTE
            peers = Counter(one.raddr.port for one in self.process.net_connections("tcp") if one.raddr)
            cpu = self.process.cpu_percent() / 100
            self.samples.append(Sample(self.now, rss, cpu, peers[self.broker_port], peers[self.store_port]))


@asynccontextmanager
async def sampled(pid: int, servers: Servers) -> AsyncIterator[Sampler]:
    """Sample a process, a client of these servers."""
    ports = (_port(servers.kafka.bootstrap_servers), _port(servers.s3.endpoint_url))
    sampler = Sampler(psutil.Process(pid), *ports)
    looking = asyncio.create_task(sampler.look())
    try:
        yield sampler
    finally:
        looking.cancel()
        await asyncio.wait([looking])


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])
