"""S3 look-ups for a third of the CPU time: GET and HEAD with the client's own signer and connections.

A botocore call costs 2 to 3 ms of CPU time, most of it neither signing nor sending, and a replay looks up two objects
for each event. Only 200 and 404 count as results here. For anything else the caller asks the client, which retries and
raises proper errors.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from botocore.awsrequest import AWSRequest

_FOUND, _NOT_FOUND = 200, 404
_CHECKSUM_MODE = {"x-amz-checksum-mode": "ENABLED"}
_NO_HEADERS: Mapping[str, str] = {}

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LookupResult:
    """Whether the key exists, its headers by lower-case name, and its body for a GET."""

    found: bool
    headers: Mapping[str, str]
    body: bytes


class QuickLook:
    """Reads through an open client. Keys are leadart's own, which need no quoting in a URL."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._prefixes: dict[str, str] = {}
        self._logged = False

    async def get(self, bucket: str, key: str) -> LookupResult | None:
        """Return the object or that there is none; None if the client has to be asked."""
        return await self._look_up("GET", bucket, key)

    async def head(self, bucket: str, key: str, *, checksum: bool = False) -> LookupResult | None:
        """Return the object's headers or that there is none; None if the client has to be asked.

        With `checksum`, the store's own checksum is among them, if it keeps one.
        """
        return await self._look_up("HEAD", bucket, key, _CHECKSUM_MODE if checksum else {})

    async def _look_up(
        self, method: str, bucket: str, key: str, headers: Mapping[str, str] = _NO_HEADERS
    ) -> LookupResult | None:
        try:
            return await self._send(method, bucket, key, headers)
        except Exception as error:  # noqa: BLE001 - the client is asked next, and raises its own error
            if not self._logged:
                self._logged = True
                log.info("store_quick_look_failed", error=repr(error))
            return None

    async def _send(self, method: str, bucket: str, key: str, asked: Mapping[str, str]) -> LookupResult | None:
        request = AWSRequest(method=method, url=await self.prefix(bucket) + key, headers=asked)
        request.context["client_region"] = self._client.meta.region_name
        await self._client._request_signer.sign("GetObject", request)  # noqa: SLF001 - handles all kinds of credentials
        response = await self._client._endpoint.http_session.send(request.prepare())  # noqa: SLF001 - and certificates
        body = await response.content
        if response.status_code not in {_FOUND, _NOT_FOUND}:
            return None
        headers = {name.lower(): value for name, value in response.headers.items()}
        if response.status_code == _FOUND and not {"etag", "content-length"} <= headers.keys():
            return None
        return LookupResult(response.status_code == _FOUND, headers, body)

    async def prefix(self, bucket: str) -> str:
        """Return the URL prefix of a bucket's keys, as botocore makes it for every kind of store."""
        if bucket not in self._prefixes:
            presigned = await self._client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "x"})
            self._prefixes[bucket] = presigned.partition("?")[0].removesuffix("x")
        return self._prefixes[bucket]
