"""The masters' half of the `Store` port on S3: pictures by their recipes, and who uses them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from consumer import __version__
from consumer.errors import Unstorable, WithdrawnMeanwhile
from consumer.jobs import Master, PaintedFor, Recipe, StoredPicture, Use
from consumer.storage.bookkeeping import Bookkeeping
from consumer.storage.failures import bounded
from consumer.storage.freshness import Fresh
from consumer.storage.manifest import Manifest, manifest_key, stored_picture
from consumer.storage.objects import StoreObjects
from consumer.storage.references import PictureUser
from consumer.storage.side_by_side import all_of
from schemas import Reason

_ROUNDS = 5

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class MasterFiles:
    """Finds and keeps masters. `uploads` limits the objects put at once, each for `seconds`."""

    objects: StoreObjects
    pictures: str
    books: Bookkeeping
    uploads: asyncio.Semaphore
    seconds: float

    async def find(self, recipe: str) -> StoredPicture | None:
        """Return the picture of the manifest; None without a readable one or an object with those bytes."""
        async with bounded(self.seconds):
            return await self._found(recipe)

    async def keep(self, recipe: Recipe, master: Master, asked: PaintedFor) -> StoredPicture:
        """Store the bytes, then the manifest; return our picture or, if another manifest won, that one's.

        Ends with what others find: somebody else's withdrawal may have deleted meanwhile what was put. Raises
        `WithdrawnMeanwhile`, with nothing left of it, if the user is withdrawn.
        """
        async with self._for(asked.use, recipe.digest, stored_picture(recipe, master).key):
            for _ in range(_ROUNDS):
                async with self.uploads, bounded(self.seconds):
                    kept = await self._put(recipe, master, asked)
                found = await self._seen_by_all(asked.use, recipe.digest)
                if found is not None and found.sha256 == kept.sha256:
                    return found
        gone = f"the picture of {manifest_key(recipe.digest)} is gone as soon as it is stored"
        raise Unstorable(Reason.STORE_UNAVAILABLE, f"{gone}: find out what deletes it")

    async def refer(self, picture: StoredPicture, use: Use) -> bool:
        """Enter a user of a picture that was painted for another; return whether the picture is still there.

        Raises `WithdrawnMeanwhile`, with nothing left of it, if the user is withdrawn.
        """
        async with self._for(use, picture.recipe, picture.key):
            async with bounded(self.seconds):
                await self._require(use)
                await self.books.users.refer(use, picture.recipe, picture.key)
            found = await self._seen_by_all(use, picture.recipe)
        return found is not None and found.key == picture.key

    @asynccontextmanager
    async def _for(self, use: Use | None, recipe: str, key: str) -> AsyncIterator[None]:
        """Take the picture from its user again if the block finds that it is withdrawn."""
        try:
            yield
        except WithdrawnMeanwhile:
            if use is not None:
                await self.books.give_up(PictureUser.of(use), recipe, [key])
            raise

    async def _put(self, recipe: Recipe, master: Master, asked: PaintedFor) -> StoredPicture:
        picture, digest = stored_picture(recipe, master), recipe.digest
        manifest = Manifest(recipe=recipe, picture=picture, asked=asked, created=datetime.now(UTC), leadart=__version__)
        fresh = Fresh(lambda: self._require(asked.use))
        await all_of([fresh.ensure(), self._enter(asked.use, picture)])
        await fresh.ensure()
        await self.objects.keep(self.pictures, picture, master.data)
        await self.books.index.add(picture.sha256, digest)
        await fresh.ensure()
        kept = await self.books.files.commit(manifest_key(digest), manifest, lambda winner: self._takes(winner, digest))
        return kept.stored

    async def _enter(self, use: Use | None, picture: StoredPicture) -> None:
        if use is not None:
            await self.books.users.enter(PictureUser.of(use), picture.recipe, picture.key)

    async def _require(self, use: Use | None) -> None:
        if use is not None and await self.books.markers.covers(PictureUser.of(use)):
            raise WithdrawnMeanwhile

    async def _seen_by_all(self, use: Use | None, recipe: str) -> StoredPicture | None:
        """Return what is found once nobody erases it: whoever begins to from now on sees this user."""
        async with bounded(self.seconds + self.books.lease_seconds):
            await all_of([self.books.leases.wait_until_free(recipe), self._require(use)])
            return await self._found(recipe)

    async def _found(self, recipe: str) -> StoredPicture | None:
        manifest, _ = await self.books.files.read(manifest_key(recipe), Manifest)
        return manifest.stored if manifest is not None and await self._stands(manifest, recipe) else None

    async def _takes(self, winner: Manifest, recipe: str) -> bool:
        """Return whether another's manifest stands. If not it is replaced, and its user has to be referred to."""
        if await self._stands(winner, recipe):
            return True
        if winner.use is not None and await self.books.users.uses(PictureUser.of(winner.use), recipe):
            await self.books.users.add_reference(winner.use, recipe)
        return False

    async def _stands(self, manifest: Manifest, recipe: str) -> bool:
        """Return whether the manifest may be announced for the recipe of that digest."""
        return describes(manifest, recipe) and await self.objects.holds(self.pictures, manifest.picture)


def describes(manifest: Manifest, recipe: str) -> bool:
    """Return whether it is the manifest of the recipe with that digest."""
    if manifest.picture.recipe == recipe:
        return True
    _log.warning("manifest_of_another_recipe", key=manifest_key(recipe))
    return False
