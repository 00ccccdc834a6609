from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from consumer.errors import Overloaded
from consumer.jobs import StoredPicture
from consumer.storage import RenditionManifest, rendition_manifest_key, stored_picture
from consumer.storage.rendition_manifest import files_key
from tests.support.s3_memory import MemoryS3
from tests.support.samples import ASKED, MADE, MASTER, ORDER, RECIPE

TWELVE = replace(
    MADE, renditions=tuple(replace(MADE.renditions[0], name=f"hero-{n}", data=b"%d" % n) for n in range(12))
)
PICTURE = stored_picture(RECIPE, MASTER)
KEY = rendition_manifest_key(PICTURE, ORDER)


async def _kept(client: MemoryS3) -> StoredPicture:
    return await client.store().keep(RECIPE, MASTER, ASKED)


async def test_a_store_that_fails_in_the_middle_leaves_no_manifest() -> None:
    """Of twelve uploads one fails: nothing is announced, and the next attempt uses what the others left."""
    client = MemoryS3()
    picture = await _kept(client)
    uploads = 0

    def fails(operation: str, key: str) -> int:
        nonlocal uploads
        uploads += operation == "PutObject" and key.startswith("pictures/")
        return 503 if uploads == 7 else 0

    client.fails = fails
    with pytest.raises(Overloaded, match="SlowDown"):
        await client.store().keep_renditions(picture, ORDER, TWELVE)
    left = [key for key in client.objects if key.startswith("pictures/")]
    assert KEY not in client.objects
    assert await client.store().find_renditions(picture, ORDER) is None

    kept = await client.store().keep_renditions(picture, ORDER, TWELVE)

    assert kept is not None
    assert len(kept.renditions) == 12
    assert client.objects.keys() >= {each.key for each in kept.renditions} | set(left)
    assert await client.store().find_renditions(picture, ORDER) == kept


async def test_the_manifest_is_written_last() -> None:
    """After the list of the files and the files: whoever dies before leaves nothing that is announced or forgotten."""
    client = MemoryS3()
    picture = await _kept(client)
    client.calls.clear()

    kept = await client.store().keep_renditions(picture, ORDER, TWELVE)

    assert kept is not None
    assert client.calls[0] == ("PutObject", files_key(RECIPE.digest, ORDER.digest, MASTER.sha256))
    assert {key for _, key in client.calls[1:-1]} == {each.key for each in kept.renditions}
    assert client.calls[-1] == ("PutObject", KEY)


@pytest.mark.parametrize(
    "left_by", [b"{", b"\xff\xfe", b'{"format": 2}', b""], ids=["torn", "binary", "newer", "empty"]
)
async def test_an_unreadable_manifest_is_replaced(left_by: bytes) -> None:
    """A manifest that cannot be read counts as none, and the next one replaces it."""
    client = MemoryS3()
    picture = await _kept(client)
    client.objects[KEY] = left_by

    assert await client.store().find_renditions(picture, ORDER) is None
    kept = await client.store().keep_renditions(picture, ORDER, MADE)
    assert await client.store().find_renditions(picture, ORDER) == kept


async def test_the_manifest_of_another_order_is_replaced() -> None:
    """What lies under an order's key but describes another, as after a mixed-up restore, is not announced."""
    client = MemoryS3()
    picture = await _kept(client)
    other = replace(ORDER, crops={})
    await client.store().keep_renditions(picture, other, replace(MADE, thumbhash="other"))
    client.objects[KEY] = client.objects[rendition_manifest_key(picture, other)]

    assert await client.store().find_renditions(picture, ORDER) is None
    kept = await client.store().keep_renditions(picture, ORDER, MADE)
    assert kept is not None
    assert kept.thumbhash == MADE.thumbhash
    assert await client.store().find_renditions(picture, ORDER) == kept


async def test_a_manifest_without_the_files_of_a_set_is_replaced() -> None:
    """Every set has at least one file, so nothing is announced with less."""
    client = MemoryS3()
    picture = await _kept(client)
    await client.store().keep_renditions(picture, ORDER, replace(MADE, renditions=()))

    assert await client.store().find_renditions(picture, ORDER) is None
    kept = await client.store().keep_renditions(picture, ORDER, MADE)
    assert kept is not None
    assert kept.renditions
    assert await client.store().find_renditions(picture, ORDER) == kept


class ForgetfulS3(MemoryS3):
    """A client that shows the checksums of only those objects for which it was given one."""

    def __init__(self, *without: str) -> None:
        super().__init__()
        self.without = set(without)

    async def head_object(self, **request: Any) -> dict[str, Any]:
        answer = await super().head_object(**request)
        if request["Key"] in self.without:
            del answer["ResponseMetadata"]["HTTPHeaders"]["x-amz-checksum-sha256"]
        return answer


async def test_an_object_that_alone_shows_no_checksum_is_read() -> None:
    """Somebody else put it there: the right size says nothing about its bytes."""
    client = ForgetfulS3()
    store, picture = client.store(), await _kept(client)
    kept = await store.keep_renditions(picture, ORDER, MADE)
    assert kept is not None
    damaged = kept.renditions[0]
    client.objects[damaged.key] = b"z" * damaged.bytes_
    client.without = {damaged.key}

    assert (await client.store().look_up(picture.recipe, by="recipe")) is not None
    assert await store.find_renditions(picture, ORDER) is not None, "this store has shown none so far"
    assert (await store.look_up(picture.recipe, by="recipe")) is not None
    assert await store.find_renditions(picture, ORDER) is None


async def test_a_manifest_says_what_was_ordered() -> None:
    """The names of the sets, the focal point and the crops: a sweep and a person can read it."""
    client = MemoryS3()
    await client.store().keep_renditions(await _kept(client), ORDER, MADE)

    manifest = RenditionManifest.model_validate_json(client.objects[KEY])

    assert (manifest.recipe, manifest.master, manifest.order) == (RECIPE.digest, MASTER.sha256, ORDER.digest)
    assert (manifest.sets, manifest.focal_point, manifest.crops) == (("hero",), ORDER.focal_point, ORDER.crops)


class CountingS3(MemoryS3):
    """A client that counts how many look-ups of objects go on at once."""

    def __init__(self) -> None:
        super().__init__()
        self.looking, self.most, self.looks = 0, 0, 0
        self.answers = True

    async def head_object(self, **request: Any) -> dict[str, Any]:
        self.looking, self.looks = self.looking + 1, self.looks + 1
        self.most = max(self.most, self.looking)
        if not self.answers:
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        self.looking -= 1
        return await super().head_object(**request)


async def test_renditions_are_looked_up_side_by_side_in_bounds() -> None:
    """One look-up for each file, several at once, and never all of a large set."""
    client = CountingS3()
    picture = await _kept(client)
    await client.store().keep_renditions(picture, ORDER, TWELVE)
    client.looks = client.most = 0

    assert await client.store().find_renditions(picture, ORDER)
    assert client.looks == 12
    assert 1 < client.most <= 8


async def test_a_look_up_that_is_not_answered_ends_in_time() -> None:
    """However many files there are, the whole call takes `timeout_seconds`, and leaves no look-up behind."""
    client = CountingS3()
    picture = await _kept(client)
    await client.store().keep_renditions(picture, ORDER, TWELVE)
    client.answers = False
    store = client.store()
    store._seconds = 0.05

    with pytest.raises(Overloaded, match="no answer within"):
        await asyncio.wait_for(store.find_renditions(picture, ORDER), 5)
