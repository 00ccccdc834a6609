"""The in-memory twin of the object store."""

import asyncio
from datetime import datetime

from consumer.errors import Overloaded
from consumer.jobs import Recipe, Rendition, Renditions, StoredPicture, StoredPictures
from consumer.storage import stored_pictures
from schemas import Reason


class MemoryStore:
    """The `Store` port in memory. `down = True` makes every call raise `Overloaded`."""

    def __init__(self) -> None:
        self.objects: dict[str, Rendition] = {}
        self.manifests: dict[str, StoredPictures] = {}
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

    async def find(self, recipe: Recipe) -> StoredPictures | None:
        """Return the pictures that the manifest lists; None without a manifest or when an object is gone."""
        await self._reach()
        pictures = self.manifests.get(recipe.digest)
        return pictures if pictures and self._exist(pictures) else None

    async def keep(self, recipe: Recipe, renditions: Renditions) -> StoredPictures:
        """Store the bytes, then the manifest; return our pictures or, if another manifest won, those it lists."""
        await self._reach()
        pictures = stored_pictures(recipe, renditions)
        for picture, rendition in zip(pictures, renditions, strict=True):
            self.objects[picture.key] = rendition
        await self._reach()
        winner = self.manifests.get(recipe.digest)
        if winner is None or not self._exist(winner):
            winner = self.manifests[recipe.digest] = pictures
        return winner

    async def url(self, picture: StoredPicture) -> tuple[str, datetime | None]:
        """Return an address that does not resolve and never expires."""
        return f"https://pictures.invalid/{picture.key}", None

    def _exist(self, pictures: StoredPictures) -> bool:
        held = {picture: self.objects.get(picture.key) for picture in pictures}
        return all(rendition and rendition.sha256 == picture.sha256 for picture, rendition in held.items())

    async def _reach(self) -> None:
        await asyncio.sleep(0)  # other tasks run here, as they do while a real store responds
        if self.down:
            raise Overloaded(Reason.STORE_UNAVAILABLE, "the store cannot be reached: the test set `down`")
