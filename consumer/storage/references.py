"""Who uses which picture, so that one that several articles show goes with the last of them.

An entry lists a recipe under its user: whatever is stored for an article is found by its entries. It is written before
the picture's object, and deleted last. Who else uses a recipe is told by the user in its manifest and by references,
written for everybody else. A user counts while its entry exists.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Self

from pydantic import BaseModel, ConfigDict

from consumer.jobs import Use
from consumer.storage.manifest import MANIFESTS
from consumer.storage.manifest_files import ManifestFiles, ObjectList
from consumer.storage.objects import StoreObjects
from consumer.storage.side_by_side import all_of

ARTICLES = f"{MANIFESTS}/articles/"
"""Prefix of the entries."""

REFERENCES = f"{MANIFESTS}/references/"
"""Prefix of the references."""

_ENTRY = re.compile(f"{ARTICLES}([0-9a-f]{{64}})/([a-z0-9-]+)/([0-9a-f]{{64}})\\.json")
_REFERENCE = re.compile(f"{REFERENCES}[0-9a-f]{{2}}/[0-9a-f]{{64}}/([0-9a-f]{{64}})\\.([a-z0-9-]+)\\.json")


class PictureUser(NamedTuple):
    """An article, by the SHA-256 (hex) of its id, and a slot."""

    article: str
    slot: str

    @classmethod
    def of(cls, use: Use) -> Self:
        """Return the user as keys name it."""
        return cls(article_digest(use.article_id), use.slot)


class UserReference(BaseModel):
    """Another user of a recipe."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    use: Use


class UserRegister:
    """Entries and references in the manifests' bucket. Raises the client's errors and `Unstorable`."""

    def __init__(self, objects: StoreObjects, bucket: str) -> None:
        self._objects = objects
        self._bucket = bucket
        self._files = ManifestFiles(objects, bucket)

    async def enter(self, user: PictureUser, recipe: str, key: str) -> None:
        """List the recipe under its user, with the key of an object that is put for it."""
        await self._files.list_objects(entry_key(user, recipe), (key,))

    async def refer(self, use: Use, recipe: str, key: str) -> None:
        """Enter the user of a picture that was painted for somebody else, and refer to it."""
        user = PictureUser.of(use)
        await all_of([self.enter(user, recipe, key), self.add_reference(use, recipe)])

    async def add_reference(self, use: Use, recipe: str) -> None:
        """Refer to a user that has an entry."""
        await self._files.add(reference_key(PictureUser.of(use), recipe), UserReference(use=use))

    async def objects_of(self, user: PictureUser, recipe: str) -> tuple[str, ...]:
        """Return the objects of a user's entry."""
        entry, _ = await self._files.read(entry_key(user, recipe), ObjectList)
        return entry.objects if entry else ()

    async def uses(self, user: PictureUser, recipe: str) -> bool:
        """Return whether the user has an entry, readable or not."""
        return await self._objects.text(self._bucket, entry_key(user, recipe)) is not None

    async def referred(self, recipe: str) -> list[PictureUser]:
        """Return the users that are referred to."""
        keys = await self._objects.keys(self._bucket, references_prefix(recipe))
        return [PictureUser(*found.groups()) for key in keys if (found := _REFERENCE.fullmatch(key))]

    async def name_of(self, user: PictureUser, recipe: str) -> Use | None:
        """Return the user by its article's id, as its reference has it; None without a readable one."""
        reference, _ = await self._files.read(reference_key(user, recipe), UserReference)
        return reference.use if reference else None

    async def entries(self, article: str, slot: str | None) -> list[tuple[PictureUser, str]]:
        """Return the recipes of an article, or of one of its slots, each with its user."""
        return list(users_in(await self._objects.keys(self._bucket, entries_prefix(article, slot))))

    async def unrefer(self, user: PictureUser, recipe: str) -> None:
        """Delete the reference."""
        await self._objects.delete(self._bucket, [reference_key(user, recipe)])

    async def forget(self, user: PictureUser, recipe: str) -> None:
        """Delete the entry: the user is found by it, so it goes last."""
        await self._objects.delete(self._bucket, [entry_key(user, recipe)])


def users_in(keys: Iterable[str]) -> Iterator[tuple[PictureUser, str]]:
    """Yield user and recipe of each key that is an entry's."""
    for key in keys:
        if found := _ENTRY.fullmatch(key):
            yield PictureUser(found[1], found[2]), found[3]


def article_digest(article_id: str) -> str:
    """Return what keys name an article by: SHA-256 (hex) of its id."""
    return hashlib.sha256(article_id.encode()).hexdigest()


def entries_prefix(article: str, slot: str | None) -> str:
    """Return how the keys of an article's entries begin."""
    return f"{ARTICLES}{article}/" + (f"{slot}/" if slot is not None else "")


def entry_key(user: PictureUser, recipe: str) -> str:
    """Return the key of a user's entry for a recipe."""
    return f"{entries_prefix(user.article, user.slot)}{recipe}.json"


def references_prefix(recipe: str) -> str:
    """Return how the keys of a recipe's references begin."""
    return f"{REFERENCES}{recipe[:2]}/{recipe}/"


def reference_key(user: PictureUser, recipe: str) -> str:
    """Return the key of a user's reference to a recipe."""
    return f"{references_prefix(recipe)}{user.article}.{user.slot}.json"
