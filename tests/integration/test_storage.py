"""Stored objects, read back with the test's own client, and how a store's refusals are reported."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aioboto3
import aiohttp
import pytest

from consumer import __version__
from consumer.dev.embedded import S3Server
from consumer.errors import Overloaded
from consumer.jobs import Master, StoredPicture
from consumer.settings import StorageSettings
from consumer.storage import S3Store, manifest_key, public_policy, rendition_manifest_key
from schemas import Reason
from tests.support.samples import ASKED, MADE, ORDER, RECIPE

PICTURE = Master(data=b"\x89PNG not really", media_type="image/png", width=512, height=512)


@asynccontextmanager
async def _client(storage: StorageSettings) -> AsyncIterator[Any]:
    assert storage.secret_access_key is not None
    async with aioboto3.Session().client(
        "s3",
        endpoint_url=str(storage.endpoint_url),
        region_name=storage.region,
        aws_access_key_id=storage.access_key_id,
        aws_secret_access_key=storage.secret_access_key.get_secret_value(),
    ) as client:
        yield client


async def _status(address: str) -> int:
    async with aiohttp.ClientSession() as session, session.get(address) as response:
        return response.status


def _changed(storage: StorageSettings, **changes: object) -> StorageSettings:
    return type(storage).model_validate(storage.model_dump() | changes)


async def _refusal(store: S3Store) -> Overloaded:
    with pytest.raises(Overloaded) as caught:
        await store.keep(RECIPE, PICTURE, ASKED)
    return caught.value


async def test_a_picture_is_stored_for_browsers(storage: StorageSettings) -> None:
    """The object carries its exact type, is cached for ever, and holds the bytes and their SHA-256."""
    async with S3Store(storage) as store, _client(storage) as client:
        await store.prepare(create=True)
        picture = await store.keep(RECIPE, PICTURE, ASKED)
        answer = await client.get_object(Bucket=storage.bucket, Key=picture.key, ChecksumMode="ENABLED")
        async with answer["Body"] as body:
            assert await body.read() == PICTURE.data

    assert answer["ContentType"] == "image/png"
    assert answer["CacheControl"] == "public, max-age=31536000, immutable"
    assert answer["ChecksumSHA256"]


async def test_a_manifest_holds_everything_and_is_never_cached(storage: StorageSettings) -> None:
    """The manifest holds the whole recipe and the picture as JSON, in the bucket set for manifests."""
    storage = _changed(storage, manifest_bucket=f"{storage.bucket}-m")
    async with S3Store(storage) as store, _client(storage) as client:
        await store.prepare(create=True)
        picture = await store.keep(RECIPE, PICTURE, ASKED)
        answer = await client.get_object(Bucket=storage.manifest_bucket, Key=manifest_key(RECIPE.digest))
        async with answer["Body"] as body:
            manifest = json.loads(await body.read())
        pictures_bucket = await client.list_objects_v2(Bucket=storage.bucket)

    assert answer["ContentType"] == "application/json"
    assert answer["CacheControl"] == "private, no-store"
    assert manifest["format"] == 1
    assert manifest["leadart"] == __version__
    assert manifest["recipe"] == asdict(RECIPE) | {"adapters": []}
    assert manifest["picture"] | {"painted_for": manifest["asked"]["use"]} == asdict(picture)
    assert manifest["asked"]["use"] == {"article_id": "a-1", "slot": "hero"}
    assert manifest["asked"] == asdict(ASKED)
    assert list(manifest) == ["format", "recipe", "picture", "asked", "created", "leadart"]
    assert {entry["Key"] for entry in pictures_bucket["Contents"]} == {picture.key, "pictures/probe"}


async def test_renditions_are_stored_as_masters_are(storage: StorageSettings) -> None:
    """Each with its type, cached for ever, with its SHA-256; their manifest, never cached, among the manifests."""
    storage = _changed(storage, manifest_bucket=f"{storage.bucket}-m")
    async with S3Store(storage) as store, _client(storage) as client:
        await store.prepare(create=True)
        picture = await store.keep(RECIPE, PICTURE, ASKED)
        kept = await store.keep_renditions(picture, ORDER, MADE)
        assert kept is not None
        key = rendition_manifest_key(picture, ORDER)
        manifest = await client.head_object(Bucket=storage.manifest_bucket, Key=key)
        for each in kept.renditions:
            found = await client.head_object(Bucket=storage.bucket, Key=each.key, ChecksumMode="ENABLED")
            assert (found["ContentType"], found["ContentLength"]) == (each.media_type, each.bytes_)
            assert found["CacheControl"] == "public, max-age=31536000, immutable"
            assert found["ChecksumSHA256"]

    assert (manifest["ContentType"], manifest["CacheControl"]) == ("application/json", "private, no-store")


@pytest.mark.parametrize(
    "left_by", [b"{", b"\xff\xfe", b'{"format": 2}', b""], ids=["torn", "binary", "newer", "empty"]
)
async def test_an_unreadable_manifest_is_replaced(storage: StorageSettings, left_by: bytes) -> None:
    """A manifest that cannot be read counts as none, and the next one replaces it."""
    async with S3Store(storage) as store, _client(storage) as client:
        await store.prepare(create=True)
        await client.put_object(Bucket=storage.bucket, Key=manifest_key(RECIPE.digest), Body=left_by)

        assert await store.find(RECIPE) is None
        kept = await store.keep(RECIPE, PICTURE, ASKED)
        assert await store.find(RECIPE) == kept


async def test_another_recipes_manifest_is_replaced(storage: StorageSettings) -> None:
    """What lies under a recipe's key but describes another one, as after a mixed-up restore, is not announced."""
    other = replace(RECIPE, seed=RECIPE.seed + 1)
    async with S3Store(storage) as store, _client(storage) as client:
        await store.prepare(create=True)
        await store.keep(other, replace(PICTURE, data=b"another picture"), ASKED)
        source = {"Bucket": storage.bucket, "Key": manifest_key(other.digest)}
        await client.copy_object(Bucket=storage.bucket, Key=manifest_key(RECIPE.digest), CopySource=source)

        assert await store.find(RECIPE) is None
        kept = await store.keep(RECIPE, PICTURE, ASKED)
        assert await store.find(RECIPE) == kept
        assert kept.recipe == RECIPE.digest


async def test_presigned_address_opens_without_keys(storage: StorageSettings) -> None:
    """Without a public base URL, anybody can fetch the picture from the announced address until it expires."""
    async with S3Store(storage) as store:
        await store.prepare(create=True)
        picture = await store.keep(RECIPE, PICTURE, ASKED)
        address, expires = await store.url(picture)

    assert expires is not None
    assert await _status(address) == 200
    assert await _status(address.partition("?")[0]) == 403


async def test_only_pictures_are_public(storage: StorageSettings) -> None:
    """In a public bucket everybody can read the pictures and nobody the manifests."""
    base = f"{storage.endpoint_url}{storage.bucket}"
    async with S3Store(_changed(storage, public_base_url=base)) as store:
        await store.prepare(create=True, public=True)
        picture = await store.keep(RECIPE, PICTURE, ASKED)
        address, expires = await store.url(picture)

    assert (address, expires) == (f"{base}/{picture.key}", None)
    assert await _status(address) == 200
    assert await _status(f"{base}/{manifest_key(RECIPE.digest)}") == 403
    assert await _status(f"{base}?list-type=2") == 403


async def test_another_policy_is_left_unchanged(storage: StorageSettings) -> None:
    """A bucket has one policy: ours is set if there is none, recognised if set, and another one is left unchanged."""
    theirs = public_policy(storage.bucket).replace("s3:GetObject", "s3:PutObject")
    async with S3Store(storage) as store:
        await store.prepare(create=True, public=True)
        await store.prepare(public=True)
        await store._client.put_bucket_policy(Bucket=storage.bucket, Policy=theirs)
        with pytest.raises(Overloaded, match=r"has a policy already.*s3:GetObject"):
            await store.prepare(public=True)
        kept = await store._client.get_bucket_policy(Bucket=storage.bucket)
    assert "s3:PutObject" in kept["Policy"]


async def test_preparing_again_changes_nothing(storage: StorageSettings) -> None:
    """Existing buckets are left unchanged and pass the check."""
    async with S3Store(storage) as store:
        await store.prepare(create=True)
        picture = await store.keep(RECIPE, PICTURE, ASKED)
        await store.prepare(create=True)
        await store.prepare()
        assert await store.find(RECIPE) == picture


async def test_a_missing_bucket_names_the_setting(storage: StorageSettings) -> None:
    """A missing bucket is a misconfiguration: nothing is lost, and the message names the setting."""
    async with S3Store(storage) as store:
        refusal = await _refusal(store)
        with pytest.raises(Overloaded, match="LEADART_STORAGE__BUCKET"):
            await store.prepare()

    assert refusal.reason is Reason.MISCONFIGURED
    assert "LEADART_STORAGE__BUCKET" in refusal.message


async def test_wrong_keys_name_the_setting(storage: StorageSettings) -> None:
    """Refused keys are a misconfiguration: nothing is lost, and the message names the setting."""
    for wrong in ({"access_key_id": "somebody"}, {"secret_access_key": "guessed"}):
        async with S3Store(_changed(storage, **wrong)) as store:
            refusal = await _refusal(store)
        assert refusal.reason is Reason.MISCONFIGURED
        assert "LEADART_STORAGE__ACCESS_KEY_ID" in refusal.message


async def _found_once_up(store: S3Store) -> StoredPicture | None:
    """Return what is found once the store answers in its second: on a busy machine a new server takes longer."""
    while True:
        try:
            return await store.find(RECIPE)
        except Overloaded:
            await asyncio.sleep(0.1)


async def test_a_frozen_store_times_out(storage: StorageSettings, tmp_path: Path) -> None:
    """A store that accepts connections and never answers costs `timeout_seconds`, then is `Overloaded`; it recovers."""
    with S3Server(tmp_path) as server:
        keys = {"access_key_id": server.access_key_id, "secret_access_key": server.secret_access_key}
        own = _changed(storage, endpoint_url=server.endpoint_url, timeout_seconds=1, **keys)
        async with S3Store(own) as store:
            await store.prepare(create=True)
            await asyncio.to_thread(server.freeze)
            refusal = await asyncio.wait_for(_refusal(store), 5)
            await asyncio.to_thread(server.thaw)
            kept = await store.keep(RECIPE, PICTURE, ASKED)
            await asyncio.to_thread(server.kill)
            assert (await asyncio.wait_for(_refusal(store), 5)).reason is Reason.STORE_UNAVAILABLE
            await asyncio.to_thread(server.start)
            assert await asyncio.wait_for(_found_once_up(store), 60) == kept

    assert refusal.reason is Reason.STORE_UNAVAILABLE
    assert "no answer within 1 s" in refusal.message


async def test_an_object_of_the_wrong_size_is_not_announced_and_heals(storage: StorageSettings) -> None:
    """An object that was emptied behind its manifest counts as missing, and keeping it again restores it."""
    async with S3Store(storage) as store, _client(storage) as client:
        await store.prepare(create=True)
        kept = await store.keep(RECIPE, PICTURE, ASKED)
        await client.put_object(Bucket=storage.bucket, Key=kept.key, Body=b"")
        assert await store.find(RECIPE) is None

        assert await store.keep(RECIPE, PICTURE, ASKED) == kept
        assert await store.find(RECIPE) == kept


async def test_a_look_up_bypasses_botocore(storage: StorageSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Objects are found, or found missing, without a botocore call."""
    async with S3Store(storage) as store:
        await store.prepare(create=True)
        kept = await store.keep(RECIPE, PICTURE, ASKED)
        for name in ("get_object", "head_object"):
            monkeypatch.setattr(store._client, name, _unasked)
        assert await store.find(RECIPE) == kept
        assert await store.find(replace(RECIPE, seed=RECIPE.seed + 1)) is None


@pytest.mark.parametrize("status", [None, 403, 500], ids=["fails", "refused", "error"])
async def test_a_failed_quick_look_falls_back_to_the_client(
    storage: StorageSettings, monkeypatch: pytest.MonkeyPatch, status: int | None
) -> None:
    """Any answer but 200 and 404, or none, does not change the result of a look-up."""
    async with S3Store(storage) as store:
        await store.prepare(create=True)
        kept = await store.keep(RECIPE, PICTURE, ASKED)
        session, asked = store._client._endpoint.http_session, []

        async def send(request: Any) -> Any:
            asked.append(request.method)
            if status is None:
                raise OSError("no quick look")
            response = await session.send(request)
            response.status_code = status
            return response

        monkeypatch.setattr(store._objects._quick, "_client", _Detour(store._client, send))
        assert await store.find(RECIPE) == kept
        assert await store.find(replace(RECIPE, seed=RECIPE.seed + 1)) is None
    assert asked == ["GET", "HEAD", "GET"]


async def test_a_missing_bucket_is_not_a_missing_picture(storage: StorageSettings) -> None:
    """Both have the same status, but only one means that the picture is to be painted."""
    async with S3Store(_changed(storage, bucket="nobody-made-this")) as store:
        with pytest.raises(Overloaded):
            await store.find(RECIPE)


async def _unasked(**request: Any) -> None:
    raise AssertionError(request)


class _Detour:
    """A client that sends through another function."""

    def __init__(self, client: Any, send: Any) -> None:
        self._client = client
        self._endpoint = SimpleNamespace(http_session=SimpleNamespace(send=send))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)
