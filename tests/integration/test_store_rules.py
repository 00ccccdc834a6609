"""Stores that differ from Amazon's: what the doctor says of them, and that one damaged object stops nobody else."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiohttp import web
from typer.testing import CliRunner, Result

from consumer.admin.doctor import CheckStatus, _store
from consumer.cli import app
from consumer.errors import Overloaded, Unstorable
from consumer.jobs import Master, Use
from consumer.settings import StorageSettings, load_settings
from consumer.storage import S3Store, manifest_key
from schemas import Reason
from tests.support.samples import ASKED, MADE, ORDER, RECIPE
from tests.support.store_rules import (
    Forward,
    Rule,
    RuledStore,
    StoreCall,
    bare_etags,
    encrypted_only,
    has_checksum,
    if_match_ignored,
    if_none_match_ignored,
    no_checksum_headers,
    no_checksums_at_all,
    no_if_match,
    object_lock,
    on_key,
    refused,
    small_bodies_only,
    sometimes_late,
)

PICTURE = Master(data=b"\x89PNG not really", media_type="image/png", width=512, height=512)
OTHER_RECIPE = replace(RECIPE, seed=RECIPE.seed + 1)


@asynccontextmanager
async def ruled(storage: StorageSettings, rule: Rule) -> AsyncIterator[tuple[S3Store, S3Store, RuledStore]]:
    """Yield a store under the rule, the same one without it, and the proxy between them."""
    async with S3Store(storage) as behind:
        await behind.prepare(create=True)
        async with RuledStore(storage, rule) as proxy, S3Store(proxy.settings) as store:
            yield store, behind, proxy


async def _damage_manifest(store: S3Store) -> None:
    await store._objects.replace(Bucket=store._manifests, Key=manifest_key(RECIPE.digest), Body=b"{")


SHORTCOMINGS = {
    "none": (object_lock, []),
    "bare ETags": (bare_etags, []),
    "no checksum headers": (no_checksum_headers, ["x-amz-checksum-sha256` and gets `Content-MD5` instead"]),
    "no checksums": (no_checksums_at_all, ["x-amz-checksum-sha256` and gets nothing instead"]),
    "large bodies": (small_bodies_only, ["client_max_body_size"]),
    "no If-Match": (no_if_match, ["refuses `If-Match` with the ETag"]),
    "If-Match unknown": (on_key("", 501, "NotImplemented", header="if-match"), ["refuses `If-Match` with the ETag"]),
}


@pytest.mark.parametrize("what", SHORTCOMINGS)
async def test_what_a_store_lacks_is_told(storage: StorageSettings, what: str) -> None:
    """A store that can be worked with passes, and what it lacks is named with the header and what follows."""
    rule, sentences = SHORTCOMINGS[what]
    async with ruled(storage, rule) as (store, _, _):
        await store.prepare()
        shortcomings = await store.examine()

    assert len(shortcomings) == len(sentences)
    assert all(sentence in shortcoming for sentence, shortcoming in zip(sentences, shortcomings, strict=True))


UNSAFE = {
    "If-None-Match ignored": (if_none_match_ignored, "`If-None-Match: \\*`"),
    "If-None-Match late": (sometimes_late("if-none-match"), "of 8 writers at once win with `If-None-Match: \\*`"),
    "If-Match ignored": (if_match_ignored, "of 8 writers at once win with `If-Match`"),
    "If-Match late": (sometimes_late("if-match"), "of 8 writers at once win with `If-Match`"),
}


@pytest.mark.parametrize("what", UNSAFE)
async def test_a_store_where_several_writers_win_is_refused(storage: StorageSettings, what: str) -> None:
    """Even if they win for some keys only: two workers could announce different pictures."""
    rule, sentence = UNSAFE[what]
    async with ruled(storage, rule) as (store, _, _):
        with pytest.raises(Overloaded, match=sentence) as caught:
            await store.examine()

    assert caught.value.reason is Reason.MISCONFIGURED


async def test_a_race_leaves_nothing_behind(storage: StorageSettings) -> None:
    """With keys that may delete, only the two probe objects of every check are left."""
    async with S3Store(storage) as store:
        await store.prepare(create=True)
        assert await store.examine() == []
        listed = await store._client.list_objects_v2(Bucket=storage.bucket)

    assert [entry["Key"] for entry in listed["Contents"]] == ["manifests/probe", "pictures/probe"]


async def test_every_put_carries_a_checksum(storage: StorageSettings) -> None:
    """Pictures, renditions, manifests, index and probes alike: a bucket with Object Lock refuses what has none."""
    async with ruled(storage, object_lock) as (store, _, proxy):
        await store.prepare()
        await store.examine()
        await store.keep_renditions(await store.keep(RECIPE, PICTURE, ASKED), ORDER, MADE)

    puts = [call for call in proxy.calls if call.method == "PUT"]
    assert {call.key.partition("/")[0] for call in puts} == {"pictures", "manifests"}
    assert all(has_checksum(call.headers) for call in puts)


async def test_a_probe_is_as_large_as_a_picture(storage: StorageSettings) -> None:
    """SeaweedFS keeps small objects in its index: probing a full disk with one damaged it, and some keys with it."""
    async with ruled(storage, object_lock) as (store, _, proxy):
        await store.prepare()
        await store.probe()

    sizes = [len(call.body) for call in proxy.calls if call.method == "PUT" and call.key.endswith("/probe")]
    assert len(sizes) >= 4
    assert min(sizes) >= 16 << 10


async def test_the_refused_header_is_sent_only_once(storage: StorageSettings) -> None:
    """What the store takes is found out with the first object and kept."""
    async with ruled(storage, no_checksum_headers) as (store, _, proxy):
        for seed in range(3):
            await store.keep(replace(RECIPE, seed=seed), replace(PICTURE, data=b"%d" % seed), ASKED)
            assert await store.find(replace(RECIPE, seed=seed))

    assert sum(has_checksum(call.headers) for call in proxy.calls) == 1


BEYOND_REPAIR: dict[str, Rule] = {
    "If-Match never holds": no_if_match,
    "If-Match is not implemented": on_key("manifests/", 501, "NotImplemented", header="if-match"),
    "a policy forbids replacing": on_key("manifests/", 403, "AccessDenied", header="if-match"),
    "a conflict without end": on_key(manifest_key(RECIPE.digest), 409, "OperationAborted"),
}


@pytest.mark.parametrize("what", BEYOND_REPAIR)
async def test_a_manifest_beyond_repair_is_its_requests_affair(storage: StorageSettings, what: str) -> None:
    """Nobody else waits for it: the error is `Unstorable`, names the object, and another picture is stored."""
    async with ruled(storage, BEYOND_REPAIR[what]) as (store, behind, _):
        await _damage_manifest(behind)
        with pytest.raises(Unstorable, match=manifest_key(RECIPE.digest)):
            await store.keep(RECIPE, PICTURE, ASKED)
        assert await store.keep(OTHER_RECIPE, PICTURE, ASKED)


async def test_a_picture_that_must_not_be_replaced_is_its_requests_affair(storage: StorageSettings) -> None:
    """A damaged object under a lock stays damaged: the error names it, and other pictures are stored."""

    async def locked(call: StoreCall, _forward: Forward) -> web.Response | None:
        new = "if-none-match" in call.headers
        return refused(403, "AccessDenied", "locked") if call.method == "PUT" and not new else None

    async with ruled(storage, locked) as (store, behind, _):
        picture = await behind.keep(RECIPE, PICTURE, ASKED)
        await behind._objects.replace(Bucket=storage.bucket, Key=picture.key, Body=b"?" * picture.bytes_)
        with pytest.raises(Unstorable, match=rf"{picture.key} is damaged and cannot be replaced.*locked"):
            await store.keep(RECIPE, PICTURE, ASKED)
        assert await store.keep(OTHER_RECIPE, replace(PICTURE, data=b"other"), ASKED)


async def test_racing_healers_agree_where_etags_are_bare(storage: StorageSettings) -> None:
    """Many writers that replace one damaged manifest announce the same picture."""
    renders = [replace(PICTURE, data=b"%d" % number) for number in range(8)]
    async with ruled(storage, bare_etags) as (store, behind, _):
        await _damage_manifest(behind)
        kept = await asyncio.gather(*(store.keep(RECIPE, render, ASKED) for render in renders))

    assert len(set(kept)) == 1


async def test_a_damaged_picture_without_a_stored_checksum_is_noticed(storage: StorageSettings) -> None:
    """Where the store keeps no SHA-256 of it, the picture is read in full; a larger one is not read to its end."""
    async with S3Store(storage) as store:
        await store.prepare(create=True)
        picture = await store.keep(RECIPE, PICTURE, ASKED)
        for body, found in ((PICTURE.data, picture), (b"?" * picture.bytes_, None), (PICTURE.data + b"?", None)):
            await store._client.put_object(Bucket=storage.bucket, Key=picture.key, Body=body)
            assert await store.find(RECIPE) == found


async def test_demanded_encryption_is_named_and_can_be_set(storage: StorageSettings) -> None:
    """A refusal by the bucket's policy names the setting and the prefix; with it, pictures and manifests are stored."""
    async with ruled(storage, encrypted_only) as (store, _, proxy):
        with pytest.raises(Overloaded, match=rf"{storage.bucket}/pictures/\*.*LEADART_STORAGE__SERVER_SIDE_ENCRYPTION"):
            await store.prepare()
        settings = proxy.settings.model_copy(update={"server_side_encryption": "AES256"})
        async with S3Store(settings) as encrypting:
            await encrypting.prepare()
            kept = await encrypting.keep(RECIPE, PICTURE, ASKED)
            assert await encrypting.find(RECIPE) == kept


@pytest.mark.parametrize("prefix", ["pictures", "manifests"])
async def test_a_right_missing_on_one_prefix_is_found_at_the_start(storage: StorageSettings, prefix: str) -> None:
    """Both prefixes that are written to are probed, and the refused one is named."""
    async with ruled(storage, on_key(f"{prefix}/", 403, "AccessDenied")) as (store, _, _):
        with pytest.raises(Overloaded, match=rf"{storage.bucket}/{prefix}/\*"):
            await store.prepare()


async def nothing_about_absent_keys(call: StoreCall, forward: Forward) -> web.Response | None:
    """Without the right to list, S3 answers 403 for what does not exist."""
    answer = await forward(call)
    return refused(403, "AccessDenied") if call.key and answer.status == 404 else answer


LOOK_UPS = {
    "absent objects": nothing_about_absent_keys,
    "HEAD": on_key("/", 403, "AccessDenied", method="HEAD"),
    "GET": on_key("/", 403, "AccessDenied", method="GET"),
}


@pytest.mark.parametrize("what", LOOK_UPS)
async def test_a_look_up_that_is_refused_is_found_at_the_start(storage: StorageSettings, what: str) -> None:
    """Every request begins with one: the store would take pictures, and no request would get that far."""
    async with ruled(storage, LOOK_UPS[what]) as (store, behind, proxy):
        with pytest.raises(Overloaded, match="s3:ListBucket"):
            await store.prepare()
        await behind.prepare()
        async with S3Store(proxy.settings) as later:
            with pytest.raises(Overloaded, match="s3:ListBucket"):
                await later.probe()


async def test_a_checksum_that_a_gateway_made_up_costs_no_picture(storage: StorageSettings) -> None:
    """Where the store's SHA-256 is another one, the bytes decide before anything is painted again."""

    async def made_up(call: StoreCall, forward: Forward) -> web.Response | None:
        answer = await forward(call)
        answer.headers["x-amz-checksum-sha256"] = b64encode(bytes(32)).decode()
        return answer

    async with ruled(storage, made_up) as (store, behind, _):
        kept = await behind.keep(RECIPE, PICTURE, ASKED)
        assert await store.find(RECIPE) == kept
        await behind._objects.replace(Bucket=storage.bucket, Key=kept.key, Body=b"?" * kept.bytes_)
        assert await store.find(RECIPE) is None


async def _command(monkeypatch: pytest.MonkeyPatch, storage: StorageSettings, *arguments: str) -> Result:
    """Run a leadart command with this store, in a thread because it has an event loop of its own."""
    assert storage.secret_access_key is not None
    for name, value in {
        "ENDPOINT_URL": str(storage.endpoint_url),
        "BUCKET": storage.bucket,
        "ACCESS_KEY_ID": str(storage.access_key_id),
        "SECRET_ACCESS_KEY": storage.secret_access_key.get_secret_value(),
    }.items():
        monkeypatch.setenv(f"LEADART_STORAGE__{name}", value)
    return await asyncio.to_thread(lambda: CliRunner().invoke(app, arguments))


async def test_the_commands_tell_what_a_store_lacks(storage: StorageSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """`store prepare` and `doctor` name the refused header, and `doctor` where readers will fetch the pictures."""
    async with RuledStore(storage, no_checksum_headers) as proxy:
        prepared = await _command(monkeypatch, proxy.settings, "store", "prepare")
        results = await _store(load_settings())
        origin = f"{proxy.settings.endpoint_url}{storage.bucket}/"

    assert prepared.exit_code == 0
    assert "x-amz-checksum-sha256" in prepared.output
    assert [result.status for result in results] == [CheckStatus.OK, CheckStatus.OK, CheckStatus.WARNING]
    assert origin in results[1].message
    assert "x-amz-checksum-sha256" in results[2].message


async def test_the_commands_refuse_a_store_where_several_win(
    storage: StorageSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`store prepare` ends with an error and `doctor` with a failure, and both name the header."""
    async with RuledStore(storage, sometimes_late("if-none-match")) as proxy:
        prepared = await _command(monkeypatch, proxy.settings, "store", "prepare")
        with pytest.raises(Overloaded, match="If-None-Match"):
            await _store(load_settings())

    assert isinstance(prepared.exception, Overloaded)
    assert "If-None-Match" in str(prepared.exception)


async def test_a_store_without_if_match_can_be_withdrawn_from(storage: StorageSettings) -> None:
    """What has to be replaced on a condition is replaced without one: alone, that is as good."""
    async with ruled(storage, no_if_match) as (store, behind, _):
        picture = await store.keep(RECIPE, PICTURE, ASKED)
        await store.keep_renditions(picture, ORDER, MADE)
        assert await store.refer(picture, Use("a-2", "hero"))

        assert (await store.withdraw("a-1", None, "0:1")).shared == 1
        assert await behind.find(RECIPE) is not None
        assert (await store.withdraw("a-2", None, "0:2")).objects

        left = await behind._objects.keys(storage.bucket, "")
    assert {key.rpartition("/")[0] for key in left} == {"manifests/withdrawn", "manifests", "pictures"}


async def test_keys_that_may_not_delete_are_told_what_that_means(storage: StorageSettings) -> None:
    """`doctor` and `store prepare` say that withdrawals would wait."""
    async with ruled(storage, on_key("probe/", 403, "AccessDenied", method="DELETE")) as (store, _, _):
        (shortcoming,) = await store.examine()

    assert "withdrawals" in shortcoming
