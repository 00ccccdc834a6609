"""The in-memory twin of the object store."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from consumer.errors import Overloaded
from consumer.storage import stored_picture
from schemas import Reason

if TYPE_CHECKING:
    from datetime import datetime

    from consumer.jobs import Recipe, Rendition, StoredPicture


class MemoryStore:
    """The `Store` port in dictionaries. `down = True` makes every call raise `Overloaded`, as a dead store does."""

    def __init__(self) -> None:
        self.objects: dict[str, Rendition] = {}
        self.manifests: dict[str, StoredPicture] = {}
        self.down = False

    async def find(self, recipe: Recipe) -> StoredPicture | None:
        """Return what the recipe's manifest says, or None when there is none or its object is gone."""
        await self._reach()
        picture = self.manifests.get(recipe.digest)
        return picture if picture and picture.key in self.objects else None

    async def keep(self, recipe: Recipe, rendition: Rendition) -> StoredPicture:
        """Store the bytes, then the manifest; return our picture or, if another manifest won, its picture."""
        await self._reach()
        picture = stored_picture(recipe, rendition)
        self.objects.setdefault(picture.key, rendition)
        await self._reach()
        winner = self.manifests.get(recipe.digest)
        if winner is None or winner.key not in self.objects:
            winner = self.manifests[recipe.digest] = picture
        return winner

    async def url(self, picture: StoredPicture) -> tuple[str, datetime | None]:
        """Return an address that leads nowhere and does not expire."""
        return f"https://pictures.invalid/{picture.key}", None

    async def _reach(self) -> None:
        await asyncio.sleep(0)  # others get their turn here, as they do while a real store answers
        if self.down:
            raise Overloaded(Reason.STORE_UNAVAILABLE, "the store cannot be reached: it was told to be down")
