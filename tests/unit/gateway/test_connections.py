"""Clients that are slow, too large or too many, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from consumer.gateway.connections import ConnectionLimits
from tests.support.gateway_server import ServedGateway, serve_gateway

BOUND = 60.0
PATIENT = ConnectionLimits(50, 3600, 16_384, 3600, 3600, 3600)
BRIEF = 0.2
REQUEST = b"GET /healthz HTTP/1.1\r\nhost: x\r\n"


@asynccontextmanager
async def connected(served: ServedGateway) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    address = urlsplit(served.url)
    async with asyncio.timeout(BOUND):
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        try:
            yield reader, writer
        finally:
            writer.close()


async def end_of(reader: asyncio.StreamReader) -> bytes:
    """Return what still comes until the connection is cut; never returns if it is not."""
    received = b""
    with suppress(ConnectionError):
        while data := await reader.read(65_536):
            received += data
    return received


async def answer(reader: asyncio.StreamReader) -> bytes:
    """Return one answer that has a body of known length."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    return head + await reader.readexactly(int(length.partition(b":")[2]))


@pytest.mark.parametrize(
    ("limits", "sent"),
    [
        (replace(PATIENT, header_seconds=BRIEF), b""),
        (replace(PATIENT, header_seconds=BRIEF), REQUEST),
        (replace(PATIENT, header_seconds=BRIEF), b"\r\n"),
        (replace(PATIENT, body_seconds=BRIEF), b"POST /v1/session HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{"),
    ],
    ids=["says nothing", "never ends its headers", "blank lines", "never ends its body"],
)
async def test_a_slow_client_is_cut_off(limits: ConnectionLimits, sent: bytes) -> None:
    """Whatever it leaves unfinished, it is not waited for."""
    async with serve_gateway(limits) as served, connected(served) as (reader, writer):
        writer.write(sent)
        assert await end_of(reader) == b""


async def test_a_byte_now_and_then_gains_no_time() -> None:
    """The headers' time is counted from their first byte, not from their last."""
    async with serve_gateway(replace(PATIENT, header_seconds=BRIEF)) as served, connected(served) as (reader, writer):

        async def drip() -> None:
            while not writer.is_closing():
                writer.write(b"x")
                await asyncio.sleep(BRIEF / 10)

        dripping = asyncio.create_task(drip())
        assert b"200 OK" not in await end_of(reader)
        dripping.cancel()


async def test_an_idle_connection_is_kept_and_then_closed() -> None:
    """It serves a second request, and is cut once none has come for long."""
    async with serve_gateway(replace(PATIENT, idle_seconds=1.0)) as served, connected(served) as (reader, writer):
        for _ in range(2):
            writer.write(REQUEST + b"\r\n")
            assert b"200 OK" in await answer(reader)
        assert await end_of(reader) == b""


async def test_requests_in_a_row_are_all_answered() -> None:
    """What a client sends ahead of the answers is answered in order, and no deadline falls between."""
    async with serve_gateway() as served, connected(served) as (reader, writer):
        writer.write((REQUEST + b"\r\n") * 5)
        for _ in range(5):
            assert b"200 OK" in await answer(reader)


@pytest.mark.parametrize("end", [b"", b"\r\n"], ids=["unfinished", "whole"])
async def test_large_headers_are_refused(end: bytes) -> None:
    """They get 431 as a problem, whether they ever end or not."""
    async with serve_gateway(PATIENT) as served, connected(served) as (reader, writer):
        writer.write(REQUEST + b"cookie: " + b"x" * 17_000 + b"\r\n" + end)
        received = await end_of(reader)
        assert received.startswith(b"HTTP/1.1 431 ")
        assert b"application/problem+json" in received


async def test_what_is_no_http_is_refused() -> None:
    """It gets 400 as a problem."""
    async with serve_gateway(PATIENT) as served, connected(served) as (reader, writer):
        writer.write(b"\x16\x03\x01 hello\r\n\r\n")
        assert (await end_of(reader)).startswith(b"HTTP/1.1 400 ")


async def test_a_large_body_is_refused(served: ServedGateway) -> None:
    """Its announced length, or what has come of it, gets 413 as a problem; it is not read to its end."""
    client = served.client(served.key(), {"content-type": "application/json"})
    async with client.post("/v1/images", data=b"x" * 200_000) as refused:
        assert (refused.status, (await refused.json())["reason"]) == (413, "too_large")

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * 10_000

    async with client.post("/v1/images", data=parts()) as refused:
        assert refused.status == 413


async def test_one_that_asks_nothing_makes_room() -> None:
    """At the limit a new connection takes the place of the one that has been silent for longest."""
    async with (
        serve_gateway(replace(PATIENT, connections=2)) as served,
        connected(served) as (first, _),
        connected(served) as (second, to_second),
    ):
        to_second.write(REQUEST + b"\r\n")
        await answer(second)
        async with connected(served) as (third, to_third):
            to_third.write(REQUEST + b"\r\n")
            assert b"200 OK" in await answer(third)
        assert await end_of(first) == b""


async def test_beyond_the_limit_it_says_so() -> None:
    """Where every connection is at work, a new one gets 503 with Retry-After."""
    async with serve_gateway(replace(PATIENT, connections=1)) as served:
        stream = await served.client(served.key()).get("/v1/events")
        async with connected(served) as (reader, writer):
            writer.write(REQUEST + b"\r\n")
            received = await end_of(reader)
            assert received.startswith(b"HTTP/1.1 503 ")
            assert b"retry-after" in received.lower()
        stream.close()


async def test_who_does_not_read_is_cut_off() -> None:
    """A client that takes no more of its answers holds no memory for ever."""
    async with (
        serve_gateway(replace(PATIENT, unread_seconds=BRIEF)) as served,
        connected(served) as (_, writer),  # it stops reading once enough waits for the test, which takes none
    ):
        connections = served.server.server_state.connections
        writer.write((REQUEST.replace(b"/healthz", b"/v1/openapi.json") + b"\r\n") * 1000)
        while not connections:
            await asyncio.sleep(0.01)
        while connections:
            await asyncio.sleep(0.01)
