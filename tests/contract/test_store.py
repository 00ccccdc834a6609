"""One suite for the `Store` port: the in-memory twin and S3 must pass the same tests."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from consumer.errors import Overloaded
from consumer.jobs import Adapter, Master, ModelIdentity, Recipe, StoredPicture
from consumer.ports import WorkerStore
from consumer.settings import StorageSettings
from consumer.storage import S3Store
from consumer.testing.store import MemoryStore
from schemas import Reason
from tests.support.store_rules import (
    Rule,
    RuledStore,
    bare_etags,
    no_checksum_headers,
    no_checksums_at_all,
    object_lock,
)

RECIPE = Recipe(
    prompt="Storm over the harbour, 油画",
    negative_prompt="text, watermark",
    model=ModelIdentity(name="swatch", sha256="0" * 64),
    adapters=(Adapter("house-line", "a" * 64),),
    width=256,
    height=256,
    steps=12,
    guidance_scale=2.0,
    seed=2**63 - 1,
    style="oil_painting",
    style_version=1,
)
PICTURE = Master(data=b"one", media_type="image/png", width=256, height=256)
OTHER = Master(data=b"another", media_type="image/png", width=256, height=256)


class Subject:
    """A store under test, with access to its objects."""

    def __init__(self, store: MemoryStore | S3Store) -> None:
        self.port: WorkerStore = store
        self._store = store

    async def lose(self, picture: StoredPicture) -> None:
        """Delete the picture's object behind the store's back."""
        if isinstance(self._store, MemoryStore):
            del self._store.objects[picture.key]
        else:
            await self._store._client.delete_object(Bucket=self._store._pictures, Key=picture.key)

    async def damage(self, picture: StoredPicture) -> None:
        """Change the picture's bytes behind the store's back, but not how many there are."""
        damaged = bytes(255 - byte for byte in b"?" * picture.bytes_)
        if isinstance(self._store, MemoryStore):
            self._store.objects[picture.key] = replace(PICTURE, data=damaged)
        else:
            await self._store._objects.replace(Bucket=self._store._pictures, Key=picture.key, Body=damaged)

    async def holds(self, picture: StoredPicture) -> bool:
        """Whether the picture's object is there."""
        if isinstance(self._store, MemoryStore):
            return picture.key in self._store.objects
        return await self._store._objects.holds(self._store._pictures, picture)


RULES: dict[str, Rule] = {
    "no checksum headers": no_checksum_headers,
    "no checksums": no_checksums_at_all,
    "object lock": object_lock,
    "bare ETags": bare_etags,
}


@pytest.fixture(params=["memory", "s3", *RULES])
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    if request.param == "memory":
        yield Subject(MemoryStore())
        return
    async with AsyncExitStack() as stack:
        settings = request.getfixturevalue("storage")
        if rule := RULES.get(request.param):
            settings = (await stack.enter_async_context(RuledStore(settings, rule))).settings
        store = await stack.enter_async_context(S3Store(settings))
        await store.prepare(create=True)
        yield Subject(store)


@pytest.fixture(params=["memory", "s3"])
async def unreachable(request: pytest.FixtureRequest) -> AsyncIterator[WorkerStore]:
    if request.param == "memory":
        store = MemoryStore()
        store.down = True
        yield store
        return
    keys = {"access_key_id": "nobody", "secret_access_key": "nothing"}
    nowhere = StorageSettings.model_validate({"endpoint_url": "http://127.0.0.1:9", **keys})
    async with S3Store(nowhere) as s3_store:
        yield s3_store


async def test_an_unknown_recipe_is_not_found(subject: Subject) -> None:
    """A recipe that was never painted has no picture."""
    assert await subject.port.find(RECIPE) is None


async def test_what_is_kept_is_found_again(subject: Subject) -> None:
    """Keeping a picture returns every fact about it, and finding its recipe returns the same."""
    kept = await subject.port.keep(RECIPE, PICTURE)

    digest = hashlib.sha256(b"one").hexdigest()
    assert kept.key == f"pictures/{digest[:2]}/{digest}.png"
    assert (kept.sha256, kept.bytes_, kept.media_type) == (digest, 3, "image/png")
    assert (kept.width, kept.height, kept.seed, kept.recipe) == (256, 256, RECIPE.seed, RECIPE.digest)
    assert await subject.port.find(RECIPE) == kept


async def test_a_cut_prompt_is_remembered(subject: Subject) -> None:
    """An event that reuses the picture says of the prompt what the first event said."""
    await subject.port.keep(RECIPE, replace(PICTURE, prompt_cut=True))

    found = await subject.port.find(RECIPE)
    assert found is not None
    assert found.prompt_cut


async def test_recipes_stay_apart(subject: Subject) -> None:
    """A recipe that differs in one field has a manifest of its own, even for the same bytes."""
    other = replace(RECIPE, seed=7)
    kept = await subject.port.keep(RECIPE, PICTURE)

    assert await subject.port.find(other) is None
    again = await subject.port.keep(other, PICTURE)
    assert (again.key, again.seed) == (kept.key, 7)
    assert await subject.port.find(RECIPE) == kept


async def test_keeping_twice_changes_nothing(subject: Subject) -> None:
    """Keeping a picture again, as after a redelivery, returns the same picture."""
    kept = await subject.port.keep(RECIPE, PICTURE)

    assert await subject.port.keep(RECIPE, PICTURE) == kept


async def test_the_first_manifest_wins(subject: Subject) -> None:
    """A second writer with other bytes announces what the first one stored."""
    first = await subject.port.keep(RECIPE, PICTURE)

    assert await subject.port.keep(RECIPE, OTHER) == first


async def test_racing_keepers_announce_one_picture(subject: Subject) -> None:
    """Of many concurrent writers with different bytes for one recipe one wins, and all return its picture."""
    renders = [replace(PICTURE, data=b"render %d" % number) for number in range(20)]

    kept = await asyncio.gather(*(subject.port.keep(RECIPE, render) for render in renders))

    assert len(set(kept)) == 1
    assert await subject.port.find(RECIPE) == kept[0]
    assert await subject.holds(kept[0])


async def test_a_lost_object_is_not_found(subject: Subject) -> None:
    """A manifest whose object is gone counts as none."""
    await subject.lose(await subject.port.keep(RECIPE, PICTURE))

    assert await subject.port.find(RECIPE) is None


@pytest.mark.parametrize("again", [PICTURE, OTHER], ids=["same bytes", "other bytes"])
async def test_a_lost_object_heals(subject: Subject, again: Master) -> None:
    """Painting a lost picture again restores it, with the same bytes or with others."""
    await subject.lose(await subject.port.keep(RECIPE, PICTURE))

    healed = await subject.port.keep(RECIPE, again)

    assert healed.sha256 == again.sha256
    assert await subject.port.find(RECIPE) == healed
    assert await subject.holds(healed)


@pytest.mark.parametrize("again", [PICTURE, OTHER], ids=["same bytes", "other bytes"])
async def test_a_damaged_object_is_a_lost_picture(subject: Subject, again: Master) -> None:
    """A picture whose bytes are others, though as many, is not found, and painting it again heals it."""
    await subject.damage(await subject.port.keep(RECIPE, PICTURE))

    assert await subject.port.find(RECIPE) is None
    healed = await subject.port.keep(RECIPE, again)
    assert healed.sha256 == again.sha256
    assert await subject.port.find(RECIPE) == healed
    assert await subject.holds(healed)


async def test_racing_healers_announce_one_picture(subject: Subject) -> None:
    """Of many concurrent writers that restore a lost picture one wins, and all return its picture."""
    await subject.lose(await subject.port.keep(RECIPE, PICTURE))
    renders = [replace(PICTURE, data=b"healed %d" % number) for number in range(10)]

    kept = await asyncio.gather(*(subject.port.keep(RECIPE, render) for render in renders))

    assert len(set(kept)) == 1
    assert await subject.port.find(RECIPE) == kept[0]


async def test_an_address_ends_in_the_key(subject: Subject) -> None:
    """A picture's address is made from its key."""
    picture = await subject.port.keep(RECIPE, PICTURE)

    address, _ = await subject.port.url(picture)

    assert address.partition("?")[0].endswith(f"/{picture.key}")


async def test_a_store_that_works_passes_its_probe(subject: Subject) -> None:
    """Again and again, whatever is there already."""
    for _ in range(2):
        await subject.port.probe()


async def test_an_unreachable_store_is_overloaded(unreachable: WorkerStore) -> None:
    """Every call soon raises the error that costs no attempt."""
    for call in (unreachable.find(RECIPE), unreachable.keep(RECIPE, PICTURE), unreachable.probe()):
        with pytest.raises(Overloaded) as caught:
            await asyncio.wait_for(call, 10)
        assert caught.value.reason is Reason.STORE_UNAVAILABLE
        assert "reached" in caught.value.message
