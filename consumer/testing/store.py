"""The in-memory twin of the object store."""

import asyncio
from datetime import datetime

from consumer.errors import Overloaded
from consumer.jobs import Master, Recipe, StoredPicture
from consumer.storage import stored_picture
from schemas import Reason


class MemoryStore:
    """The `Store` port in memory. `down = True` makes every call raise `Overloaded`."""

    def __init__(self) -> None:
        self.objects: dict[str, Master] = {}
        self.manifests: dict[str, StoredPicture] = {}
        self.down = False

    async def prepare(self) -> None:
        """Find nothing to check but whether it is up."""
        await self._reach()

    async def probe(self) -> None:
        """Find out whether it is up."""
        await self._reach()

    async def addresses_end_early(self) -> bool:
        """Return False: they never end."""
        return False

    async def find(self, recipe: Recipe) -> StoredPicture | None:
        """Return the picture of the manifest; None without a manifest or when its object is gone."""
        await self._reach()
        picture = self.manifests.get(recipe.digest)
        return picture if picture and self._exists(picture) else None

    async def keep(self, recipe: Recipe, master: Master) -> StoredPicture:
        """Store the bytes, then the manifest; return our picture or, if another manifest won, that one's."""
        await self._reach()
        picture = stored_picture(recipe, master)
        self.objects[picture.key] = master
        await self._reach()
        winner = self.manifests.get(recipe.digest)
        if winner is None or not self._exists(winner):
            winner = self.manifests[recipe.digest] = picture
        return winner

    async def url(self, picture: StoredPicture) -> tuple[str, datetime | None]:
        """Return an address that does not resolve and never expires."""
        return f"https://pictures.invalid/{picture.key}", None

    def _exists(self, picture: StoredPicture) -> bool:
        held = self.objects.get(picture.key)
        return held is not None and held.sha256 == picture.sha256

    async def _reach(self) -> None:
        await asyncio.sleep(0)  # other tasks run here, as they do while a real store responds
        if self.down:
            raise Overloaded(Reason.STORE_UNAVAILABLE, "the store cannot be reached: the test set `down`")
