"""A gateway in memory, served over real HTTP on a port of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from consumer.gateway.access.key_file import KeyFile, make_key
from consumer.gateway.access.principal import Scope
from consumer.gateway.connections import ConnectionLimits
from consumer.gateway.http_server import GatewayServer, listen, make_server
from consumer.gateway.services import Gateway
from consumer.jobs import Record
from tests.support.gateway import GatewayBench, open_bench

ALL_SCOPES = (Scope.PUBLISH, Scope.READ, Scope.CHOOSE, Scope.WITHDRAW)
SECRET = "0123456789abcdef" * 2


def request_data(article_id: str = "news-1", variants: int = 1) -> dict[str, Any]:
    """Return the data of a valid request."""
    return {
        "article": {"id": article_id, "revision": 1, "headline": "Flood at the harbour", "locale": "en"},
        "output": {"slot": "hero", "variants": variants},
    }


@dataclass
class ServedGateway:
    """The gateway, its address, keys as a test makes them, and clients."""

    bench: GatewayBench
    url: str
    server: GatewayServer
    serving: asyncio.Task[None] | None = None
    _clients: list[aiohttp.ClientSession] = field(default_factory=list)

    @property
    def gateway(self) -> Gateway:
        """What the endpoints work with."""
        return self.bench.gateway

    @property
    def published(self) -> list[Record]:
        """What was published, oldest first."""
        return self.bench.published

    def key(self, source: str = "/cms/test", scopes: Sequence[Scope] = ALL_SCOPES, **facts: Any) -> str:
        """Add a key, and return its token; `facts` as `ApiKey` has them."""
        key, token = make_key(source, scopes)
        self.gateway.keys = KeyFile(keys=(*self.gateway.keys.keys, key.model_copy(update=facts)))
        return token

    def client(self, token: str | None = None, headers: Mapping[str, str] | None = None) -> aiohttp.ClientSession:
        """Return a client that sends this key, or none; it keeps cookies, also of an address without a name."""
        known = {"authorization": f"Bearer {token}"} if token else {}
        client = aiohttp.ClientSession(
            self.url, headers={**known, **(headers or {})}, cookie_jar=aiohttp.CookieJar(unsafe=True)
        )
        self._clients.append(client)
        return client

    def stop(self) -> None:
        """Have it stop, as the command does."""
        self.gateway.broadcast.end()
        self.server.should_exit = True

    async def close(self) -> None:
        """Close its clients."""
        for client in self._clients:
            await client.close()


@asynccontextmanager
async def serve_gateway(limits: ConnectionLimits | None = None, **settings: Any) -> AsyncIterator[ServedGateway]:
    """Serve a gateway without keys; `settings` are those of `LEADART_GATEWAY__*`."""
    async with open_bench(gateway={"port": 0, "secret": SECRET, **settings}) as bench:
        bench.gateway.keys = KeyFile()
        server = make_server(bench.gateway, limits)
        listening = listen(bench.gateway.settings.gateway)
        scheme = "https" if "tls_certfile" in settings else "http"
        url = f"{scheme}://127.0.0.1:{listening.getsockname()[1]}"
        served = ServedGateway(bench, url, server)
        async with asyncio.TaskGroup() as tasks:
            served.serving = tasks.create_task(served.server.serve(sockets=[listening]))
            try:
                yield served
            finally:
                await served.close()
                served.stop()
                await served.serving
