"""The renditions half of the `Store` port on S3."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import structlog

from consumer import __version__
from consumer.errors import Unstorable
from consumer.jobs import StoredPicture
from consumer.renditions import EncodedRenditions, Rendition, RenditionOrder, StoredRendition, StoredRenditions
from consumer.storage.bookkeeping import Bookkeeping
from consumer.storage.failures import bounded
from consumer.storage.freshness import Fresh
from consumer.storage.manifest import Manifest, SweptPicture, manifest_key, sweep_key
from consumer.storage.objects import StoreObjects
from consumer.storage.rendition_manifest import (
    FILE_LIST,
    RenditionManifest,
    files_key,
    rendition_manifest_key,
    renditions_prefix,
    stored_renditions,
)
from consumer.storage.side_by_side import all_of
from schemas import Reason

_ROUNDS = 5
_LOOKUPS = 8  # at once for one order, of the client's connections

_log = structlog.get_logger(__name__)


class _MasterGone(Exception):
    """The manifest of the picture is gone, or names another object."""


@dataclass(frozen=True)
class RenditionFiles:
    """Finds and keeps the renditions of masters. `uploads` limits the objects put at once, each for `seconds`."""

    objects: StoreObjects
    pictures: str
    books: Bookkeeping
    uploads: asyncio.Semaphore
    seconds: float

    async def find(self, picture: StoredPicture, order: RenditionOrder) -> StoredRenditions | None:
        """Return what the manifest lists; None without a readable one, or if one of its objects is gone or damaged."""
        async with bounded(self.seconds):
            key = rendition_manifest_key(picture, order)
            manifest, _ = await self.books.files.read(key, RenditionManifest)
            if manifest is None or not await self._stands(manifest, picture, order):
                return None
            return manifest.stored

    async def list_all(self, picture: StoredPicture) -> list[StoredRendition]:
        """Return the renditions of all readable manifests of this master, the latest last."""
        async with bounded(self.seconds):
            keys = await self.books.files.keys(renditions_prefix(picture.recipe))
            read = [await self.books.files.read(key, RenditionManifest) for key in keys if not key.endswith(FILE_LIST)]
        manifests = [found.manifest for found in read if found.manifest and found.manifest.master == picture.sha256]
        return [each for one in sorted(manifests, key=lambda one: one.created) for each in one.renditions]

    async def keep(
        self, picture: StoredPicture, order: RenditionOrder, made: EncodedRenditions
    ) -> StoredRenditions | None:
        """Store the files, then the manifest; return ours or, if another manifest won, what that one lists.

        None, with nothing left of it, if the picture itself is gone: somebody withdrew it.
        """
        stored = stored_renditions(made)
        try:
            for _ in range(_ROUNDS):
                master = await self._master(picture)
                fresh = Fresh(partial(self._require, picture, master))
                kept = await self._put(picture, order, stored, made, fresh)
                async with bounded(self.seconds + self.books.lease_seconds):
                    await self.books.leases.wait_until_free(picture.recipe)
                if await self._master(picture) == master:
                    return kept
        except _MasterGone:
            await self.books.collect(picture.recipe, [each.key for each in stored.renditions])
            return None
        message = f"the renditions of {picture.key} are gone as soon as they are stored: find out what deletes them"
        raise Unstorable(Reason.STORE_UNAVAILABLE, message)

    async def _master(self, picture: StoredPicture) -> datetime:
        """Return when the picture was stored: as long as that is the same, nobody has erased it. Or `_MasterGone`.

        A sweep takes the manifest first, and puts it back when it finds these renditions.
        """
        async with bounded(self.seconds):
            manifest, _ = await self.books.files.read(manifest_key(picture.recipe), Manifest)
            if manifest is not None and manifest.picture.key == picture.key:
                return manifest.created
            swept, _ = await self.books.files.read(sweep_key(picture.recipe), SweptPicture)
        if manifest is None and swept is not None and swept.sha256 == picture.sha256:
            return swept.created
        raise _MasterGone

    async def _require(self, picture: StoredPicture, master: datetime) -> None:
        if await self._master(picture) != master:
            raise _MasterGone

    async def _put(
        self,
        picture: StoredPicture,
        order: RenditionOrder,
        stored: StoredRenditions,
        made: EncodedRenditions,
        fresh: Fresh,
    ) -> StoredRenditions:
        async with self.uploads, bounded(self.seconds):
            await fresh.ensure()
            listed = files_key(picture.recipe, order.digest, picture.sha256)
            await self.books.files.list_objects(listed, [each.key for each in stored.renditions])
        await all_of([self._upload(*each, fresh) for each in zip(stored.renditions, made.renditions, strict=True)])
        manifest = RenditionManifest.of(picture, order, stored, datetime.now(UTC), __version__)
        async with self.uploads, bounded(self.seconds):
            await fresh.ensure()
            key = rendition_manifest_key(picture, order)
            kept = await self.books.files.commit(key, manifest, lambda winner: self._stands(winner, picture, order))
        return kept.stored

    async def _upload(self, stored: StoredRendition, made: Rendition, fresh: Fresh) -> None:
        async with self.uploads, bounded(self.seconds):
            await fresh.ensure()
            await self.objects.keep(self.pictures, stored, made.data)

    async def _stands(self, manifest: RenditionManifest, picture: StoredPicture, order: RenditionOrder) -> bool:
        if not manifest.belongs_to(picture, order):
            _log.warning("manifest_of_another_order", key=rendition_manifest_key(picture, order))
            return False
        return manifest.stored.has_every_set(order) and all(await self._held(manifest.renditions))

    async def _held(self, renditions: Sequence[StoredRendition]) -> list[bool]:
        # Read in full only if the store shows another checksum, or none although it shows others': a dozen of them are
        # announced with every picture.
        held = (self.objects.holds(self.pictures, each, trust_size=True) for each in renditions)
        return await all_of(held, _LOOKUPS)
