"""The in-memory twin of the object store."""

import asyncio
from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from consumer.errors import Overloaded
from consumer.jobs import FoundPicture, Master, PaintedFor, Recipe, StoredPicture
from consumer.renditions import EncodedRenditions, Rendition, RenditionOrder, StoredRendition, StoredRenditions
from consumer.storage import rendition_manifest_key, stored_picture, stored_renditions
from schemas import Reason


class MemoryStore:
    """The `Store` port in memory. `down = True` makes every call raise `Overloaded`."""

    def __init__(self) -> None:
        self.objects: dict[str, Master | Rendition] = {}
        self.manifests: dict[str, StoredPicture] = {}
        self.asked: dict[str, tuple[Recipe, PaintedFor]] = {}
        self.index: dict[str, str] = {}
        self.rendition_manifests: dict[str, StoredRenditions] = {}
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
        return picture if picture and self._holds(picture) else None

    async def keep(self, recipe: Recipe, master: Master, asked: PaintedFor) -> StoredPicture:
        """Store the bytes, then the manifest; return our picture or, if another manifest won, that one's."""
        await self._reach()
        picture = stored_picture(recipe, master)
        self.objects[picture.key] = master
        self.index.setdefault(picture.sha256, recipe.digest)
        await self._reach()
        winner = self.manifests.get(recipe.digest)
        if winner is None or not self._holds(winner):
            winner = self.manifests[recipe.digest] = picture
            self.asked[recipe.digest] = (recipe, asked)
        return winner

    async def look_up(self, picture: str, *, by: Literal["sha256", "recipe"]) -> FoundPicture | None:
        """Return the picture announced with this SHA-256 or recipe."""
        await self._reach()
        digest = picture if by == "recipe" else self.index.get(picture, "")
        stored = self.manifests.get(digest)
        if stored is None:
            return None
        recipe, asked = self.asked[digest]
        return FoundPicture(recipe, stored, asked, self._holds(stored))

    async def read(self, picture: StoredPicture) -> bytes | None:
        """Return the picture's bytes; None if the object is gone or has others."""
        await self._reach()
        return self.objects[picture.key].data if self._holds(picture) else None

    async def find_renditions(self, picture: StoredPicture, order: RenditionOrder) -> StoredRenditions | None:
        """Return what was made for the order; None without a manifest or when an object is gone."""
        await self._reach()
        stored = self.rendition_manifests.get(rendition_manifest_key(picture, order))
        return stored if stored and stored.has_every_set(order) and self._hold(stored.renditions) else None

    async def keep_renditions(
        self, picture: StoredPicture, order: RenditionOrder, made: EncodedRenditions
    ) -> StoredRenditions:
        """Store the files, then the manifest; return ours or, if another manifest won, what that one lists."""
        stored = stored_renditions(made)
        for each, file in zip(stored.renditions, made.renditions, strict=True):
            await self._reach()
            self.objects[each.key] = file
        await self._reach()
        key = rendition_manifest_key(picture, order)
        winner = self.rendition_manifests.get(key)
        if winner is None or not self._hold(winner.renditions):
            winner = self.rendition_manifests[key] = stored
        return winner

    async def url(self, picture: StoredPicture | StoredRendition) -> tuple[str, datetime | None]:
        """Return an address that does not resolve and never expires."""
        return f"https://pictures.invalid/{picture.key}", None

    def _hold(self, renditions: Iterable[StoredRendition]) -> bool:
        return all(map(self._holds, renditions))

    def _holds(self, stored: StoredPicture | StoredRendition) -> bool:
        held = self.objects.get(stored.key)
        return held is not None and held.sha256 == stored.sha256

    async def _reach(self) -> None:
        await asyncio.sleep(0)  # other tasks run here, as they do while a real store responds
        if self.down:
            raise Overloaded(Reason.STORE_UNAVAILABLE, "the store cannot be reached: the test set `down`")
