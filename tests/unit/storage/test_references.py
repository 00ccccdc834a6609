from __future__ import annotations

from consumer.jobs import Use
from consumer.storage.references import PictureUser, UserRegister, entry_key, reference_key, users_in
from tests.support.s3_memory import MemoryS3

RECIPE = "ab" * 32
USE = Use("Überschrift / 1", "hero")
USER = PictureUser.of(USE)


def register() -> tuple[MemoryS3, UserRegister]:
    client = MemoryS3()
    return client, UserRegister(client.store()._objects, "leadart")


async def test_an_entry_costs_one_call_and_lists_every_object() -> None:
    """One call for a new picture; an attempt with other bytes is added, the same one is not."""
    client, users = register()
    await users.enter(USER, RECIPE, "pictures/aa/a.png")
    assert client.calls == [("PutObject", entry_key(USER, RECIPE))]

    for key in ("pictures/bb/b.png", "pictures/aa/a.png"):
        await users.enter(USER, RECIPE, key)
    assert await users.objects_of(USER, RECIPE) == ("pictures/aa/a.png", "pictures/bb/b.png")


async def test_users_are_found_by_article_by_slot_and_by_recipe() -> None:
    """Keys hold the hash of an article's id, whatever characters it has."""
    client, users = register()
    await users.refer(USE, RECIPE, "pictures/aa/a.png")
    await users.enter(PictureUser(USER.article, "social"), RECIPE, "pictures/aa/a.png")

    assert len(await users.entries(USER.article, None)) == 2
    assert await users.entries(USER.article, "hero") == [(USER, RECIPE)]
    assert await users.referred(RECIPE) == [USER]
    assert await users.name_of(USER, RECIPE) == USE
    assert all(key.isascii() for key in client.objects)


async def test_a_damaged_entry_counts_and_is_written_anew() -> None:
    """Its user must not lose the picture, nor its objects be forgotten from now on."""
    client, users = register()
    client.objects[entry_key(USER, RECIPE)] = b"{"

    assert await users.uses(USER, RECIPE)
    await users.enter(USER, RECIPE, "pictures/aa/a.png")
    assert await users.objects_of(USER, RECIPE) == ("pictures/aa/a.png",)


def test_other_keys_are_no_entries() -> None:
    """Listings may show what somebody else put there."""
    keys = ["manifests/articles/x", reference_key(USER, RECIPE), f"{entry_key(USER, RECIPE)}.old"]

    assert list(users_in([*keys, entry_key(USER, RECIPE)])) == [(USER, RECIPE)]
