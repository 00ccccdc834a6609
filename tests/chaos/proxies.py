"""What stands between the workers and a server: toxiproxy for cut lines, a gate for a store that misbehaves."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
import subprocess
import urllib.request
from enum import Enum
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from aiohttp import ClientSession, ClientTimeout, web
from yarl import URL

from consumer.dev.embedded import KafkaServer, Server
from consumer.dev.embedded.server import accepts, free_ports
from tests.chaos.absent import Absent

if TYPE_CHECKING:
    from multidict import CIMultiDictProxy

TOXIPROXY = "github.com/Shopify/toxiproxy/v2/cmd/server@v2.5.0"
BUILD_SECONDS = 300.0
FORWARD_SECONDS = 60.0
SLOW_SECONDS = (0.3, 3.5, 1.0, 4.0)
"""How long a slow store takes, in turn: some answers come in time, some after the worker has given up."""


class Toxiproxy(Server):
    """toxiproxy, built from its Go module into the cache. Raises `Absent` where Go is missing or the build fails."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "toxiproxy")
        self._program = toxiproxy()
        self.addresses: dict[str, str] = {}

    def add(self, name: str, listen: int, upstream: int) -> None:
        """Lead a port to another."""
        self.addresses[name] = _local(listen)
        self._ask("POST", "/proxies", {"name": name, "listen": _local(listen), "upstream": _local(upstream)})

    def add_anywhere(self, name: str, upstream: int) -> int:
        """Lead a free port there and return it."""
        (listen,) = free_ports(1)
        self.add(name, listen, upstream)
        return listen

    def cut(self, name: str) -> None:
        """Let no byte through in either direction; connections stay open and nobody is told."""
        for stream in ("upstream", "downstream"):
            toxic = {"name": stream, "type": "timeout", "stream": stream, "attributes": {"timeout": 0}}
            self._ask("POST", f"/proxies/{name}/toxics", toxic)

    def mend(self, name: str) -> None:
        """Let everything through again; what was cut is closed."""
        for stream in ("upstream", "downstream"):
            self._ask("DELETE", f"/proxies/{name}/toxics/{stream}")

    def _choose_ports(self) -> None:
        (self._port,) = free_ports(1)

    def _command(self) -> tuple[list[str], dict[str, str]]:
        return [str(self._program), "-host", "127.0.0.1", "-port", str(self._port)], {}

    def _answers(self) -> bool:
        return accepts(self._port)

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> None:
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(f"http://{_local(self._port)}{path}", data, method=method)
        with urllib.request.urlopen(request, timeout=5):  # noqa: S310 - loopback
            pass


def toxiproxy() -> Path:
    """Return the program, built once. Raises `Absent`."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "leadart" / TOXIPROXY.rpartition("@")[2]
    program = cache / "server"
    if program.exists():
        return program
    go = shutil.which("go")
    if go is None:
        raise Absent("toxiproxy is built with Go, which is not installed")
    done = subprocess.run(  # noqa: S603 - go itself
        [go, "install", TOXIPROXY],
        env=os.environ | {"GOBIN": str(cache), "GOFLAGS": "-mod=mod"},
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS,
        check=False,
    )
    if done.returncode:
        raise Absent(f"toxiproxy could not be built: {done.stderr[-300:]}")
    return program


class CuttableKafka(KafkaServer):
    """A broker with further listeners, each of which tells clients to come through a proxy.

    A client asks one broker where all are, so the proxy's address has to be the advertised one.
    """

    def __init__(self, folder: Path, ways: int) -> None:
        self._count = ways
        super().__init__(folder)

    def _choose_ports(self) -> None:
        super()._choose_ports()
        ports = free_ports(2 * self._count)
        self.ways = list(zip(ports[::2], ports[1::2], strict=True))
        """The proxy's port and the listener's, for each way."""

    def _properties(self) -> str:
        text = super()._properties()
        entries = dict(line.split("=", 1) for line in text.splitlines())
        for number, (proxy, listener) in enumerate(self.ways):
            entries["listeners"] += f",WAY{number}://{_local(listener)}"
            entries["advertised.listeners"] += f",WAY{number}://{_local(proxy)}"
            entries["listener.security.protocol.map"] += f",WAY{number}:PLAINTEXT"
        return "".join(f"{name}={value}\n" for name, value in entries.items())


class Mood(Enum):
    """How a gate treats the store's clients."""

    FAIR = "fair"
    SLOW = "slow"
    FAILING = "failing"


class Gate:
    """A reverse proxy before the store, in this process. It always forwards, sometimes too late, or denies it."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self._turns = itertools.count()
        self._port = 0
        self.mood = Mood.FAIR

    @property
    def endpoint_url(self) -> str:
        """What clients connect to."""
        return f"http://{_local(self._port)}"

    async def __aenter__(self) -> Self:
        self._session = ClientSession(timeout=ClientTimeout(FORWARD_SECONDS), auto_decompress=False)
        application = web.Application(client_max_size=64 << 20)
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._runner.cleanup()
        await self._session.close()

    async def _handle(self, request: web.Request) -> web.Response:
        turn = next(self._turns)
        if self.mood is Mood.SLOW:
            await asyncio.sleep(SLOW_SECONDS[turn % len(SLOW_SECONDS)])
        failing = self.mood is Mood.FAILING
        if failing and turn % 2:
            return _sorry()
        try:
            answer = await self._forward(request)
        except ConnectionResetError:  # by a client that gave up before its request was whole
            return _sorry()
        return _sorry() if failing else answer

    async def _forward(self, request: web.Request) -> web.Response:
        url = URL(self._upstream + request.raw_path, encoded=True)  # the signature covers it as it was written
        body = await request.read()
        headers = _end_to_end(request.headers)
        async with self._session.request(request.method, url, headers=headers, data=body or None) as answer:
            return web.Response(status=answer.status, headers=_end_to_end(answer.headers), body=await answer.read())


def _end_to_end(headers: CIMultiDictProxy[str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _HOP_BY_HOP}


_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "expect", "date", "server"}


def _sorry() -> web.Response:
    return web.Response(
        status=HTTPStatus.INTERNAL_SERVER_ERROR,
        content_type="application/xml",
        text="<Error><Code>InternalError</Code><Message>chaos</Message></Error>",
    )


def _local(port: int) -> str:
    return f"127.0.0.1:{port}"
