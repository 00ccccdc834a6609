"""A store with one more rule, as some are in the field: a proxy in this process before the real one.

It signs anew what it lets through, so that a rule may take headers away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Self

from aiohttp import ClientSession, web
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from yarl import URL

from consumer.settings import StorageSettings

_PASSED_ON = ("content-type", "cache-control", "content-md5", "if-none-match", "if-match", "range")
"""The headers that matter to the store, beside those that begin with `x-amz-checksum-`."""


@dataclass(slots=True)
class StoreCall:
    """A request on its way to the store. `key` is empty for a bucket's own; rules may change the headers."""

    method: str
    path: str
    key: str
    headers: dict[str, str]
    body: bytes


Forward = Callable[[StoreCall], Awaitable[web.Response]]
Rule = Callable[[StoreCall, Forward], Awaitable[web.Response | None]]
"""Answers a call itself, or returns None to let it through."""


@dataclass
class RuledStore:
    """An async context manager: while it is open, `settings` lead to the store `behind` by way of the rule."""

    behind: StorageSettings
    rule: Rule
    calls: list[StoreCall] = field(default_factory=list)

    @property
    def settings(self) -> StorageSettings:
        """The settings of a client that has to keep the rule."""
        address = {"endpoint_url": f"http://127.0.0.1:{self._runner.addresses[0][1]}"}
        return StorageSettings.model_validate(self.behind.model_dump() | address)

    async def __aenter__(self) -> Self:
        self._session = ClientSession(auto_decompress=False)
        application = web.Application(client_max_size=64 << 20)
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._runner.cleanup()
        await self._session.close()

    async def _handle(self, request: web.Request) -> web.Response:
        _, _, key = request.path.lstrip("/").partition("/")
        headers = {name.lower(): value for name, value in request.headers.items()}
        call = StoreCall(request.method, request.raw_path, key, headers, await request.read())
        self.calls.append(call)
        return await self.rule(call, self._forward) or await self._forward(call)

    async def _forward(self, call: StoreCall) -> web.Response:
        url = f"{str(self.behind.endpoint_url).rstrip('/')}{call.path}"
        kept = {n: v for n, v in call.headers.items() if n in _PASSED_ON or n.startswith("x-amz-checksum-")}
        signed = self._signed(AWSRequest(method=call.method, url=url, headers=kept, data=call.body))
        at, body = URL(url, encoded=True), BytesIO(call.body) if call.body else None
        async with self._session.request(call.method, at, headers=signed, data=body) as answer:
            passed = {n: v for n, v in answer.headers.items() if n.lower() not in {"transfer-encoding", "connection"}}
            return web.Response(status=answer.status, headers=passed, body=await answer.read())

    def _signed(self, request: AWSRequest) -> dict[str, str]:
        secret = self.behind.secret_access_key
        assert secret is not None
        keys = Credentials(self.behind.access_key_id, secret.get_secret_value())
        S3SigV4Auth(keys, "s3", self.behind.region).add_auth(request)
        return dict(request.headers.items())


def refused(status: int, code: str, message: str = "because of a rule") -> web.Response:
    """Return S3's answer to a request that it refuses."""
    text = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return web.Response(status=status, content_type="application/xml", text=text)


def has_checksum(headers: Mapping[str, str]) -> bool:
    """Return whether one of Amazon's checksum headers is among them."""
    return any(name.startswith("x-amz-checksum-") for name in headers)


async def no_checksum_headers(call: StoreCall, _forward: Forward) -> web.Response | None:
    """Backblaze B2: no header may begin with `x-amz-checksum-`."""
    if has_checksum(call.headers):
        return refused(400, "InvalidArgument", "Unsupported header 'x-amz-checksum-sha256' received for this API call.")
    return None


async def no_checksums_at_all(call: StoreCall, _forward: Forward) -> web.Response | None:
    """A store that knows neither those headers nor `Content-MD5`."""
    if has_checksum(call.headers) or "content-md5" in call.headers:
        return refused(501, "NotImplemented", "A header you provided implies functionality that is not implemented")
    return None


async def object_lock(call: StoreCall, _forward: Forward) -> web.Response | None:
    """A bucket with Object Lock: every object is put with a checksum."""
    if call.method == "PUT" and call.key and not has_checksum(call.headers) and "content-md5" not in call.headers:
        needed = "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock"
        return refused(400, "InvalidRequest", f"{needed} parameters")
    return None


async def bare_etags(call: StoreCall, _forward: Forward) -> web.Response | None:
    """Ceph RGW 16: `If-Match` is compared with the ETag without its quotes, which it never gives."""
    if call.headers.get("if-match", "").startswith('"'):
        return refused(412, "PreconditionFailed")
    return None


async def no_if_match(call: StoreCall, _forward: Forward) -> web.Response | None:
    """No ETag is ever the right one."""
    return refused(412, "PreconditionFailed") if "if-match" in call.headers else None


async def if_match_ignored(call: StoreCall, _forward: Forward) -> web.Response | None:
    """`If-Match` is taken for a header without meaning."""
    call.headers.pop("if-match", None)
    return None


async def if_none_match_ignored(call: StoreCall, _forward: Forward) -> web.Response | None:
    """`If-None-Match` is taken for a header without meaning."""
    call.headers.pop("if-none-match", None)
    return None


def sometimes_late(header: str) -> Rule:
    """Return the rule of a gateway that checks a condition first and writes later, for one key in four."""

    async def rule(call: StoreCall, forward: Forward) -> web.Response | None:
        if header not in call.headers or sum(call.key.encode()) % 4:
            return None
        condition = call.headers.pop(header)
        etag = await _etag(call, forward)
        await asyncio.sleep(0)
        holds = etag == "" if condition == "*" else etag == condition
        return None if holds else refused(412, "PreconditionFailed")

    return rule


async def small_bodies_only(call: StoreCall, _forward: Forward) -> web.Response | None:
    """nginx, as it is installed."""
    too_large = len(call.body) > 1 << 20
    return web.Response(status=413, text="<html>Request Entity Too Large</html>") if too_large else None


def on_key(part: str, status: int, code: str, method: str = "PUT", header: str = "") -> Rule:
    """Return a rule that refuses a method, or those with a header, for keys that contain `part`."""

    async def rule(call: StoreCall, _forward: Forward) -> web.Response | None:
        matches = call.method == method and part in call.key and (not header or header in call.headers)
        return refused(status, code) if matches else None

    return rule


async def encrypted_only(call: StoreCall, _forward: Forward) -> web.Response | None:
    """A bucket policy that denies objects without encryption; the store behind encrypts nothing."""
    if call.method == "PUT" and call.key and call.headers.get("x-amz-server-side-encryption") != "AES256":
        return refused(403, "AccessDenied", "explicit deny in a resource-based policy")
    return None


async def _etag(call: StoreCall, forward: Forward) -> str:
    asked: dict[str, Any] = {"method": "HEAD", "path": call.path, "key": call.key, "headers": {}, "body": b""}
    return (await forward(StoreCall(**asked))).headers.get("ETag", "")
