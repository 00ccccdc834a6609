"""The in-memory twin of the object store."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Literal

from consumer.errors import Overloaded, WithdrawnMeanwhile
from consumer.jobs import FoundPicture, Master, PaintedFor, Recipe, StoredPicture, Use, Withdrawn
from consumer.renditions import EncodedRenditions, Rendition, RenditionOrder, StoredRendition, StoredRenditions
from consumer.storage import rendition_manifest_key, renditions_prefix, stored_picture, stored_renditions
from schemas import Reason


class MemoryStore:
    """The `Store` port in memory. `down = True` makes every call raise `Overloaded`."""

    def __init__(self) -> None:
        self.objects: dict[str, Master | Rendition] = {}
        self.manifests: dict[str, StoredPicture] = {}
        self.asked: dict[str, tuple[Recipe, PaintedFor]] = {}
        self.index: dict[str, str] = {}
        self.rendition_manifests: dict[str, StoredRenditions] = {}
        self.entries: dict[Use, set[str]] = defaultdict(set)
        self.references: dict[str, set[Use]] = defaultdict(set)
        self.withdrawn: dict[str, dict[str | None, str]] = defaultdict(dict)
        self.ended: set[str] = set()
        self.down = False

    async def prepare(self) -> None:
        """Find nothing to check but whether it is up."""
        await self._reach()

    async def probe(self) -> None:
        """Find out whether it is up."""
        await self._reach()

    async def addresses_end_early(self) -> bool:
        """Return False: they never end."""
        return False

    async def find(self, recipe: Recipe) -> StoredPicture | None:
        """Return the picture of the manifest; None without a manifest or when its object is gone."""
        await self._reach()
        picture = self.manifests.get(recipe.digest)
        return self._described(picture) if picture and self._holds(picture) else None

    async def keep(self, recipe: Recipe, master: Master, asked: PaintedFor) -> StoredPicture:
        """Store the bytes, then the manifest; return our picture or, if another manifest won, that one's."""
        await self._reach()
        self._require(asked.use, recipe.digest)
        picture = stored_picture(recipe, master)
        if asked.use is not None:
            self.entries[asked.use].add(recipe.digest)
        await self._reach()
        self._require(asked.use, recipe.digest)
        self.objects[picture.key] = master
        self.index.setdefault(picture.sha256, recipe.digest)
        winner = self.manifests.get(recipe.digest)
        if winner is None or not self._holds(winner):
            if winner is not None and (before := self.asked[recipe.digest][1].use):
                self.references[recipe.digest].add(before)
            winner = self.manifests[recipe.digest] = picture
            self.asked[recipe.digest] = (recipe, asked)
        return self._described(winner)

    async def refer(self, picture: StoredPicture, use: Use) -> bool:
        """Enter a user of a picture that was painted for another; return whether the picture is still there."""
        await self._reach()
        self._require(use, picture.recipe)
        self.entries[use].add(picture.recipe)
        self.references[picture.recipe].add(use)
        await self._reach()
        self._require(use, picture.recipe)
        stored = self.manifests.get(picture.recipe)
        return stored is not None and stored.key == picture.key and self._holds(stored)

    async def withdraw(self, article_id: str, slot: str | None, by: str | None = None) -> Withdrawn:
        """Delete what the article, or one of its slots, shows and nobody else does."""
        await self._reach()
        if by is not None and by not in self.ended:
            self.withdrawn[article_id][slot] = by
        mine = [use for use in self.entries if use.article_id == article_id and slot in {None, use.slot}]
        given = [(use, recipe) for use in mine if self._is_withdrawn(use) for recipe in sorted(self.entries[use])]
        deleted = [self._give_up(use, recipe) for use, recipe in given]
        objects = dict.fromkeys(key for keys in deleted for key in keys or ())
        return Withdrawn(tuple(objects), frozenset(use.slot for use, _ in given), deleted.count(None))

    async def restore(self, article_id: str, slot: str | None) -> None:
        """Let pictures of the article, or of the slot, be stored again."""
        await self._reach()
        over = [each for each in self.withdrawn[article_id] if slot in {None, each}]
        self.ended.update(self.withdrawn[article_id].pop(each) for each in over)

    async def look_up(self, picture: str, *, by: Literal["sha256", "recipe"]) -> FoundPicture | None:
        """Return the picture announced with this SHA-256 or recipe."""
        await self._reach()
        digest = picture if by == "recipe" else self.index.get(picture, "")
        stored = self.manifests.get(digest)
        if stored is None:
            return None
        recipe, asked = self.asked[digest]
        return FoundPicture(recipe, self._described(stored), asked, self._holds(stored))

    async def read(self, picture: StoredPicture) -> bytes | None:
        """Return the picture's bytes; None if the object is gone or has others."""
        await self._reach()
        return self.objects[picture.key].data if self._holds(picture) else None

    async def find_renditions(self, picture: StoredPicture, order: RenditionOrder) -> StoredRenditions | None:
        """Return what was made for the order; None without a manifest or when an object is gone."""
        await self._reach()
        stored = self.rendition_manifests.get(rendition_manifest_key(picture, order))
        return stored if stored and stored.has_every_set(order) and self._hold(stored.renditions) else None

    async def keep_renditions(
        self, picture: StoredPicture, order: RenditionOrder, made: EncodedRenditions
    ) -> StoredRenditions | None:
        """Store the files, then the manifest; return what the winning one lists, None if the picture is withdrawn."""
        stored = stored_renditions(made)
        for each, file in zip(stored.renditions, made.renditions, strict=True):
            await self._reach()
            self.objects[each.key] = file
        await self._reach()
        master = self.manifests.get(picture.recipe)
        if master is None or master.key != picture.key:
            for each in stored.renditions:
                self.objects.pop(each.key, None)
            return None
        key = rendition_manifest_key(picture, order)
        winner = self.rendition_manifests.get(key)
        if winner is None or not self._hold(winner.renditions):
            winner = self.rendition_manifests[key] = stored
        return winner

    async def url(self, picture: StoredPicture | StoredRendition) -> tuple[str, datetime | None]:
        """Return an address that does not resolve and never expires."""
        return f"https://pictures.invalid/{picture.key}", None

    def _require(self, use: Use | None, recipe: str) -> None:
        if use is not None and self._is_withdrawn(use):
            self._give_up(use, recipe)
            raise WithdrawnMeanwhile

    def _is_withdrawn(self, use: Use) -> bool:
        return not {None, use.slot}.isdisjoint(self.withdrawn[use.article_id])

    def _give_up(self, use: Use, recipe: str) -> list[str] | None:
        """Take the picture from a user; return what was deleted of it, None if others use it."""
        self.entries[use].discard(recipe)
        self.references[recipe].discard(use)
        asked = self.asked.get(recipe)
        users = {*self.references[recipe], *([asked[1].use] if asked and asked[1].use else [])}
        others = [each for each in users if recipe in self.entries[each] and not self._is_withdrawn(each)]
        if not others:
            return self._erase(recipe)
        if asked and asked[1].use == use:
            self.asked[recipe] = (asked[0], replace(asked[1], use=others[0]))
        return None

    def _erase(self, recipe: str) -> list[str]:
        master = self.manifests.pop(recipe, None)
        self.asked.pop(recipe, None)
        prefix = renditions_prefix(recipe)
        made = [self.rendition_manifests.pop(key) for key in list(self.rendition_manifests) if key.startswith(prefix)]
        keys = [each.key for stored in made for each in stored.renditions] + ([master.key] if master else [])
        named = {other.key for other in self.manifests.values()}
        gone = [key for key in dict.fromkeys(keys) if key not in named and self.objects.pop(key, None) is not None]
        if master is not None and self.index.get(master.sha256) == recipe:
            del self.index[master.sha256]
        return gone

    def _described(self, picture: StoredPicture) -> StoredPicture:
        return replace(picture, painted_for=self.asked[picture.recipe][1].use)

    def _hold(self, renditions: Iterable[StoredRendition]) -> bool:
        return all(map(self._holds, renditions))

    def _holds(self, stored: StoredPicture | StoredRendition) -> bool:
        held = self.objects.get(stored.key)
        return held is not None and held.sha256 == stored.sha256

    async def _reach(self) -> None:
        await asyncio.sleep(0)  # other tasks run here, as they do while a real store responds
        if self.down:
            raise Overloaded(Reason.STORE_UNAVAILABLE, "the store cannot be reached: the test set `down`")
