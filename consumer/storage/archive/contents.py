"""All manifests of a store, a shard at a time: recipes are spread over 256 of them by their first two digits."""

import hashlib
import re
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from consumer.settings import StorageSettings
from consumer.storage.client import open_client
from consumer.storage.failures import bounded
from consumer.storage.manifest import MANIFESTS, PICTURES, manifest_key
from consumer.storage.objects import NEW, StoreObjects, manifest_arguments
from consumer.storage.picture_index import PictureIndex
from consumer.storage.references import UserRegister
from consumer.storage.rendition_manifest import FILE_LIST
from consumer.storage.withdrawal import Withdrawals

AT_ONCE = 16
"""How many manifests are read side by side."""

_SHARD = re.compile(f"{MANIFESTS}/[0-9a-f]{{2}}/")
_KEY = re.compile(f"{MANIFESTS}/[0-9a-f]{{2}}/([0-9a-f]{{64}})(\\.json|/.+)")
_AnyManifest = TypeVar("_AnyManifest", bound=BaseModel)


@dataclass(slots=True)
class RecipeKeys:
    """What is stored of a recipe: whether it has a manifest, the keys of those of its renditions, and of file lists."""

    recipe: str
    painted: bool = False
    renditions: list[str] = field(default_factory=list)
    lists: list[str] = field(default_factory=list)

    @property
    def all(self) -> list[str]:
        """The keys of all of them."""
        return [*([manifest_key(self.recipe)] if self.painted else ()), *self.renditions, *self.lists]


class ManifestText(NamedTuple):
    """A manifest's key and bytes."""

    key: str
    text: bytes

    def read(self, model: type[_AnyManifest]) -> _AnyManifest | None:
        """Return what it says, None if it cannot be read."""
        try:
            return model.model_validate_json(self.text)
        except ValidationError:
            return None


class Archive:
    """Lists, reads, writes and deletes. Each call takes at most `timeout_seconds`.

    Raises `Overloaded` with a sentence that says how to fix the problem, `Unstorable` for what is about one object.
    """

    def __init__(self, objects: StoreObjects, settings: StorageSettings) -> None:
        self._objects = objects
        self._settings = settings
        self._pictures = settings.bucket
        self._manifests = settings.manifest_bucket or settings.bucket
        self._seconds = settings.timeout_seconds

    async def shards(self) -> list[str]:
        """Return the prefixes of the shards that hold anything."""
        async with self.bounded():
            folders = await self._objects.folders(self._manifests, f"{MANIFESTS}/")
        return sorted(filter(_SHARD.fullmatch, folders))

    async def shard(self, shard: str) -> list[RecipeKeys]:
        """Return what is stored of each recipe of a shard."""
        return list(_by_recipe(await self.keys(shard)))

    async def recipe(self, recipe: str) -> RecipeKeys:
        """Return what is stored of one recipe."""
        keys = await self.keys(manifest_key(recipe).removesuffix(".json"))
        return next(_by_recipe(keys), RecipeKeys(recipe))

    async def keys(self, prefix: str) -> list[str]:
        """Return the keys of the manifests' bucket that begin with the prefix."""
        async with self.bounded():
            return await self._objects.keys(self._manifests, prefix)

    async def text(self, key: str) -> ManifestText | None:
        """Return a manifest, None if there is none any more."""
        async with self.bounded():
            found = await self._objects.text(self._manifests, key)
        return None if found is None else ManifestText(key, found[0])

    async def size_of(self, key: str) -> int | None:
        """Return how many bytes a picture's object has, None if there is none."""
        async with self.bounded():
            return await self._objects.size(self._pictures, key)

    async def digest_of(self, key: str) -> str | None:
        """Read a picture's object; return its SHA-256 (hex), None if there is none."""
        async with self.bounded():
            found = await self._objects.text(self._pictures, key)
        return None if found is None else hashlib.sha256(found[0]).hexdigest()

    async def write(self, key: str, text: bytes) -> None:
        """Write to the manifests' bucket, whatever is there."""
        async with self.bounded():
            await self._objects.put(**manifest_arguments(self._manifests, key), Body=text)

    async def put_back(self, key: str, text: bytes) -> None:
        """Write to the manifests' bucket unless something is there."""
        async with self.bounded():
            await self._objects.put_if(NEW, **manifest_arguments(self._manifests, key), Body=text)

    async def delete(self, keys: Iterable[str]) -> None:
        """Delete objects, each from its bucket. Those that are gone already do not matter."""
        for key in keys:
            async with self.bounded():
                await self._objects.delete(self._pictures if key.startswith(f"{PICTURES}/") else self._manifests, [key])

    @property
    def users(self) -> UserRegister:
        """Who uses which picture; its calls are to be made `bounded`."""
        return UserRegister(self._objects, self._manifests)

    @property
    def withdrawals(self) -> Withdrawals:
        """Withdrawals, to finish them."""
        return Withdrawals.of(self._objects, self._settings)

    @property
    def index(self) -> PictureIndex:
        """The entries of pictures; its calls are to be made `bounded`."""
        return PictureIndex(self._objects, self._manifests)

    def bounded(self) -> AbstractAsyncContextManager[None]:
        """Limit a block of calls in time, and translate their errors."""
        return bounded(self._seconds)


@asynccontextmanager
async def open_archive(settings: StorageSettings) -> AsyncIterator[Archive]:
    """Open the archive of a store. Raises `Overloaded` for invalid keys, region or profile."""
    async with open_client(settings) as client:
        yield Archive(StoreObjects(client, settings), settings)


def _by_recipe(keys: Iterable[str]) -> Iterator[RecipeKeys]:
    recipes: dict[str, RecipeKeys] = {}
    for key in keys:
        if match := _KEY.fullmatch(key):
            of = recipes.setdefault(match[1], RecipeKeys(match[1]))
            if match[2] == ".json":
                of.painted = True
            elif key.endswith(FILE_LIST):
                of.lists.append(key)
            else:
                of.renditions.append(key)
    yield from recipes.values()
