"""Withdrawing what an article shows: its pictures are deleted unless others use them, and painters that race find out.

A marker comes first: from then on nobody stores a picture of the article. Then every entry of the article goes, with
the picture if it is its last user. Interrupted anywhere, the next call goes on.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Self

from consumer.jobs import Withdrawn
from consumer.settings import StorageSettings
from consumer.storage.addresses import announced_origin
from consumer.storage.bookkeeping import Bookkeeping
from consumer.storage.erasure_lease import Waiting
from consumer.storage.failures import bounded
from consumer.storage.giving_up import GivenUp
from consumer.storage.marker import WithdrawalMarker
from consumer.storage.objects import StoreObjects
from consumer.storage.purging import PurgeHook
from consumer.storage.references import PictureUser
from consumer.storage.side_by_side import all_of

_AT_ONCE = 4


@dataclass(frozen=True)
class Withdrawals:
    """Withdrawals on S3, by the SHA-256 (hex) of an article's id. `origin` tells how announced addresses begin.

    Raises `Overloaded` while the store or the purge hook is down. Cancelling is safe anywhere.
    """

    books: Bookkeeping
    hook: PurgeHook
    origin: Callable[[], Awaitable[str]]
    seconds: float

    @classmethod
    def of(cls, objects: StoreObjects, settings: StorageSettings, waiting: Waiting | None = None) -> Self:
        """Return the withdrawals of a store."""
        origin = partial(announced_origin, objects, settings)
        return cls(Bookkeeping(objects, settings, waiting), PurgeHook(settings), origin, settings.timeout_seconds)

    async def withdraw(self, article: str, slot: str | None, by: str | None) -> Withdrawn:
        """Mark the article, or one of its slots, as withdrawn by that id, and take away what it shows.

        Without an id, only finish what is marked already.
        """
        if by is not None:
            async with bounded(self.seconds):
                await self.books.markers.withdraw(article, slot, by)
        given = await self._give_up_all(article, slot)
        if given and by is not None:  # a painter that was cancelled may have had one more call under way
            given += await self._give_up_all(article, slot)
        if self.hook.configured:
            await self._purge(article)
        objects = dict.fromkeys(key for each in given for key in each.objects)
        slots = frozenset(each.user.slot for each in given)
        return Withdrawn(tuple(objects), slots, sum(each.shared for each in given))

    async def restore(self, article: str, slot: str | None) -> None:
        """Let pictures of the article, or of the slot, be stored again."""
        async with bounded(self.seconds):
            await self.books.markers.restore(article, slot)

    async def _give_up_all(self, article: str, slot: str | None) -> list[GivenUp]:
        async with bounded(self.seconds):
            entries = await self.left(article, slot)
        ended = await all_of([self.books.give_up(user, recipe) for user, recipe in entries], _AT_ONCE)
        return [each for each in ended if each is not None]

    async def left(self, article: str, slot: str | None = None) -> list[tuple[PictureUser, str]]:
        """Return what is entered of withdrawn slots: each user with a recipe."""
        entries = await self.books.users.entries(article, slot)
        marker = await self.books.markers.read(article) if entries else WithdrawalMarker()
        return [(user, recipe) for user, recipe in entries if marker.covers(user.slot)]

    async def _purge(self, article: str) -> None:
        async with bounded(self.seconds):
            marker = await self.books.markers.read(article)
            origin = (await self.origin()).rstrip("/")
        if marker.purge:
            await self.hook.purge([f"{origin}/{key}" for key in marker.purge])
            async with bounded(self.seconds):
                await self.books.markers.purged(article, marker.purge)
