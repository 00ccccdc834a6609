"""Who uses the pictures of an archive, and what withdrawn articles have left in it."""

from collections.abc import AsyncIterator

from consumer.jobs import Use
from consumer.storage.archive.contents import AT_ONCE, Archive
from consumer.storage.marker import WITHDRAWN
from consumer.storage.references import PictureUser, entry_key, reference_key
from consumer.storage.side_by_side import all_of


async def used_by_others(archive: Archive, recipe: str, own: Use | None) -> bool:
    """Return whether anybody shows a picture but the user that its manifest names."""
    async with archive.bounded():
        users = [each for each in await archive.users.referred(recipe) if own is None or each != PictureUser.of(own)]
        return any(await all_of([archive.users.uses(each, recipe) for each in users], AT_ONCE))


async def keys_of_users(archive: Archive, recipe: str, own: Use | None) -> list[str]:
    """Return what tells of the users of a picture that is gone: references, then entries."""
    async with archive.bounded():
        referred = await archive.users.referred(recipe)
    users = dict.fromkeys([*referred, *([PictureUser.of(own)] if own is not None else [])])
    return [*(reference_key(user, recipe) for user in referred), *(entry_key(user, recipe) for user in users)]


async def left_of_withdrawn(archive: Archive) -> AsyncIterator[tuple[str, int]]:
    """Yield the digest of each withdrawn article of which pictures are left, and how many: a worker died over it."""
    for key in await archive.keys(WITHDRAWN):
        article = key.removeprefix(WITHDRAWN).removesuffix(".json")
        async with archive.bounded():
            left = await archive.withdrawals.left(article)
        if left:
            yield article, len(left)
