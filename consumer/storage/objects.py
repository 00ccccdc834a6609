"""Objects of one store, put and read as this store takes it: checksum headers, ETags and encryption differ.

What is about one key is that request's affair and raises `Unstorable`: others are stored meanwhile.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

import structlog
from botocore.exceptions import ClientError

from consumer.errors import Unstorable
from consumer.jobs import StoredPicture
from consumer.renditions import StoredRendition
from consumer.settings import StorageSettings
from consumer.storage.checksums import Checksum, may_blame_header, stored_sha256
from consumer.storage.failures import code, is_transient, said, status
from consumer.storage.quick import QuickLook
from schemas import Reason

NEW = {"IfNoneMatch": "*"}
"""The condition that there is no object yet."""

_FOR_EVER = "public, max-age=31536000, immutable"
_NEVER = "private, no-store"
_CONFLICT_PAUSES = (0.0, 0.05, 0.1, 0.2, 0.4)
_CHUNK = 1 << 18

_log = structlog.get_logger(__name__)


def unchanged(etag: str, *, bare: bool = False) -> dict[str, str]:
    """Return the condition that the object is the one with this ETag.

    Ceph RGW 16 compares with the ETag `bare` of its quotes. A proxy that compresses answers makes ETags weak.
    """
    value = etag.removeprefix("W/").strip('"')
    return {"IfMatch": value if bare else f'"{value}"'}


def picture_arguments(bucket: str, key: str, media_type: str) -> dict[str, str]:
    """Return the arguments of PutObject for a picture, without its bytes."""
    return {"Bucket": bucket, "Key": key, "ContentType": media_type, "CacheControl": _FOR_EVER}


def manifest_arguments(bucket: str, key: str) -> dict[str, str]:
    """Return the arguments of PutObject for a manifest, without its text."""
    return {"Bucket": bucket, "Key": key, "ContentType": "application/json", "CacheControl": _NEVER}


class StoreObjects:
    """Reads and writes through an open client. Raises the client's errors, and `Unstorable` for what one key is about.

    Which checksum the store takes is found out with the first object and kept.
    """

    def __init__(self, client: Any, settings: StorageSettings) -> None:
        self.checksum = Checksum.SHA256
        self._client = client
        self._quick = QuickLook(client)
        self._encryption = _encryption(settings)
        self._shows_checksums = True
        self._has_shown = False

    async def put_if(self, condition: Mapping[str, str], **request: Any) -> bool:
        """Write the object if the condition holds, and return whether it did."""
        for pause in _CONFLICT_PAUSES:
            await asyncio.sleep(pause)
            if (written := await self._put_once(condition, request)) is not None:
                return written
        raise _unstorable(f"{request['Key']} could not be written: the store answers 409 (conflict) every time")

    async def put(self, **request: Any) -> None:
        """Write the object, whatever there is."""
        await self._put(request)

    async def replace(self, **request: Any) -> None:
        """Overwrite a damaged object, whatever there is. Raises `Unstorable` where the store forbids that."""
        try:
            await self._put(request)
        except ClientError as error:
            if is_transient(error):
                raise
            message = f"{request['Key']} is damaged and cannot be replaced: {said(error)}; delete it"
            raise _unstorable(message) from error

    async def text(self, bucket: str, key: str) -> tuple[bytes, str | None] | None:
        """Return an object's bytes and ETag, None if there is none."""
        quick = await self._quick.get(bucket, key)
        if quick is not None and quick.found:
            return quick.body, quick.headers.get("etag")
        if quick is not None and b"<Code>NoSuchKey</Code>" in quick.body:
            return None
        try:
            response = await self._client.get_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if code(error) == "NoSuchKey":
                return None
            raise
        async with response["Body"] as body:
            return await body.read(), response.get("ETag")

    async def keep(self, bucket: str, stored: StoredPicture | StoredRendition, data: bytes) -> None:
        """Put an object under the name of its bytes unless it is there; one that is damaged is replaced."""
        request = picture_arguments(bucket, stored.key, stored.media_type) | {"Body": data}
        if not await self.put_if(NEW, **request) and not await self.holds(bucket, stored):
            await self.replace(**request)  # something else damaged it

    async def holds(self, bucket: str, stored: StoredPicture | StoredRendition, *, trust_size: bool = False) -> bool:
        """Return whether the object is there and has its bytes, by the store's checksum or by reading it.

        It is also read where the checksum differs, before it is made again: gateways make up their own. With
        `trust_size`, the right size is enough where the store has shown no checksum of any object.
        """
        headers = await self._head(bucket, stored.key)
        if headers is None or headers.get("content-length", str(stored.bytes_)) != str(stored.bytes_):
            return False
        shown = stored_sha256(headers)
        self._has_shown = self._has_shown or shown is not None
        if shown == stored.sha256 or (trust_size and not self._has_shown):
            return True
        digest = hashlib.sha256()
        async for chunk in self._chunks(bucket, stored):
            digest.update(chunk)
        return _is_whole(stored, digest.hexdigest())

    async def body(self, bucket: str, stored: StoredPicture | StoredRendition) -> bytes | None:
        """Return the object's bytes; None if there is none or they are not those of its name."""
        data = b"".join([chunk async for chunk in self._chunks(bucket, stored)])
        return data if _is_whole(stored, hashlib.sha256(data).hexdigest()) else None

    async def opened(self, bucket: str, key: str) -> tuple[int, AsyncIterator[bytes]] | None:
        """Return an object's size and its bytes in chunks, which are to be read to their end; None if it is gone."""
        try:
            response = await self._client.get_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if code(error) == "NoSuchKey":
                return None
            raise
        return int(response["ContentLength"]), _chunks_of(response["Body"])

    async def size(self, bucket: str, key: str) -> int | None:
        """Return how many bytes an object has, None if there is none."""
        headers = await self._head(bucket, key)
        if headers is None:
            return None
        if "content-length" in headers:
            return int(headers["content-length"])
        found = await self.text(bucket, key)
        return None if found is None else len(found[0])

    async def keeps_sha256(self, bucket: str, key: str) -> bool:
        """Return whether the store tells the SHA-256 of an object without giving out its bytes."""
        headers = await self._head(bucket, key)
        return headers is not None and stored_sha256(headers) is not None

    async def address(self, bucket: str) -> str:
        """Return how the addresses of a bucket's objects begin, as they are presigned."""
        return await self._quick.prefix(bucket)

    async def keys(self, bucket: str, prefix: str) -> list[str]:
        """Return the keys of all objects that begin with the prefix."""
        return [entry["Key"] async for page in self._pages(bucket, prefix) for entry in page.get("Contents", ())]

    async def folders(self, bucket: str, prefix: str) -> list[str]:
        """Return how keys below the prefix go on, up to the next slash."""
        pages = self._pages(bucket, prefix, Delimiter="/")
        return [entry["Prefix"] async for page in pages for entry in page.get("CommonPrefixes", ())]

    async def delete(self, bucket: str, keys: Iterable[str]) -> None:
        """Delete objects, which the keys of a worker should not allow."""
        for key in keys:
            await self._client.delete_object(Bucket=bucket, Key=key)

    async def _pages(self, bucket: str, prefix: str, **how: str) -> AsyncIterator[dict[str, Any]]:
        while True:
            page = await self._client.list_objects_v2(Bucket=bucket, Prefix=prefix, **how)
            yield page
            if not page.get("IsTruncated"):
                return
            how = how | {"ContinuationToken": page["NextContinuationToken"]}

    async def _put_once(self, condition: Mapping[str, str], request: dict[str, Any]) -> bool | None:
        """Return whether the condition held, None for a conflict: another conditional write of the key is going on."""
        try:
            await self._put(request | dict(condition))
        except ClientError as error:
            if status(error) == 409:
                return None
            # For If-Match also NoSuchKey, AWS's answer without an object, and whoever knows no If-Match.
            if status(error) == 412 or ("IfMatch" in condition and not is_transient(error)):
                return False
            raise
        return True

    async def _put(self, request: dict[str, Any]) -> None:
        try:
            await self._put_with(self.checksum, request)
        except ClientError as error:
            if not may_blame_header(error):
                raise
            await self._put_with_weaker(request, error)

    async def _put_with_weaker(self, request: dict[str, Any], refusal: ClientError) -> None:
        for checksum in self.checksum.weaker:
            try:
                await self._put_with(checksum, request)
            except ClientError as error:
                if may_blame_header(error):
                    continue
                if status(error) not in {409, 412}:  # these two are about the condition: the header was taken
                    raise
                self._settle_for(checksum)
                raise
            self._settle_for(checksum)
            return
        raise refusal

    async def _put_with(self, checksum: Checksum, request: dict[str, Any]) -> None:
        await self._client.put_object(**request, **self._encryption, **checksum.arguments(request["Body"]))

    def _settle_for(self, checksum: Checksum) -> None:
        _log.warning("store_refuses_checksum", header=self.checksum.value, instead=checksum.value)
        self.checksum = checksum
        self._shows_checksums = False

    async def _head(self, bucket: str, key: str) -> Mapping[str, str] | None:
        """Return the object's headers by lower-case name, None if there is none."""
        quick = await self._quick.head(bucket, key, checksum=self._shows_checksums)
        if quick is not None:
            return quick.headers if quick.found else None
        try:
            head = await self._ask_head(bucket, key)
        except ClientError as error:
            if status(error) == 404:
                return None
            raise
        headers: dict[str, str] = head["ResponseMetadata"]["HTTPHeaders"]
        return headers

    async def _ask_head(self, bucket: str, key: str) -> dict[str, Any]:
        mode = {"ChecksumMode": "ENABLED"} if self._shows_checksums else {}
        try:
            answer: dict[str, Any] = await self._client.head_object(Bucket=bucket, Key=key, **mode)
        except ClientError as error:
            if not mode or not may_blame_header(error):
                raise
            answer = await self._client.head_object(Bucket=bucket, Key=key)
            self._shows_checksums = False
        return answer

    async def _chunks(self, bucket: str, stored: StoredPicture | StoredRendition) -> AsyncIterator[bytes]:
        """Yield what the object holds, nothing if it is gone; of one that grew meanwhile, a chunk too many."""
        try:
            response = await self._client.get_object(Bucket=bucket, Key=stored.key)
        except ClientError as error:
            if code(error) == "NoSuchKey":
                return
            raise
        left = stored.bytes_
        async with response["Body"] as body:
            async for chunk in body.content.iter_chunked(_CHUNK):
                yield chunk
                left -= len(chunk)
                if left < 0:
                    break


async def _chunks_of(body: Any) -> AsyncIterator[bytes]:
    async with body:
        async for chunk in body.content.iter_chunked(_CHUNK):
            yield chunk


def _is_whole(stored: StoredPicture | StoredRendition, sha256: str) -> bool:
    if sha256 != stored.sha256:
        _log.warning("picture_damaged", key=stored.key, sha256=sha256)
    return sha256 == stored.sha256


def _encryption(settings: StorageSettings) -> dict[str, str]:
    given = {"ServerSideEncryption": settings.server_side_encryption, "SSEKMSKeyId": settings.kms_key_id}
    return {name: value for name, value in given.items() if value is not None}


def _unstorable(message: str) -> Unstorable:
    return Unstorable(Reason.STORE_UNAVAILABLE, message)
