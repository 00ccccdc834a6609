"""One suite for the `Store` port: the in-memory twin and S3 must pass the same tests."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from consumer.errors import Overloaded, WithdrawnMeanwhile
from consumer.jobs import Adapter, Focus, Master, ModelIdentity, Recipe, StoredPicture, Use
from consumer.ports import WorkerStore
from consumer.renditions import CENTRE, EncodedRenditions, RenditionOrder, StoredRendition, StoredRenditions
from consumer.settings import StorageSettings
from consumer.storage import S3Store, stored_picture
from consumer.storage.checksums import Checksum
from consumer.testing.store import MemoryStore
from schemas import Reason
from tests.support.samples import ASKED, MADE, ORDER
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
HERE, THERE = Use("a-1", "hero"), Use("a-2", "hero")
OTHER = Master(data=b"another", media_type="image/png", width=256, height=256)


class Subject:
    """A store under test, with access to its objects."""

    def __init__(self, store: MemoryStore | S3Store) -> None:
        self.port: WorkerStore = store
        self._store = store

    @property
    def shows_checksums(self) -> bool:
        """Whether the store tells the SHA-256 of an object that it was given with one."""
        return isinstance(self._store, MemoryStore) or self._store._objects.checksum is Checksum.SHA256

    async def keep_renditions(
        self, picture: StoredPicture, order: RenditionOrder, made: EncodedRenditions
    ) -> StoredRenditions:
        """Keep renditions of a picture that is there."""
        kept = await self.port.keep_renditions(picture, order, made)
        assert kept is not None
        return kept

    async def keys(self) -> set[str]:
        """Return the key of every object of a picture."""
        if isinstance(self._store, MemoryStore):
            return set(self._store.objects)
        return set(await self._store._objects.keys(self._store._pictures, "pictures/")) - {"pictures/probe"}

    async def lose(self, picture: StoredPicture | StoredRendition) -> None:
        """Delete the picture's object behind the store's back."""
        if isinstance(self._store, MemoryStore):
            del self._store.objects[picture.key]
        else:
            await self._store._client.delete_object(Bucket=self._store._pictures, Key=picture.key)

    async def damage(self, picture: StoredPicture | StoredRendition) -> None:
        """Change the picture's bytes behind the store's back, but not how many there are."""
        damaged = bytes(255 - byte for byte in b"?" * picture.bytes_)
        if isinstance(self._store, MemoryStore):
            self._store.objects[picture.key] = replace(PICTURE, data=damaged)
        else:
            await self._store._objects.replace(Bucket=self._store._pictures, Key=picture.key, Body=damaged)

    async def holds(self, picture: StoredPicture | StoredRendition) -> bool:
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
    kept = await subject.port.keep(RECIPE, PICTURE, ASKED)

    digest = hashlib.sha256(b"one").hexdigest()
    assert kept.key == f"pictures/{digest[:2]}/{digest}.png"
    assert (kept.sha256, kept.bytes_, kept.media_type) == (digest, 3, "image/png")
    assert (kept.width, kept.height, kept.seed, kept.recipe) == (256, 256, RECIPE.seed, RECIPE.digest)
    assert await subject.port.find(RECIPE) == kept


async def test_a_cut_prompt_is_remembered(subject: Subject) -> None:
    """An event that reuses the picture says of the prompt what the first event said."""
    await subject.port.keep(RECIPE, replace(PICTURE, prompt_cut=True), ASKED)

    found = await subject.port.find(RECIPE)
    assert found is not None
    assert found.prompt_cut


async def test_recipes_stay_apart(subject: Subject) -> None:
    """A recipe that differs in one field has a manifest of its own, even for the same bytes."""
    other = replace(RECIPE, seed=7)
    kept = await subject.port.keep(RECIPE, PICTURE, ASKED)

    assert await subject.port.find(other) is None
    again = await subject.port.keep(other, PICTURE, ASKED)
    assert (again.key, again.seed) == (kept.key, 7)
    assert await subject.port.find(RECIPE) == kept


async def test_keeping_twice_changes_nothing(subject: Subject) -> None:
    """Keeping a picture again, as after a redelivery, returns the same picture."""
    kept = await subject.port.keep(RECIPE, PICTURE, ASKED)

    assert await subject.port.keep(RECIPE, PICTURE, ASKED) == kept


async def test_the_first_manifest_wins(subject: Subject) -> None:
    """A second writer with other bytes announces what the first one stored."""
    first = await subject.port.keep(RECIPE, PICTURE, ASKED)

    assert await subject.port.keep(RECIPE, OTHER, ASKED) == first


async def test_racing_keepers_announce_one_picture(subject: Subject) -> None:
    """Of many concurrent writers with different bytes for one recipe one wins, and all return its picture."""
    renders = [replace(PICTURE, data=b"render %d" % number) for number in range(20)]

    kept = await asyncio.gather(*(subject.port.keep(RECIPE, render, ASKED) for render in renders))

    assert len(set(kept)) == 1
    assert await subject.port.find(RECIPE) == kept[0]
    assert await subject.holds(kept[0])


async def test_a_lost_object_is_not_found(subject: Subject) -> None:
    """A manifest whose object is gone counts as none."""
    await subject.lose(await subject.port.keep(RECIPE, PICTURE, ASKED))

    assert await subject.port.find(RECIPE) is None


@pytest.mark.parametrize("again", [PICTURE, OTHER], ids=["same bytes", "other bytes"])
async def test_a_lost_object_heals(subject: Subject, again: Master) -> None:
    """Painting a lost picture again restores it, with the same bytes or with others."""
    await subject.lose(await subject.port.keep(RECIPE, PICTURE, ASKED))

    healed = await subject.port.keep(RECIPE, again, ASKED)

    assert healed.sha256 == again.sha256
    assert await subject.port.find(RECIPE) == healed
    assert await subject.holds(healed)


@pytest.mark.parametrize("again", [PICTURE, OTHER], ids=["same bytes", "other bytes"])
async def test_a_damaged_object_is_a_lost_picture(subject: Subject, again: Master) -> None:
    """A picture whose bytes are others, though as many, is not found, and painting it again heals it."""
    await subject.damage(await subject.port.keep(RECIPE, PICTURE, ASKED))

    assert await subject.port.find(RECIPE) is None
    healed = await subject.port.keep(RECIPE, again, ASKED)
    assert healed.sha256 == again.sha256
    assert await subject.port.find(RECIPE) == healed
    assert await subject.holds(healed)


async def test_racing_healers_announce_one_picture(subject: Subject) -> None:
    """Of many concurrent writers that restore a lost picture one wins, and all return its picture."""
    await subject.lose(await subject.port.keep(RECIPE, PICTURE, ASKED))
    renders = [replace(PICTURE, data=b"healed %d" % number) for number in range(10)]

    kept = await asyncio.gather(*(subject.port.keep(RECIPE, render, ASKED) for render in renders))

    assert len(set(kept)) == 1
    assert await subject.port.find(RECIPE) == kept[0]


async def test_a_picture_is_looked_up_by_its_names(subject: Subject) -> None:
    """By its SHA-256 or its recipe: recipe, picture with its focus, and what it was asked for come back."""
    kept = await subject.port.keep(RECIPE, replace(PICTURE, focus=Focus(0.25, 1 / 3, 0.1)), ASKED)

    by_bytes = await subject.port.look_up(kept.sha256, by="sha256")
    assert by_bytes == await subject.port.look_up(RECIPE.digest, by="recipe")
    assert by_bytes is not None
    assert (by_bytes.recipe, by_bytes.stored, by_bytes.asked, by_bytes.intact) == (RECIPE, kept, ASKED, True)
    assert by_bytes.stored.focus == Focus(0.25, 1 / 3, 0.1)


@pytest.mark.parametrize("name", ["0" * 64, "", "../manifests/probe", "f" * 63, "\u0661" * 64])
async def test_what_was_never_announced_is_unknown(subject: Subject, name: str) -> None:
    """Names that no picture has, and what is no name at all, find nothing."""
    await subject.port.keep(RECIPE, PICTURE, ASKED)

    assert await subject.port.look_up(name, by="sha256") is None
    assert await subject.port.look_up(name, by="recipe") is None


async def test_a_lost_picture_is_looked_up_to_be_painted_again(subject: Subject) -> None:
    """Its recipe is still known; once painted again, with other bytes, its old name leads to the new picture."""
    lost = await subject.port.keep(RECIPE, PICTURE, ASKED)
    await subject.lose(lost)

    found = await subject.port.look_up(lost.sha256, by="sha256")
    assert found is not None
    assert (found.recipe, found.intact) == (RECIPE, False)
    healed = await subject.port.keep(found.recipe, OTHER, ASKED)
    again = await subject.port.look_up(lost.sha256, by="sha256")
    assert again is not None
    assert (again.stored, again.intact) == (healed, True)


async def test_a_picture_is_read(subject: Subject) -> None:
    """Its bytes as they were kept."""
    assert await subject.port.read(await subject.port.keep(RECIPE, PICTURE, ASKED)) == PICTURE.data


async def test_a_lost_or_damaged_picture_is_not_read(subject: Subject) -> None:
    """Nothing is made of other bytes than were announced."""
    kept = await subject.port.keep(RECIPE, PICTURE, ASKED)
    await subject.damage(kept)
    assert await subject.port.read(kept) is None
    await subject.lose(kept)
    assert await subject.port.read(kept) is None


async def test_kept_renditions_are_found_again(subject: Subject) -> None:
    """Keeping renditions returns everything about them, and finding the order returns the same."""
    picture = await subject.port.keep(RECIPE, PICTURE, ASKED)
    assert await subject.port.find_renditions(picture, ORDER) is None

    kept = await subject.keep_renditions(picture, ORDER, MADE)

    assert [(each.name, each.sha256, each.bytes_) for each in kept.renditions] == [
        (each.name, each.sha256, len(each.data)) for each in MADE.renditions
    ]
    assert (kept.missing, kept.thumbhash, kept.dominant_colour) == (MADE.missing, MADE.thumbhash, MADE.dominant_colour)
    assert await subject.port.find_renditions(picture, ORDER) == kept
    assert all([await subject.holds(each) for each in kept.renditions])


async def test_orders_and_masters_stay_apart(subject: Subject) -> None:
    """Nothing is found for another focal point, nor for a master that was painted again with other bytes."""
    picture = await subject.port.keep(RECIPE, PICTURE, ASKED)
    await subject.keep_renditions(picture, ORDER, MADE)

    assert await subject.port.find_renditions(picture, RenditionOrder(ORDER.sets, CENTRE)) is None
    assert await subject.port.find_renditions(replace(picture, sha256="0" * 64), ORDER) is None
    assert await subject.port.find_renditions(replace(picture, recipe="0" * 64), ORDER) is None


async def test_an_order_of_nothing_is_kept_too(subject: Subject) -> None:
    """No sets, no objects: there is a manifest all the same."""
    picture, nothing = await subject.port.keep(RECIPE, PICTURE, ASKED), replace(ORDER, sets=())
    kept = await subject.keep_renditions(picture, nothing, replace(MADE, renditions=(), missing=()))

    assert kept.renditions == ()
    assert await subject.port.find_renditions(picture, nothing) == kept


async def test_renditions_without_a_file_of_every_set_are_not_found(subject: Subject) -> None:
    """At least one file is made of each set, so a manifest that lists none of one is not announced."""
    picture = await subject.port.keep(RECIPE, PICTURE, ASKED)
    await subject.keep_renditions(picture, ORDER, replace(MADE, renditions=()))

    assert await subject.port.find_renditions(picture, ORDER) is None


async def test_racing_rendition_keepers_announce_the_same(subject: Subject) -> None:
    """Of many writers, with other bytes as of another library version, one wins, and all return what it wrote."""
    picture = await subject.port.keep(RECIPE, PICTURE, ASKED)
    each = MADE.renditions[0]
    versions = [replace(MADE, renditions=(replace(each, data=b"version %d" % number),)) for number in range(8)]

    kept = await asyncio.gather(*(subject.keep_renditions(picture, ORDER, version) for version in versions))

    assert len(set(kept)) == 1
    assert await subject.port.find_renditions(picture, ORDER) == kept[0]
    assert await subject.holds(kept[0].renditions[0])


async def test_lost_renditions_heal(subject: Subject) -> None:
    """If one object is gone none of its order is announced, and keeping it again restores it."""
    picture = await subject.port.keep(RECIPE, PICTURE, ASKED)
    kept = await subject.keep_renditions(picture, ORDER, MADE)
    await subject.lose(kept.renditions[-1])

    assert await subject.port.find_renditions(picture, ORDER) is None
    assert await subject.keep_renditions(picture, ORDER, MADE) == kept
    assert await subject.port.find_renditions(picture, ORDER) == kept


async def test_lost_renditions_heal_with_other_bytes(subject: Subject) -> None:
    """Made anew by another version of a library, they replace what the manifest named."""
    picture = await subject.port.keep(RECIPE, PICTURE, ASKED)
    await subject.lose((await subject.keep_renditions(picture, ORDER, MADE)).renditions[0])
    other = replace(MADE, renditions=(replace(MADE.renditions[0], data=b"other"),))

    healed = await subject.keep_renditions(picture, ORDER, other)

    assert [each.sha256 for each in healed.renditions] == [other.renditions[0].sha256]
    assert await subject.port.find_renditions(picture, ORDER) == healed


async def test_damaged_renditions_heal(subject: Subject) -> None:
    """Where the store shows a checksum, one whose bytes are others, though as many, is made again."""
    picture = await subject.port.keep(RECIPE, PICTURE, ASKED)
    kept = await subject.keep_renditions(picture, ORDER, MADE)
    await subject.damage(kept.renditions[0])

    found = await subject.port.find_renditions(picture, ORDER)
    assert found == (None if subject.shows_checksums else kept)
    assert await subject.keep_renditions(picture, ORDER, MADE) == kept
    assert await subject.holds(kept.renditions[0])


async def test_a_picture_says_whom_it_was_painted_for(subject: Subject) -> None:
    """Whoever keeps it, finds it or looks it up: everybody else has to be referred to."""
    kept = await subject.port.keep(RECIPE, PICTURE, ASKED)

    assert kept.painted_for == ASKED.use == HERE
    assert (await subject.port.keep(RECIPE, PICTURE, replace(ASKED, use=THERE))).painted_for == HERE
    found = await subject.port.look_up(RECIPE.digest, by="recipe")
    assert found is not None
    assert found.stored.painted_for == HERE
    assert await subject.port.refer(kept, THERE)


async def test_what_an_article_shows_is_withdrawn(subject: Subject) -> None:
    """Nothing of it is found, nothing left in the bucket; another article's picture stays; again changes nothing."""
    picture = await subject.port.keep(RECIPE, PICTURE, ASKED)
    files = await subject.keep_renditions(picture, ORDER, MADE)
    other = await subject.port.keep(replace(RECIPE, seed=7), OTHER, replace(ASKED, use=THERE))

    done = await subject.port.withdraw("a-1", None, "0:1")

    assert set(done.objects) == {picture.key, *(each.key for each in files.renditions)}
    assert (set(done.slots), done.shared) == ({"hero"}, 0)
    assert await subject.keys() == {other.key}
    assert await subject.port.find(RECIPE) is None
    assert await subject.port.look_up(picture.sha256, by="sha256") is None
    assert await subject.port.find_renditions(picture, ORDER) is None
    assert await subject.port.find(replace(RECIPE, seed=7)) == other
    assert (await subject.port.withdraw("a-1", None, "0:1")).slots == set()


async def test_a_picture_of_two_articles_stays_until_the_last_goes(subject: Subject) -> None:
    """In either order; it is whole in between, and says whom it belongs to now."""
    for first, last in (("a-1", "a-2"), ("a-2", "a-1")):
        picture = await subject.port.keep(RECIPE, PICTURE, ASKED)
        assert await subject.port.refer(picture, THERE)

        between = await subject.port.withdraw(first, None, f"0:{first}")
        assert (between.objects, between.shared) == ((), 1)
        found = await subject.port.find(RECIPE)
        assert found is not None
        assert found.painted_for == Use(last, "hero")
        assert (await subject.port.withdraw(last, None, f"0:{first}")).objects == (picture.key,)

        assert await subject.keys() == set()
        for article in (first, last):
            await subject.port.restore(article, None)
        await subject.port.withdraw(first, None, f"0:{first}")  # taken back: it does nothing


async def test_a_slot_is_withdrawn_alone(subject: Subject) -> None:
    """What the article shows in another slot stays, the same picture, too."""
    picture = await subject.port.keep(RECIPE, PICTURE, ASKED)
    assert await subject.port.refer(picture, Use("a-1", "social"))
    own = await subject.port.keep(replace(RECIPE, seed=7), OTHER, ASKED)

    done = await subject.port.withdraw("a-1", "hero", "0:1")

    assert (done.objects, set(done.slots), done.shared) == ((own.key,), {"hero"}, 1)
    assert await subject.port.find(RECIPE) is not None
    assert (await subject.port.withdraw("a-1", None, "0:2")).objects == (picture.key,)


async def test_nothing_is_stored_for_what_is_withdrawn(subject: Subject) -> None:
    """Until it is restored: pictures are not kept, users not referred to, renditions of what is gone not kept."""
    picture = await subject.port.keep(RECIPE, PICTURE, ASKED)
    common = await subject.port.keep(replace(RECIPE, seed=7), OTHER, replace(ASKED, use=THERE))
    await subject.port.withdraw("a-1", None, "0:1")

    with pytest.raises(WithdrawnMeanwhile):
        await subject.port.keep(RECIPE, PICTURE, ASKED)
    with pytest.raises(WithdrawnMeanwhile):
        await subject.port.refer(common, HERE)
    assert await subject.port.keep_renditions(picture, ORDER, MADE) is None
    assert not await subject.port.refer(picture, THERE)
    assert await subject.keys() == {common.key}

    await subject.port.restore("a-1", None)
    assert await subject.port.keep(RECIPE, PICTURE, ASKED) == picture
    assert await subject.port.withdraw("a-1", None) == await subject.port.withdraw("a-3", None)
    assert await subject.port.find(RECIPE) == picture


async def test_what_a_dead_worker_left_is_withdrawn_without_an_id(subject: Subject) -> None:
    """As every later request of the article asks for; where nothing is withdrawn, it does nothing."""
    picture = await subject.port.keep(RECIPE, PICTURE, ASKED)
    assert (await subject.port.withdraw("a-1", "hero")).objects == ()
    assert await subject.port.find(RECIPE) == picture


async def test_an_address_ends_in_the_key(subject: Subject) -> None:
    """A picture's address is made from its key."""
    picture = await subject.port.keep(RECIPE, PICTURE, ASKED)
    renditions = await subject.keep_renditions(picture, ORDER, MADE)

    announced: list[StoredPicture | StoredRendition] = [picture, *renditions.renditions]
    for stored in announced:
        address, _ = await subject.port.url(stored)
        assert address.partition("?")[0].endswith(f"/{stored.key}")


async def test_a_store_that_works_passes_its_probe(subject: Subject) -> None:
    """Again and again, whatever is there already."""
    for _ in range(2):
        await subject.port.probe()


async def test_an_unreachable_store_is_overloaded(unreachable: WorkerStore) -> None:
    """Every call soon raises the error that costs no attempt."""
    picture = stored_picture(RECIPE, PICTURE)
    for call in (
        unreachable.find(RECIPE),
        unreachable.keep(RECIPE, PICTURE, ASKED),
        unreachable.look_up(RECIPE.digest, by="recipe"),
        unreachable.read(picture),
        unreachable.find_renditions(picture, ORDER),
        unreachable.keep_renditions(picture, ORDER, MADE),
        unreachable.refer(picture, HERE),
        unreachable.withdraw("a-1", None, "0:1"),
        unreachable.restore("a-1", None),
        unreachable.probe(),
    ):
        with pytest.raises(Overloaded) as caught:
            await asyncio.wait_for(call, 10)
        assert caught.value.reason is Reason.STORE_UNAVAILABLE
        assert "reached" in caught.value.message
