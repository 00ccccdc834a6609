from __future__ import annotations

from consumer.storage import manifest_key, rendition_manifest_key, stored_picture
from consumer.storage.rendition_manifest import files_key
from tests.support.s3_memory import MemoryS3
from tests.support.samples import ASKED, MADE, MASTER, ORDER, RECIPE


async def test_every_recipe_is_in_one_shard() -> None:
    """With its manifest, those of its renditions and their lists of files; probes, index and journals are none."""
    client = MemoryS3()
    await client.store().keep_renditions(await client.store().keep(RECIPE, MASTER, ASKED), ORDER, MADE)
    client.objects |= {"manifests/probe": b"", "manifests/sweep/x.json": b"", f"manifests/ab/{'g' * 64}.json": b""}

    shards = await client.archive().shards()
    found = [of for shard in shards for of in await client.archive().shard(shard)]

    assert shards == sorted({f"manifests/{RECIPE.digest[:2]}/", "manifests/ab/"})
    assert [(of.recipe, of.painted) for of in found] == [(RECIPE.digest, True)]
    key = rendition_manifest_key(stored_picture(RECIPE, MASTER), ORDER)
    listed = files_key(RECIPE.digest, ORDER.digest, MASTER.sha256)
    assert (found[0].renditions, found[0].lists) == ([key], [listed])
    assert found[0].all == [manifest_key(RECIPE.digest), key, listed]
    assert await client.archive().recipe(RECIPE.digest) == found[0]


async def test_long_listings_come_in_pages() -> None:
    """Every key of a prefix is listed, however few a store gives at once."""
    client = MemoryS3()
    keys = [f"manifests/sweep/{number}.json" for number in range(8)]
    client.objects = dict.fromkeys([*keys, "manifests/zz"], b"")

    assert await client.archive().keys("manifests/sweep/") == keys
