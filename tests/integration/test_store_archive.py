"""`leadart store index` and `store sweep` on a real store, and on stores with rules of their own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from consumer.jobs import Master, PaintedFor, StoredPicture
from consumer.renditions import CENTRE, RenditionOrder, RenditionSet
from consumer.settings import StorageSettings
from consumer.storage import Manifest, S3Store, manifest_key
from consumer.storage.picture_index import index_key
from tests.support.samples import MADE, RECIPE
from tests.support.store_rules import Rule, RuledStore, bare_etags, no_checksums_at_all, object_lock

BOUND = 60.0
OFFER = PaintedFor("A drawing", 0, 3)
THUMBS = RenditionOrder((RenditionSet("thumb", None, (320,), ()),), CENTRE)
FULL = RenditionOrder((*THUMBS.sets, RenditionSet("hero", (16, 9), (640,), ())), CENTRE)


def environment(storage: StorageSettings) -> dict[str, str]:
    assert storage.secret_access_key is not None
    return {
        **os.environ,
        "LEADART_STORAGE__ENDPOINT_URL": str(storage.endpoint_url),
        "LEADART_STORAGE__BUCKET": storage.bucket,
        "LEADART_STORAGE__MANIFEST_BUCKET": storage.manifest_bucket or storage.bucket,
        "LEADART_STORAGE__ACCESS_KEY_ID": storage.access_key_id or "",
        "LEADART_STORAGE__SECRET_ACCESS_KEY": storage.secret_access_key.get_secret_value(),
    }


async def started(storage: StorageSettings, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "consumer", "store", *arguments),
        env=environment(storage),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def ran(storage: StorageSettings, *arguments: str) -> str:
    """Run `leadart store` to its end; return what it printed."""
    process = await started(storage, *arguments)
    out, errors = await asyncio.wait_for(process.communicate(), BOUND)
    assert process.returncode == 0, errors.decode()
    return out.decode()


async def told(storage: StorageSettings, *arguments: str) -> Mapping[str, object]:
    """Run `leadart store` with --json; return what it said."""
    facts: Mapping[str, object] = json.loads(await ran(storage, *arguments, "--json"))
    return facts


async def paint(store: S3Store, seed: int, *, full: bool = False) -> StoredPicture:
    """Keep a picture of three, painted 31 days ago, with its thumb."""
    data = b"master %d" % seed
    picture = await store.keep(replace(RECIPE, seed=seed), Master(data, "image/png", 8, 8), OFFER)
    key = manifest_key(picture.recipe)
    found = await store._objects.text(store._manifests, key)
    assert found is not None
    old = {"created": datetime.now(UTC) - timedelta(days=31)}
    text = Manifest.model_validate_json(found[0]).model_copy(update=old).model_dump_json().encode()
    await store._objects.replace(Bucket=store._manifests, Key=key, Body=text)
    for order in (THUMBS, FULL)[: 1 + full]:
        files = (replace(MADE.renditions[0], data=b"%d sets of %s" % (len(order.sets), data)),)
        await store.keep_renditions(picture, order, replace(MADE, renditions=files))
    return picture


async def everything(store: S3Store) -> set[str]:
    """Return the keys in both buckets."""
    buckets = {store._pictures, store._manifests}
    return {key for bucket in buckets for key in await store._objects.keys(bucket, "")}


RULES: dict[str, Rule | None] = {
    "SeaweedFS": None,
    "no checksums": no_checksums_at_all,
    "object lock": object_lock,
    "bare ETags": bare_etags,
}


@pytest.mark.parametrize("which", RULES)
async def test_a_sweep_on_every_kind_of_store(storage: StorageSettings, which: str) -> None:
    """The dry run says what the run does; nothing is left of what nobody chose, and the chosen picture is whole."""
    own = storage.model_copy(update={"manifest_bucket": f"{storage.bucket}-m"})
    rule = RULES[which] or object_lock
    async with S3Store(own) as behind, RuledStore(own, rule) as proxy:
        await behind.prepare(create=True)
        chosen = await paint(behind, 0, full=True)
        before = await everything(behind)
        for seed in (1, 2):
            await paint(behind, seed)

        dry = await told(proxy.settings, "sweep", "--unchosen")
        applied = await told(proxy.settings, "sweep", "--unchosen", "--apply", "--grace", "0s")

        assert await everything(behind) == before
        assert await behind.find(replace(RECIPE, seed=0)) == chosen
    assert (dry["dry_run"], applied["dry_run"]) == (True, False)
    figures = ("pictures", "objects", "bytes", "found")
    assert [dry[name] for name in figures] == [applied[name] for name in figures]
    assert (applied["pictures"], applied["objects"]) == (2, 4)


async def test_a_sweep_that_was_killed_is_finished_by_the_next(storage: StorageSettings) -> None:
    """Killed in its grace, between manifests and objects: the pictures wait in the journal, and a dry run says so."""
    async with S3Store(storage) as store:
        await store.prepare(create=True)
        before = await everything(store)
        picture = await paint(store, 1)
        process = await started(storage, "sweep", "--unchosen", "--apply", "--grace", "1h")
        async with asyncio.timeout(BOUND):
            while await store.find(replace(RECIPE, seed=1)):
                await asyncio.sleep(0.05)
            process.send_signal(signal.SIGKILL)
            await process.communicate()
        assert await store.read(picture) is not None

        dry = await ran(storage, "sweep", "--unchosen")
        done = await ran(storage, "sweep", "--unchosen", "--apply", "--grace", "0s")

        assert await everything(store) == before
    assert "1 pictures of an interrupted run wait to be finished with --apply" in dry
    assert "deleted 1 of 0 pictures: 2 objects" in done


async def test_an_archive_of_before_is_indexed(storage: StorageSettings) -> None:
    """A dry run counts what is missing; afterwards each picture is looked up by its SHA-256."""
    async with S3Store(storage) as store:
        await store.prepare(create=True)
        pictures = [await paint(store, seed) for seed in range(3)]
        await store._objects.delete(storage.bucket, [index_key(picture.sha256) for picture in pictures[:2]])

        dry = await ran(storage, "index", "--dry-run")
        assert await store.look_up(pictures[0].sha256, by="sha256") is None
        written = await told(storage, "index")
        found = [await store.look_up(picture.sha256, by="sha256") for picture in pictures]

    assert "3 pictures, 2 index entries missing" in dry
    assert written == {"dry_run": False, "pictures": 3, "missing": 2, "unreadable": 0}
    assert [each and each.stored for each in found] == pictures
