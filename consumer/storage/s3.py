"""The `Store` port on S3."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Self

from botocore.exceptions import ClientError

from consumer.errors import Overloaded
from consumer.jobs import FoundPicture, Master, PaintedFor, Recipe, StoredPicture, Use, Withdrawn
from consumer.renditions import EncodedRenditions, RenditionOrder, StoredRendition, StoredRenditions
from consumer.settings import StorageSettings
from consumer.storage.addresses import announced_origin
from consumer.storage.bookkeeping import Bookkeeping
from consumer.storage.client import credentials_end, open_client
from consumer.storage.erasure_lease import Waiting
from consumer.storage.failures import bounded, code
from consumer.storage.manifest import Manifest, manifest_key
from consumer.storage.manifest_files import ManifestFiles
from consumer.storage.masters import MasterFiles, describes
from consumer.storage.objects import StoreObjects
from consumer.storage.picture_index import PictureIndex
from consumer.storage.policy import is_public, public_policy
from consumer.storage.probe import StoreProbe
from consumer.storage.references import article_digest
from consumer.storage.renditions import RenditionFiles
from consumer.storage.withdrawal import Withdrawals
from schemas import Reason

ADDRESSES_END_EARLY = (
    "The store's credentials are temporary, and presigned addresses expire with them, within hours: set "
    "LEADART_STORAGE__PUBLIC_BASE_URL, or use the keys of a user."
)

_UPLOADS = 8  # at once: more of them on a slow line would all exceed the time limit
_DIGEST = re.compile("[0-9a-f]{64}")


class S3Store:
    """The `Store` port on S3: an async context manager that holds one client and its bounded connections.

    Every call but `examine` takes at most `timeout_seconds`, not counting the wait for an upload slot; of
    `keep_renditions`, that holds for each object. Raises only
    `Overloaded`, or `Unstorable` for what is about one picture: too large, or damaged beyond repair. Cancelling is safe
    at any await: at worst it leaves objects without a manifest, which the next attempt uses.
    """

    def __init__(self, settings: StorageSettings, waiting: Waiting | None = None) -> None:
        self._settings = settings
        self._waiting = waiting
        self._seconds = settings.timeout_seconds
        self._pictures = settings.bucket
        self._manifests = settings.manifest_bucket or settings.bucket
        self._uploads = asyncio.Semaphore(_UPLOADS)
        self._stack = AsyncExitStack()
        self._client: Any = None
        self._objects = StoreObjects(None, settings)

    async def __aenter__(self) -> Self:
        self._client = await self._stack.enter_async_context(open_client(self._settings))
        self._objects = StoreObjects(self._client, self._settings)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._stack.aclose()

    async def find(self, recipe: Recipe) -> StoredPicture | None:
        """Return the picture of the manifest; None without a readable one or an object with those bytes."""
        return await self._masters().find(recipe.digest)

    async def keep(self, recipe: Recipe, master: Master, asked: PaintedFor) -> StoredPicture:
        """Store the bytes, then the manifest; return our picture or, if another manifest won, that one's."""
        return await self._masters().keep(recipe, master, asked)

    async def refer(self, picture: StoredPicture, use: Use) -> bool:
        """Enter a user of a picture that was painted for another; return whether the picture is still there."""
        return await self._masters().refer(picture, use)

    async def withdraw(self, article_id: str, slot: str | None, by: str | None = None) -> Withdrawn:
        """Delete what the article, or one of its slots, shows and nobody else does, and tell the purge hook."""
        return await self._withdrawals().withdraw(article_digest(article_id), slot, by)

    async def restore(self, article_id: str, slot: str | None) -> None:
        """Let pictures of the article, or of the slot, be stored again."""
        await self._withdrawals().restore(article_digest(article_id), slot)

    async def look_up(self, picture: str, *, by: Literal["sha256", "recipe"]) -> FoundPicture | None:
        """Return the picture announced with this SHA-256 or recipe; if it was lost since, what was painted instead."""
        if not _DIGEST.fullmatch(picture):  # nothing else is a key
            return None
        async with bounded(self._seconds):
            index = PictureIndex(self._objects, self._manifests)
            digest = picture if by == "recipe" else await index.recipe_of(picture)
            if digest is None:
                return None
            manifest, _ = await ManifestFiles(self._objects, self._manifests).read(manifest_key(digest), Manifest)
            if manifest is None or not describes(manifest, digest):
                return None
            intact = await self._objects.holds(self._pictures, manifest.picture)
            return FoundPicture(manifest.recipe, manifest.stored, manifest.asked, intact)

    async def read(self, picture: StoredPicture) -> bytes | None:
        """Return the picture's bytes; None if the object is gone or has others."""
        async with bounded(self._seconds):
            return await self._objects.body(self._pictures, picture)

    async def find_renditions(self, picture: StoredPicture, order: RenditionOrder) -> StoredRenditions | None:
        """Return what was made for the order; None without a readable manifest or if an object is gone or damaged."""
        return await self._rendition_files().find(picture, order)

    async def keep_renditions(
        self, picture: StoredPicture, order: RenditionOrder, made: EncodedRenditions
    ) -> StoredRenditions | None:
        """Store the files side by side, then their manifest; return what the winning one lists, None if withdrawn."""
        return await self._rendition_files().keep(picture, order, made)

    async def list_renditions(self, picture: StoredPicture) -> list[StoredRendition]:
        """Return what was made of the picture for any order, the latest last."""
        return await self._rendition_files().list_all(picture)

    async def url(self, picture: StoredPicture | StoredRendition) -> tuple[str, datetime | None]:
        """Return the public address, or a presigned one and when it expires, at the latest with the credentials."""
        return await self.address(picture.key)

    async def address(self, key: str, *, head: bool = False) -> tuple[str, datetime | None]:
        """Return where the object of a key can be fetched, as `url` does; with `head`, where only its headers can."""
        base = self._settings.public_base_url
        if base is not None:
            return f"{str(base).rstrip('/')}/{key}", None
        expires = datetime.now(UTC) + timedelta(seconds=self._settings.presigned_seconds)
        async with bounded(self._seconds):
            presigned: str = await self._client.generate_presigned_url(
                "head_object" if head else "get_object",
                Params={"Bucket": self._pictures, "Key": key},
                ExpiresIn=self._settings.presigned_seconds,
            )
            _, end = await credentials_end(self._client)
        return presigned, min(expires, end) if end else expires

    async def opened(self, key: str) -> tuple[int, AsyncIterator[bytes]] | None:
        """Return the size of an object and its bytes, which are to be read to their end; None if it is gone."""
        async with bounded(self._seconds):
            return await self._objects.opened(self._pictures, key)

    async def announced_origin(self) -> str:
        """Return how the announced addresses of pictures begin: the public base URL, or what is presigned for."""
        async with bounded(self._seconds):
            return await announced_origin(self._objects, self._settings)

    async def addresses_end_early(self) -> bool:
        """Return whether addresses are presigned with temporary credentials, which last for hours at most."""
        if self._settings.public_base_url is not None:
            return False
        async with bounded(self._seconds):
            temporary, _ = await credentials_end(self._client)
        return temporary

    async def prepare(self, *, create: bool = False, public: bool = False) -> None:
        """Check that the buckets take pictures and manifests, and support conditional writes. Idempotent.

        With `create`, create missing buckets; with `public`, make pictures (and nothing else) public, unless the bucket
        already has another policy. Raises `Overloaded` with a sentence that says how to fix the problem.
        """
        async with bounded(self._seconds):
            for bucket in dict.fromkeys((self._pictures, self._manifests)):
                if create:
                    await self._create(bucket)
                await self._client.head_bucket(Bucket=bucket)
            if public:
                await self._publish_pictures()
            await self._probe().check()

    async def probe(self) -> None:
        """Overwrite and read an object under each prefix. Raises `Overloaded` or `Unstorable` if that fails."""
        async with bounded(self._seconds):
            await self._probe().overwrite()

    async def examine(self) -> list[str]:
        """Let writers race for keys of a prepared store; return what it lacks without breaking a promise.

        Takes hundreds of small writes and up to two minutes. Raises `Overloaded` if more than one writer wins a key.
        """
        return await self._probe().race()

    def _probe(self) -> StoreProbe:
        return StoreProbe(self._objects, self._pictures, self._manifests)

    def _books(self) -> Bookkeeping:
        return Bookkeeping(self._objects, self._settings, self._waiting)

    def _masters(self) -> MasterFiles:
        return MasterFiles(self._objects, self._pictures, self._books(), self._uploads, self._seconds)

    def _rendition_files(self) -> RenditionFiles:
        return RenditionFiles(self._objects, self._pictures, self._books(), self._uploads, self._seconds)

    def _withdrawals(self) -> Withdrawals:
        return Withdrawals.of(self._objects, self._settings, self._waiting)

    async def _create(self, bucket: str) -> None:
        location = {"LocationConstraint": self._settings.region}
        options = {} if self._settings.region == "us-east-1" else {"CreateBucketConfiguration": location}
        try:
            await self._client.create_bucket(Bucket=bucket, **options)
        except ClientError as error:
            if code(error) not in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}:
                raise

    async def _publish_pictures(self) -> None:
        """Set the policy if there is none: a bucket has only one, and writing it replaces what others wrote."""
        bucket = self._pictures
        try:
            policy = (await self._client.get_bucket_policy(Bucket=bucket))["Policy"]
        except ClientError as error:
            if code(error) != "NoSuchBucketPolicy":
                raise
            await self._client.put_bucket_policy(Bucket=bucket, Policy=public_policy(bucket))
            return
        if not is_public(policy, bucket):
            raise Overloaded(
                Reason.MISCONFIGURED,
                f"the bucket {bucket} has a policy already, which is left unchanged; add this one's statement to it: "
                f"{public_policy(bucket)}",
            )
