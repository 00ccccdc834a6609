"""The load on a gateway, in a process of its own: raw connections, so that the client costs little beside the server.

Reads one `GatewayLoad` as JSON from stdin and writes the measured seconds as JSON to stdout.
"""

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

import uvloop

Figures = dict[str, list[float]]

_LIMIT = 1 << 20
_WAIT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class GatewayLoad:
    """What to do: `flood` for `seconds`; `paced` at `rate`; `fan` `count` events to the listeners; `cards`, likewise.

    `prefix` begins the ids of articles, which no other load uses.
    """

    mode: Literal["flood", "paced", "fan", "cards"]
    host: str
    port: int
    token: str
    prefix: str
    connections: int = 32
    seconds: float = 5.0
    rate: float = 100.0
    count: int = 20

    def encoded(self) -> bytes:
        """Return it as JSON."""
        return json.dumps(asdict(self)).encode()


class Connection:
    """One keep-alive connection."""

    def __init__(self, load: GatewayLoad, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self._writer = writer
        self._head = f"Host: {load.host}:{load.port}\r\nAuthorization: Bearer {load.token}\r\n"

    @classmethod
    async def open(cls, load: GatewayLoad) -> Self:
        """Connect."""
        return cls(load, *await asyncio.open_connection(load.host, load.port, limit=_LIMIT))

    async def ask(self, article: str) -> None:
        """Publish a save of an article. Raises RuntimeError unless it is accepted."""
        body = json.dumps(save(article)).encode()
        head = f"POST /v1/images HTTP/1.1\r\n{self._head}Content-Type: application/json\r\nContent-Length: {len(body)}"
        self._writer.write(head.encode() + b"\r\n\r\n" + body)
        answer = await self.reader.readuntil(b"\r\n\r\n")
        length = next(line for line in answer.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        content = await self.reader.readexactly(int(length.partition(b":")[2]))
        if b" 202 " not in answer[:20]:
            raise RuntimeError(f"not accepted: {answer[:200]!r} {content[:500]!r}")

    async def listen(self) -> None:
        """Open the stream of all events; return once it has begun."""
        self._writer.write(f"GET /v1/events HTTP/1.1\r\n{self._head}\r\n".encode())
        await self.reader.readuntil(b"\nid: ")

    async def until(self, *marks: bytes) -> bytes:
        """Read on until one event has all the marks, and return it. Raises ConnectionError at the end."""
        seen = b""
        while True:
            part = await self.reader.read(_LIMIT)
            if not part:
                raise ConnectionError("the stream has ended")
            seen += part
            *events, seen = seen.split(b"\n\n")
            for event in events:
                if all(mark in event for mark in marks):
                    return event


def save(article: str) -> dict[str, Any]:
    """Return a save as a newsroom sends it."""
    facts = {
        "id": article,
        "revision": 1,
        "headline": "Ferries stay in port as the storm reaches the coast",
        "standfirst": "The harbour master expects the first crossing on Thursday at the earliest.",
        "section": "News",
        "locale": "en",
        "url": f"https://news.example/{article}",
    }
    return {"article": facts, "output": {"width": 512, "height": 512}, "generation": {"steps": 8}}


async def _flood(load: GatewayLoad) -> Figures:
    """Ask on all connections, each as soon as it was answered; return requests accepted per second."""
    clock = asyncio.get_running_loop().time
    end, begun = clock() + load.seconds, clock()
    accepted = 0

    async def asking(number: int) -> None:
        nonlocal accepted
        connection, asked = await Connection.open(load), 0
        while clock() < end:
            await connection.ask(f"{load.prefix}-{number}-{asked}")
            asked += 1
            accepted += 1

    async with asyncio.TaskGroup() as tasks:
        for number in range(load.connections):
            tasks.create_task(asking(number))
    return {"per_second": [accepted / (clock() - begun)]}


async def _paced(load: GatewayLoad) -> Figures:
    """Ask at the rate, whether or not earlier requests were answered; return seconds from when each was due."""
    clock = asyncio.get_running_loop().time
    idle: asyncio.Queue[Connection] = asyncio.Queue()
    for _ in range(load.connections):
        idle.put_nowait(await Connection.open(load))
    begun, taken = clock(), list[float]()

    async def asking(number: int, due: float) -> None:
        connection = await idle.get()
        await connection.ask(f"{load.prefix}-{number}")
        idle.put_nowait(connection)
        taken.append(clock() - due)

    async with asyncio.TaskGroup() as tasks:
        for number in range(int(load.seconds * load.rate)):
            due = begun + number / load.rate
            await asyncio.sleep(max(0.0, due - clock()))
            tasks.create_task(asking(number, due))
    return {"seconds": taken}


async def _fan(load: GatewayLoad) -> Figures:
    """Ask once at a time; return seconds from before the request until the last listener has the event."""
    clock = asyncio.get_running_loop().time
    listeners = [await Connection.open(load) for _ in range(load.connections)]
    await asyncio.gather(*(listener.listen() for listener in listeners))
    asking, last, half = await Connection.open(load), list[float](), list[float]()
    for number in range(load.count):
        article, times, begun = f"{load.prefix}-{number}", list[float](), clock()

        async def hear(listener: Connection, mark: bytes, times: list[float]) -> None:
            await listener.until(mark)
            times.append(clock())

        async with asyncio.timeout(_WAIT_SECONDS), asyncio.TaskGroup() as tasks:
            for listener in listeners:
                tasks.create_task(hear(listener, f'"{article}"'.encode(), times))
            tasks.create_task(asking.ask(article))
        last.append(max(times) - begun)
        half.append(sorted(times)[len(times) // 2] - begun)
    return {"last": last, "half": half}


async def _cards(load: GatewayLoad) -> Figures:
    """Ask once at a time; return seconds until the stream has the request, its outcome, and the engine's share."""
    clock = asyncio.get_running_loop().time
    stream, asking = await Connection.open(load), await Connection.open(load)
    await stream.listen()
    figures: Figures = {"queued": [], "ready": [], "engine": []}
    for number in range(load.count):
        mark, begun = f'"{load.prefix}-{number}"'.encode(), clock()
        async with asyncio.timeout(_WAIT_SECONDS):
            asked = asyncio.ensure_future(asking.ask(f"{load.prefix}-{number}"))
            await stream.until(mark)
            figures["queued"].append(clock() - begun)
            ready = await stream.until(mark, b'"final":true')
            figures["ready"].append(clock() - begun)
            await asked
        figures["engine"].append(_engine_seconds(ready))
    return figures


def _engine_seconds(event: bytes) -> float:
    data = next(line for line in event.split(b"\n") if line.startswith(b"data: "))
    outcome = json.loads(data.removeprefix(b"data: "))["outcome"]
    if "seconds" not in outcome:
        raise RuntimeError(f"no picture: {outcome}")
    return float(outcome["seconds"]["engine"])


_MODES: dict[str, Callable[[GatewayLoad], Coroutine[Any, Any, Figures]]] = {
    "flood": _flood,
    "paced": _paced,
    "fan": _fan,
    "cards": _cards,
}


if __name__ == "__main__":
    asked = GatewayLoad(**json.load(sys.stdin))
    json.dump(uvloop.run(_MODES[asked.mode](asked)), sys.stdout)
