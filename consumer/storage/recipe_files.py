"""Everything that is stored of a recipe, and deleting it once nobody uses it any more.

The order makes it exact. Whoever begins to use a picture writes down its use, then looks for a lease, then for the
picture. Whoever erases one takes the lease, then looks for users, then deletes. So one of the two sees the other.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from consumer.storage.erasure_lease import EraseLease
from consumer.storage.freshness import Fresh
from consumer.storage.manifest import PICTURES, manifest_key
from consumer.storage.objects import StoreObjects
from consumer.storage.picture_index import PictureIndex, index_key
from consumer.storage.side_by_side import all_of

_OBJECT = re.compile(rf'"({PICTURES}/[0-9a-f]{{2}}/([0-9a-f]{{64}})\.\w+)"'.encode())
_AT_ONCE = 8


@dataclass(frozen=True)
class RecipeFiles:
    """What lies in the two buckets. Raises the client's errors."""

    objects: StoreObjects
    pictures: str
    manifests: str

    async def manifest_keys(self, recipe: str) -> list[str]:
        """Return the keys of the recipe's manifest and of those of its renditions."""
        prefix = manifest_key(recipe).removesuffix(".json")
        return await self.objects.keys(self.manifests, prefix)

    async def named_in(self, keys: Sequence[str]) -> list[str]:
        """Return the keys of all objects that stand in the texts under these keys, whether they can be read or not."""
        texts = await all_of([self.objects.text(self.manifests, key) for key in keys], _AT_ONCE)
        return [found[1].decode() for text in texts if text is not None for found in _OBJECT.finditer(text[0])]

    async def erase(self, recipe: str, lease: EraseLease, fresh: Fresh) -> list[str]:
        """Delete all manifests of the recipe, and write down in the lease which objects they name; return all of them.

        `fresh` says before every deletion whether it is still right. The objects are left to `delete_objects`.
        """
        while manifests := sorted(await self.manifest_keys(recipe), key=len):  # its own first: nobody finds it now
            await lease.renew(await self.named_in(manifests))
            await self._delete(self.manifests, manifests, fresh)
        return [key for key in lease.journal.objects if not await self._belongs_elsewhere(key, recipe)]

    async def delete_objects(self, recipe: str, doomed: Sequence[str], fresh: Fresh) -> None:
        """Delete objects, and what the index says of them."""
        await self._delete(self.pictures, doomed, fresh)
        await self._delete(self.manifests, await self._indexed(doomed, recipe), fresh)

    async def _belongs_elsewhere(self, key: str, recipe: str) -> bool:
        """Return whether a master has been of another recipe first, as files without marks can be."""
        if not key.endswith(".png"):
            return False
        named = await PictureIndex(self.objects, self.manifests).recipe_of(_sha256(key))
        if named is None or named == recipe:
            return False
        return key in await self.named_in([manifest_key(named)])

    async def _indexed(self, doomed: Sequence[str], recipe: str) -> list[str]:
        index = PictureIndex(self.objects, self.manifests)
        masters = [_sha256(key) for key in doomed if key.endswith(".png")]
        return [index_key(sha256) for sha256 in masters if await index.recipe_of(sha256) == recipe]

    async def _delete(self, bucket: str, keys: Sequence[str], fresh: Fresh) -> None:
        async def delete(key: str) -> None:
            await fresh.ensure()
            await self.objects.delete(bucket, [key])

        await all_of(map(delete, keys), _AT_ONCE)


def _sha256(key: str) -> str:
    return key.rpartition("/")[2].partition(".")[0]
