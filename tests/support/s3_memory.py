"""An S3 client whose objects lie in memory, and which fails where a test wants it to."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import Any, Self

from botocore.exceptions import ClientError

from consumer.settings import StorageSettings
from consumer.storage import S3Store
from consumer.storage.archive import Archive
from consumer.storage.erasure_lease import Waiting
from consumer.storage.objects import StoreObjects

_PAGE = 3

Fails = Callable[[str, str], int]
"""Given an operation and a key, the status to refuse it with; 0 lets it through. It may raise errors of its own."""


Turn = Callable[[str], Awaitable[None]]
"""Awaited before every call with its operation: a test decides whose call comes next, or what happens before it."""


async def at_once(_operation: str) -> None:
    """Let every call through."""


class MemoryS3:
    """The client: objects by key, whatever the bucket. `calls` are the operations that change something."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.calls: list[tuple[str, str]] = []
        self.fails: Fails = lambda _operation, _key: 0
        self.turn: Turn = at_once
        self._request_signer = SimpleNamespace(_credentials=None)

    async def put_object(self, **request: Any) -> dict[str, Any]:
        await self.turn("PutObject")
        key, if_match = request["Key"], request.get("IfMatch")
        self._change("PutObject", key)
        found = self.objects.get(key)
        if ("IfNoneMatch" in request and found is not None) or (if_match and if_match != _etag(found)):
            raise refused(412, "PutObject")
        self.objects[key] = request["Body"]
        return {}

    async def get_object(self, **request: Any) -> dict[str, Any]:
        await self.turn("GetObject")
        body = self._get("GetObject", request["Key"], "NoSuchKey")
        return {"Body": _Body(body), "ETag": _etag(body), "ContentLength": len(body)}

    async def head_object(self, **request: Any) -> dict[str, Any]:
        await self.turn("HeadObject")
        body = self._get("HeadObject", request["Key"], "404")
        checksum = b64encode(hashlib.sha256(body).digest()).decode()
        headers = {"content-length": str(len(body)), "x-amz-checksum-sha256": checksum}
        return {"ResponseMetadata": {"HTTPHeaders": headers}}

    async def delete_object(self, **request: Any) -> dict[str, Any]:
        await self.turn("DeleteObject")
        self._change("DeleteObject", request["Key"])
        self.objects.pop(request["Key"], None)
        return {}

    async def list_objects_v2(self, **request: Any) -> dict[str, Any]:
        await self.turn("ListObjectsV2")
        prefix, after = request["Prefix"], request.get("ContinuationToken", "")
        self._refuse("ListObjectsV2", prefix)
        keys = sorted(key for key in self.objects if key.startswith(prefix))
        what, name = "Contents", "Key"
        if "Delimiter" in request:
            keys = sorted({prefix + key.removeprefix(prefix).partition("/")[0] + "/" for key in keys})
            what, name = "CommonPrefixes", "Prefix"
        keys = [key for key in keys if key > after]
        page: dict[str, Any] = {what: [{name: key} for key in keys[:_PAGE]]} if keys else {}
        more = {"NextContinuationToken": keys[_PAGE - 1]} if len(keys) > _PAGE else {}
        return page | {"IsTruncated": len(keys) > _PAGE} | more

    async def generate_presigned_url(self, operation: str, Params: dict[str, str], **_: Any) -> str:  # noqa: N803
        signature = "signature" if operation == "get_object" else f"signature-of-{operation}"
        return f"http://store.test/{Params['Bucket']}/{Params['Key']}?{signature}"

    def store(self, waiting: Waiting | None = None, **settings: Any) -> S3Store:
        """Return the store on this client, without a wait that takes real time."""
        made = S3Store(StorageSettings.model_validate(settings), waiting or no_waiting())
        made._client = self
        made._objects = self._objects()
        return made

    def archive(self) -> Archive:
        """Return the archive on this client."""
        return Archive(self._objects(), StorageSettings())

    def _objects(self) -> StoreObjects:
        objects = StoreObjects(self, StorageSettings())
        objects._quick._logged = True  # that there is no connection for quick looks is no news
        return objects

    def _get(self, operation: str, key: str, code: str) -> bytes:
        self._refuse(operation, key)
        if key not in self.objects:
            raise refused(404, operation, code)
        return self.objects[key]

    def _change(self, operation: str, key: str) -> None:
        self._refuse(operation, key)
        self.calls.append((operation, key))

    def _refuse(self, operation: str, key: str) -> None:
        if status := self.fails(operation, key):
            raise refused(status, operation)


def no_waiting() -> Waiting:
    """Return a clock that only pauses move, at once."""
    now = [0.0]

    async def pause(seconds: float) -> None:
        now[0] += seconds

    return Waiting(lambda: now[0], pause)


def refused(status: int, operation: str, code: str = "") -> ClientError:
    """Return the client's error for a status."""
    told = (
        code
        or {403: "AccessDenied", 409: "ConditionalRequestConflict", 412: "PreconditionFailed", 503: "SlowDown"}[status]
    )
    return ClientError({"Error": {"Code": told}, "ResponseMetadata": {"HTTPStatusCode": status}}, operation)


def _etag(body: bytes | None) -> str:
    return "" if body is None else f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'


class _Body:
    """An object's bytes as the client streams them."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.content = self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def read(self) -> bytes:
        return self._data

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        for start in range(0, len(self._data), size):
            yield self._data[start : start + size]
