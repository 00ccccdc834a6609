from __future__ import annotations

import asyncio
import socket
from types import SimpleNamespace

import aiokafka.conn
import pytest
from aiokafka.protocol.admin import SaslAuthenticateResponse_v0, SaslAuthenticateResponse_v1
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.produce import ProduceRequest

from consumer.kafka import connections
from consumer.kafka.client import connection
from consumer.kafka.connections import LastingConnection, keep_alive
from consumer.settings import KafkaSettings

FORGOTTEN_SECONDS = 240
"""The shortest time after which a common load balancer drops an idle connection in silence."""


class Connected(LastingConnection):
    """A connection whose socket is not needed: open until it is closed."""

    def __init__(self, request_timeout_ms: int = 60_000) -> None:
        super().__init__("127.0.0.1", 9092, request_timeout_ms=request_timeout_ms)
        self._reader: asyncio.StreamReader | None = asyncio.StreamReader()
        self.closed = asyncio.Event()

    def close(self, reason: object = None, exc: object = None) -> None:
        del reason, exc
        self._reader = None
        self.closed.set()


async def answered(response: object) -> object:
    return response


def test_every_client_opens_lasting_connections() -> None:
    """Each connection of aiokafka is made from this class, and closed before anything on the way forgets it."""
    assert aiokafka.conn.AIOKafkaConnection is LastingConnection
    assert connection(KafkaSettings())["connections_max_idle_ms"] < FORGOTTEN_SECONDS * 1000 / 4


async def test_a_connection_retires_before_its_session_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """It counts as closed from then on, so that the client opens another one."""
    monkeypatch.setattr(connections, "SESSION_SHARE", 0.0001)
    lasting = Connected()
    assert lasting.connected()
    await lasting._learn(answered(SaslAuthenticateResponse_v1(0, "", b"", 60_000)))
    async with asyncio.timeout(10):
        await lasting.closed.wait()
    assert not lasting.connected()


async def test_versions_that_end_before_they_begin_are_an_api_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not need that API works; what does is told that the broker lacks it."""
    lasting, answer = Connected(), SimpleNamespace(api_versions=[(3, 0, 9), (17, 1, 0)])
    monkeypatch.setattr(lasting, "send", lambda _request: answered(answer))
    await lasting._do_version_lookup()
    lasting.close()
    assert lasting._versions == {3: (0, 9)}


@pytest.mark.parametrize(
    "response", [SaslAuthenticateResponse_v0(0, "", b""), SaslAuthenticateResponse_v1(0, "", b"", 0)], ids=["v0", "v1"]
)
async def test_a_session_without_an_end_keeps_its_connection(monkeypatch: pytest.MonkeyPatch, response: object) -> None:
    """Older brokers tell no lifetime, and 0 is none."""
    monkeypatch.setattr(asyncio.get_running_loop(), "call_later", lambda *_: pytest.fail("it was given an end"))
    lasting = Connected()
    assert await lasting._learn(answered(response)) is response
    lasting.close()


async def test_requests_under_way_are_answered_before_the_connection_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fetch that waits for records is not cut off; new requests go elsewhere meanwhile."""
    monkeypatch.setattr(connections, "_DRAIN_POLL_SECONDS", 0.001)
    lasting = Connected()
    lasting._requests.append((1, None, asyncio.get_running_loop().create_future()))
    lasting.retire()
    await asyncio.sleep(0)
    assert not lasting.connected()
    assert not lasting.closed.is_set()
    lasting._requests.clear()
    async with asyncio.timeout(10):
        await lasting.closed.wait()


async def test_a_request_that_is_never_answered_holds_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """The request's own time limit bounds the wait."""
    monkeypatch.setattr(connections, "_DRAIN_POLL_SECONDS", 0.001)
    lasting = Connected(request_timeout_ms=5)
    lasting._requests.append((1, None, asyncio.get_running_loop().create_future()))
    lasting.retire()
    async with asyncio.timeout(10):
        await lasting.closed.wait()


def test_the_system_probes_idle_connections() -> None:
    """A peer that vanished without a word is noticed within a minute."""
    with socket.socket() as client:
        keep_alive(client)
        assert client.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        if hasattr(socket, "TCP_KEEPIDLE"):
            assert client.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) < 60


class Wired(Connected):
    """A connection that sends into nothing, and hears when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self._versions = {ProduceRequest.API_KEY: (0, 8), MetadataRequest.API_KEY: (0, 5)}
        self._writer = Writer()


class Writer:
    """Takes everything."""

    def write(self, data: bytes) -> None:
        """Drop the data."""


PRODUCE = ProduceRequest(None, -1, 1000, [])


@pytest.fixture
def doubts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Doubt after no time, for as short."""
    monkeypatch.setattr(connections, "DOUBTED_SECONDS", -1.0)
    monkeypatch.setattr(connections, "ANSWER_SECONDS", 0.001)


@pytest.mark.usefixtures("doubts")
async def test_a_forgotten_connection_is_closed_soon() -> None:
    """A save after a pause does not wait for a request's whole time limit: it is repeated on a new connection."""
    wired = Wired()
    answer = wired.send(PRODUCE)
    async with asyncio.timeout(10):
        await wired.closed.wait()
    answer.close()


@pytest.mark.usefixtures("doubts")
async def test_a_connection_that_answers_is_kept() -> None:
    """Anything heard in time removes the doubt, and so does a time without pause before the request."""
    wired = Wired()
    answers = [wired.send(PRODUCE)]
    wired._last_action += 1
    await _passed()
    assert wired.connected()

    connections.DOUBTED_SECONDS = 60.0
    answers.append(wired.send(PRODUCE))
    await _passed()
    assert wired.connected()
    for answer in answers:
        answer.close()
    wired.close()


@pytest.mark.usefixtures("doubts")
async def test_a_request_that_its_caller_would_have_to_repeat_is_waited_for() -> None:
    """An admin client's slow answer is no error."""
    wired = Wired()
    answer = wired.send(MetadataRequest([]))
    await _passed()
    assert wired.connected()
    answer.close()
    wired.close()


async def _passed() -> None:
    """Wait until what was due by now has run."""
    passed = asyncio.Event()
    asyncio.get_running_loop().call_later(0.02, passed.set)
    await passed.wait()
