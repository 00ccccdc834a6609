from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
from structlog.testing import capture_logs

from consumer.errors import Fatal
from consumer.gateway.http_server import certificate
from tests.support.certificates import Authority
from tests.support.gateway_server import ServedGateway, request_data, serve_gateway

STOPPED_SECONDS = 6.0


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "authority")


async def test_it_speaks_tls_by_file(authority: Authority) -> None:
    """With a certificate and its key it is reached by https alone, and its session is Secure."""
    own = authority.issue("gateway")
    trusting = ssl.create_default_context(cafile=str(authority.certificate))
    async with serve_gateway(tls_certfile=own.certificate, tls_keyfile=own.key) as served:
        client = served.client(served.key())
        async with client.post("/v1/session", ssl=trusting) as signed_in:
            assert signed_in.headers["set-cookie"].startswith("__Host-leadart=")
            assert "strict-transport-security" in signed_in.headers
        with pytest.raises(aiohttp.ClientError):
            await client.get(served.url.replace("https", "http") + "/healthz")


@pytest.mark.parametrize("wrong", ["missing", "of another key"])
async def test_a_certificate_that_cannot_be_used_is_named(tmp_path: Path, authority: Authority, wrong: str) -> None:
    """One that is not there, or not of that key, is an error at the start that names the settings."""
    own, other = authority.issue("gateway"), authority.issue("other")
    certificate = tmp_path / "none.pem" if wrong == "missing" else other.certificate
    with pytest.raises(Fatal, match="LEADART_GATEWAY__TLS_CERTFILE"):
        async with serve_gateway(tls_certfile=certificate, tls_keyfile=own.key):
            pass


async def test_a_renewed_certificate_is_shown_to_the_next_connection(authority: Authority) -> None:
    """While it runs; one of another key, or half a file, is logged and the one of before stays."""
    own, renewed, other = (authority.issue(name) for name in ("gateway", "renewed", "other"))
    async with serve_gateway(tls_certfile=own.certificate, tls_keyfile=own.key) as served:
        (files,) = certificate(served.server)
        before = await asyncio.to_thread(shown, served.url)
        assert before == ssl.PEM_cert_to_DER_cert(own.certificate.read_text())

        for content in (other.certificate.read_bytes(), own.certificate.read_bytes()[:300], b""):
            own.certificate.write_bytes(content)
            with capture_logs() as logs:
                await files.read()
            assert (logs[0]["event"], str(own.certificate) in logs[0]["files"]) == ("gateway_certificate_invalid", True)
            assert await asyncio.to_thread(shown, served.url) == before

        own.certificate.write_bytes(renewed.certificate.read_bytes())
        own.key.write_bytes(renewed.key.read_bytes())
        await files.read()
        after = await asyncio.to_thread(shown, served.url)
        assert after == ssl.PEM_cert_to_DER_cert(renewed.certificate.read_text())


def shown(url: str) -> bytes:
    """Return the certificate that a client is shown."""
    address = urlsplit(url)
    return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate((address.hostname or "", address.port or 0)))


@pytest.mark.parametrize(("method", "path", "status", "reason"), [
    ("GET", "/v2/nothing", 404, "not_found"),
    ("GET", "/desk/nothing.js", 404, "not_found"),
    ("PATCH", "/v1/images", 405, "method_not_allowed"),
    ("DELETE", "/v1/articles", 405, "method_not_allowed"),
])  # fmt: skip
async def test_wrong_addresses_and_methods_are_problems(
    served: ServedGateway, method: str, path: str, status: int, reason: str
) -> None:
    """They are answered as any other error, and a wrong method with the right ones."""
    async with served.client().request(method, path) as answer:
        assert (answer.status, answer.content_type) == (status, "application/problem+json")
        assert (await answer.json())["reason"] == reason
        assert ("allow" in answer.headers) is (status == 405)


async def test_it_stops_at_once_with_open_streams_and_connections() -> None:
    """Streams end, idle connections are closed, and half a request is not waited for."""
    async with serve_gateway() as served:
        client = served.client(served.key())
        await client.post("/v1/images", json=request_data())
        streams = [await client.get("/v1/events") for _ in range(20)]
        _, half = await asyncio.open_connection("127.0.0.1", int(served.url.rpartition(":")[2]))
        half.write(b"POST /v1/images HTTP/1.1\r\nhost: x\r\n")
        served.stop()
        async with asyncio.timeout(STOPPED_SECONDS):
            for stream in streams:
                await stream.read()
            assert served.serving is not None
            await asyncio.wait([served.serving])
        half.close()


async def test_its_description_is_whole(served: ServedGateway) -> None:
    """`/v1/openapi.json` describes every endpoint, streams too."""
    async with served.client().get("/v1/openapi.json") as answer:
        assert answer.status == 200
        assert {"/v1/images", "/v1/events", "/v1/session", "/v1/tokens"} <= set((await answer.json())["paths"])


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/"])
async def test_a_balancer_may_ask_by_head(served: ServedGateway, path: str) -> None:
    """It gets the status of `GET`, and no body."""
    client = served.client()
    async with client.head(path) as head, client.get(path, allow_redirects=False) as got:
        assert (head.status, await head.read()) == (got.status, b"")
