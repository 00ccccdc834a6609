"""The renditions half of the `Store` port on S3."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import structlog

from consumer import __version__
from consumer.jobs import StoredPicture
from consumer.renditions import EncodedRenditions, Rendition, RenditionOrder, StoredRendition, StoredRenditions
from consumer.storage.failures import bounded
from consumer.storage.manifest_files import ManifestFiles
from consumer.storage.objects import StoreObjects
from consumer.storage.rendition_manifest import RenditionManifest, rendition_manifest_key, stored_renditions
from consumer.storage.side_by_side import all_of

_LOOKUPS = 8  # at once for one order, of the client's connections

_log = structlog.get_logger(__name__)


class RenditionFiles:
    """Finds and keeps the renditions of masters. `uploads` limits the objects put at once, each for `seconds`."""

    def __init__(
        self, objects: StoreObjects, pictures: str, manifests: str, uploads: asyncio.Semaphore, seconds: float
    ) -> None:
        self._objects = objects
        self._pictures = pictures
        self._manifests = ManifestFiles(objects, manifests)
        self._uploads = uploads
        self._seconds = seconds

    async def find(self, picture: StoredPicture, order: RenditionOrder) -> StoredRenditions | None:
        """Return what the manifest lists; None without a readable one, or if one of its objects is gone or damaged."""
        async with bounded(self._seconds):
            key = rendition_manifest_key(picture, order)
            manifest, _ = await self._manifests.read(key, RenditionManifest)
            if manifest is None or not await self._stands(manifest, picture, order):
                return None
            return manifest.stored

    async def keep(self, picture: StoredPicture, order: RenditionOrder, made: EncodedRenditions) -> StoredRenditions:
        """Store the files, then the manifest; return ours or, if another manifest won, what that one lists."""
        stored = stored_renditions(made)
        await all_of(map(self._upload, stored.renditions, made.renditions))
        manifest = RenditionManifest.of(picture, order, stored, datetime.now(UTC), __version__)
        async with self._uploads, bounded(self._seconds):
            key = rendition_manifest_key(picture, order)
            kept = await self._manifests.commit(key, manifest, lambda winner: self._stands(winner, picture, order))
        return kept.stored

    async def _upload(self, stored: StoredRendition, made: Rendition) -> None:
        async with self._uploads, bounded(self._seconds):
            await self._objects.keep(self._pictures, stored, made.data)

    async def _stands(self, manifest: RenditionManifest, picture: StoredPicture, order: RenditionOrder) -> bool:
        if not manifest.belongs_to(picture, order):
            _log.warning("manifest_of_another_order", key=rendition_manifest_key(picture, order))
            return False
        return manifest.stored.has_every_set(order) and all(await self._held(manifest.renditions))

    async def _held(self, renditions: Sequence[StoredRendition]) -> list[bool]:
        # Read in full only if the store shows another checksum, or none although it shows others': a dozen of them are
        # announced with every picture.
        held = (self._objects.holds(self._pictures, each, trust_size=True) for each in renditions)
        return await all_of(held, _LOOKUPS)
