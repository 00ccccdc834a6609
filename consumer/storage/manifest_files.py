"""Manifests in the store: of several writers of one key one wins, and all learn what the winner wrote."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from consumer.errors import Unstorable
from consumer.storage.objects import NEW, StoreObjects, manifest_arguments, unchanged
from schemas import Reason

_COMMIT_ROUNDS = 5
_CHANGE_ROUNDS = 40
_CHANGE_PAUSE = 0.002  # seconds, and as much longer with each conflict

_AnyManifest = TypeVar("_AnyManifest", bound=BaseModel)

_log = structlog.get_logger(__name__)


class ManifestFile(NamedTuple, Generic[_AnyManifest]):
    """A manifest as stored: what it says if it is readable, its ETag if it exists."""

    manifest: _AnyManifest | None = None
    etag: str | None = None


class ObjectList(BaseModel):
    """The keys of objects that are about to be put: so that they are found even if their manifest is never written."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    objects: tuple[str, ...] = ()

    def with_all(self, keys: Sequence[str]) -> "ObjectList":
        """Return the list with these keys, too."""
        return ObjectList(objects=tuple(dict.fromkeys((*self.objects, *keys))))


class ManifestFiles:
    """The manifests in a bucket. Raises the client's errors, and `Unstorable` for what one key is about."""

    def __init__(self, objects: StoreObjects, bucket: str) -> None:
        self._objects = objects
        self._bucket = bucket

    async def read(self, key: str, model: type[_AnyManifest]) -> ManifestFile[_AnyManifest]:
        """Return what lies under a key."""
        found = await self._objects.text(self._bucket, key)
        if found is None:
            return ManifestFile()
        text, etag = found
        try:
            return ManifestFile(model.model_validate_json(text), etag)
        except ValidationError as error:
            _log.warning("manifest_unreadable", key=key, problems=error.error_count())
            return ManifestFile(etag=etag)

    async def keys(self, prefix: str) -> list[str]:
        """Return the keys that begin with the prefix."""
        return await self._objects.keys(self._bucket, prefix)

    async def add(self, key: str, manifest: BaseModel) -> bool:
        """Write a manifest unless something is there; return whether it was written."""
        return await self._objects.put_if(NEW, **self._request(key, manifest))

    async def list_objects(self, key: str, objects: Sequence[str]) -> None:
        """Write down objects that are about to be put, beside those of other attempts."""
        if not await self.add(key, ObjectList().with_all(objects)):
            await self.change(key, ObjectList, lambda found: (found or ObjectList()).with_all(objects))

    async def change(
        self, key: str, model: type[_AnyManifest], change: Callable[[_AnyManifest | None], _AnyManifest | None]
    ) -> _AnyManifest | None:
        """Replace what lies under a key by what `change` makes of it; return what is there then.

        `change` is given None where nothing can be read, may be called again, and returns None to leave it as it is.
        """
        refused = None
        for round_number in range(_CHANGE_ROUNDS):
            await asyncio.sleep(_CHANGE_PAUSE * round_number)
            found, etag = await self.read(key, model)
            changed = change(found)
            if changed is None or changed == found:
                return found
            request = self._request(key, changed)
            if etag is not None and etag == refused:  # a store without a working `If-Match`
                await self._objects.replace(**request)
                return changed
            for condition in (NEW,) if etag is None else (unchanged(etag), unchanged(etag, bare=True)):
                if await self._objects.put_if(condition, **request):
                    return changed
            refused = etag
        raise Unstorable(Reason.STORE_UNAVAILABLE, f"{key} cannot be written: it changes all the time")

    def _request(self, key: str, manifest: BaseModel) -> dict[str, Any]:
        return manifest_arguments(self._bucket, key) | {"Body": manifest.model_dump_json(indent=1).encode()}

    async def commit(
        self, key: str, manifest: _AnyManifest, stands: Callable[[_AnyManifest], Awaitable[bool]]
    ) -> _AnyManifest:
        """Write a manifest; return it or, if another one won that `stands`, that one. What does not is replaced."""
        request = self._request(key, manifest)
        condition: Mapping[str, str] = NEW
        for _ in range(_COMMIT_ROUNDS):
            if await self._objects.put_if(condition, **request):
                return manifest
            winner, etag = await self.read(key, type(manifest))
            if winner is not None and await stands(winner):
                return winner
            condition = _next_condition(condition, etag)
        raise Unstorable(
            Reason.STORE_UNAVAILABLE,
            f"the manifest {key} cannot be written: the store "
            + ("says that it exists, but does not give it" if etag is None else "refuses the ETag that it gives")
            + "; delete it",
        )


def _next_condition(refused: Mapping[str, str], etag: str | None) -> Mapping[str, str]:
    """Return the condition to replace a manifest by after one was refused; the other form of an ETag if it was this."""
    if etag is None:
        return NEW
    quoted = unchanged(etag)
    return unchanged(etag, bare=True) if refused == quoted else quoted
