from __future__ import annotations

from dataclasses import replace

from consumer.jobs import Use
from consumer.storage.archive.users import keys_of_users, left_of_withdrawn, used_by_others
from consumer.storage.references import PictureUser, article_digest, entry_key, reference_key
from tests.support.s3_memory import MemoryS3
from tests.support.samples import ASKED, MASTER, RECIPE

OTHER = Use("a-2", "hero")


async def test_a_reference_counts_while_its_user_has_an_entry() -> None:
    """The manifest's own user is no other one."""
    client = MemoryS3()
    picture = await client.store().keep(RECIPE, MASTER, ASKED)
    archive = client.archive()
    assert not await used_by_others(archive, RECIPE.digest, ASKED.use)

    await client.store().refer(picture, OTHER)
    assert await used_by_others(archive, RECIPE.digest, ASKED.use)

    await archive.delete([entry_key(PictureUser.of(OTHER), RECIPE.digest)])
    assert not await used_by_others(archive, RECIPE.digest, ASKED.use)


async def test_what_tells_of_users_is_found() -> None:
    """References first: an entry is deleted last."""
    client = MemoryS3()
    await client.store().refer(await client.store().keep(RECIPE, MASTER, ASKED), OTHER)
    assert ASKED.use is not None

    keys = await keys_of_users(client.archive(), RECIPE.digest, ASKED.use)

    users = [PictureUser.of(OTHER), PictureUser.of(ASKED.use)]
    assert keys == [reference_key(users[0], RECIPE.digest), *(entry_key(user, RECIPE.digest) for user in users)]


async def test_what_a_withdrawn_article_left_is_counted() -> None:
    """Only what its marker covers."""
    client = MemoryS3()
    store = client.store()
    await store.withdraw("a-1", "hero", "0:1")
    await store.keep(RECIPE, MASTER, replace(ASKED, use=OTHER))
    client.objects[entry_key(PictureUser.of(Use("a-1", "hero")), RECIPE.digest)] = b"{}"
    client.objects[entry_key(PictureUser.of(Use("a-1", "social")), RECIPE.digest)] = b"{}"

    found = [each async for each in left_of_withdrawn(client.archive())]

    assert found == [(article_digest("a-1"), 1)]
