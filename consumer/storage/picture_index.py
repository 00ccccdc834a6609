"""Which recipe a picture was painted from, by the SHA-256 of its bytes: manifests are found by their recipe only."""

from pydantic import BaseModel, ConfigDict, Field

from consumer.storage.manifest import MANIFESTS
from consumer.storage.manifest_files import ManifestFiles
from consumer.storage.objects import NEW, StoreObjects, manifest_arguments


class IndexEntry(BaseModel):
    """The recipe (hex) of a picture."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    recipe: str = Field(pattern="^[0-9a-f]{64}$")


class PictureIndex:
    """The entries in the manifests' bucket. Raises the client's errors, and `Unstorable` for what one key is about."""

    def __init__(self, objects: StoreObjects, bucket: str) -> None:
        self._objects = objects
        self._bucket = bucket

    async def recipe_of(self, sha256: str) -> str | None:
        """Return the recipe of a picture, None if there is no entry or none that can be read."""
        entry, _ = await ManifestFiles(self._objects, self._bucket).read(index_key(sha256), IndexEntry)
        return entry.recipe if entry else None

    async def add(self, sha256: str, recipe: str) -> bool:
        """Write the entry unless there is one that can be read; return whether it was written."""
        key = index_key(sha256)
        request = manifest_arguments(self._bucket, key) | {"Body": IndexEntry(recipe=recipe).model_dump_json().encode()}
        if await self._objects.put_if(NEW, **request):
            return True
        if await self.recipe_of(sha256) is not None:
            return False
        await self._objects.replace(**request)
        return True


def index_key(sha256: str) -> str:
    """Return the key of a picture's entry."""
    return f"{MANIFESTS}/pictures/{sha256[:2]}/{sha256}.json"
