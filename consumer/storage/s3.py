"""The `Store` port on S3."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import structlog
from botocore.exceptions import ClientError
from pydantic import ValidationError

from consumer import __version__
from consumer.errors import Overloaded, Unstorable
from consumer.jobs import Master, Recipe, StoredPicture
from consumer.settings import StorageSettings
from consumer.storage.client import credentials_end, open_client
from consumer.storage.failures import bounded, code
from consumer.storage.manifest import PICTURES, Manifest, manifest_key, stored_picture
from consumer.storage.objects import NEW, StoreObjects, manifest_arguments, picture_arguments, unchanged
from consumer.storage.policy import is_public, public_policy
from consumer.storage.probe import StoreProbe
from schemas import Reason

ADDRESSES_END_EARLY = (
    "The store's credentials are temporary, and presigned addresses expire with them, within hours: set "
    "LEADART_STORAGE__PUBLIC_BASE_URL, or use the keys of a user."
)

_COMMIT_ROUNDS = 5
_UPLOADS = 8  # at once: more of them on a slow line would all exceed the time limit

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Found:
    """A manifest as stored: its picture if it is readable, its ETag if it exists."""

    picture: StoredPicture | None = None
    etag: str | None = None


class S3Store:
    """The `Store` port on S3: an async context manager that holds one client and its bounded connections.

    Every call but `examine` takes at most `timeout_seconds`, not counting the wait for an upload slot. Raises only
    `Overloaded`, or `Unstorable` for what is about one picture: too large, or damaged beyond repair. Cancelling is safe
    at any await: at worst it leaves objects without a manifest, which the next attempt uses.
    """

    def __init__(self, settings: StorageSettings) -> None:
        self._settings = settings
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
        async with bounded(self._seconds):
            return await self._intact(await self._read(recipe))

    async def keep(self, recipe: Recipe, master: Master) -> StoredPicture:
        """Store the bytes, then the manifest; return our picture or, if another manifest won, that one's."""
        picture = stored_picture(recipe, master)
        manifest = Manifest(recipe=recipe, picture=picture, created=datetime.now(UTC), leadart=__version__)
        async with self._uploads, bounded(self._seconds):
            await self._keep_object(picture, master)
            return await self._commit(manifest)

    async def url(self, picture: StoredPicture) -> tuple[str, datetime | None]:
        """Return the public address, or a presigned one and when it expires, at the latest with the credentials."""
        base = self._settings.public_base_url
        if base is not None:
            return f"{str(base).rstrip('/')}/{picture.key}", None
        expires = datetime.now(UTC) + timedelta(seconds=self._settings.presigned_seconds)
        async with bounded(self._seconds):
            presigned: str = await self._client.generate_presigned_url(
                "get_object",
                Params={"Bucket": self._pictures, "Key": picture.key},
                ExpiresIn=self._settings.presigned_seconds,
            )
            _, end = await credentials_end(self._client)
        return presigned, min(expires, end) if end else expires

    async def announced_origin(self) -> str:
        """Return how the announced addresses of pictures begin: the public base URL, or what is presigned for."""
        if self._settings.public_base_url is not None:
            return str(self._settings.public_base_url)
        async with bounded(self._seconds):
            url: str = await self._client.generate_presigned_url(
                "get_object", Params={"Bucket": self._pictures, "Key": PICTURES}
            )
        return url.partition("?")[0].removesuffix(PICTURES)

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

    async def _keep_object(self, picture: StoredPicture, master: Master) -> None:
        request = picture_arguments(self._pictures, picture.key, master.media_type) | {"Body": master.data}
        if not await self._objects.put_if(NEW, **request) and not await self._objects.holds(self._pictures, picture):
            await self._objects.replace(**request)  # something else damaged it

    async def _commit(self, manifest: Manifest) -> StoredPicture:
        key = manifest_key(manifest.recipe.digest)
        request = manifest_arguments(self._manifests, key) | {"Body": manifest.model_dump_json(indent=1).encode()}
        condition: Mapping[str, str] = NEW
        for _ in range(_COMMIT_ROUNDS):
            if await self._objects.put_if(condition, **request):
                return manifest.picture
            winner = await self._read(manifest.recipe)
            if picture := await self._intact(winner):
                return picture
            condition = _next_condition(condition, winner.etag)
        raise Unstorable(
            Reason.STORE_UNAVAILABLE,
            f"the manifest {key} cannot be written: the store "
            + ("says that it exists, but does not give it" if winner.etag is None else "refuses the ETag that it gives")
            + "; delete it",
        )

    async def _read(self, recipe: Recipe) -> _Found:
        key = manifest_key(recipe.digest)
        found = await self._objects.text(self._manifests, key)
        if found is None:
            return _Found()
        text, etag = found
        try:
            picture = Manifest.model_validate_json(text).picture
        except ValidationError as error:
            _log.warning("manifest_unreadable", key=key, problems=error.error_count())
            return _Found(etag=etag)
        if picture.recipe != recipe.digest:
            _log.warning("manifest_of_another_recipe", key=key)
            return _Found(etag=etag)
        return _Found(picture, etag)

    async def _intact(self, found: _Found) -> StoredPicture | None:
        if found.picture is None or not await self._objects.holds(self._pictures, found.picture):
            return None
        return found.picture

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


def _next_condition(refused: Mapping[str, str], etag: str | None) -> Mapping[str, str]:
    """Return the condition to replace a manifest by after one was refused; the other form of an ETag if it was this."""
    if etag is None:
        return NEW
    quoted = unchanged(etag)
    return unchanged(etag, bare=True) if refused == quoted else quoted
