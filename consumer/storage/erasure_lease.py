"""The right to erase a recipe: an object that its holder renews. Whoever stores the recipe waits until it is gone.

Whoever finds one that nobody renews (its holder died) takes it over, or gives it up. A holder that was frozen finds out
before its next deletion.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Self
from uuid import uuid4

from pydantic import BaseModel, ConfigDict

from consumer.errors import Unstorable
from consumer.storage.manifest import MANIFESTS
from consumer.storage.manifest_files import ManifestFiles
from consumer.storage.objects import StoreObjects
from schemas import Reason

WITHDRAWING = f"{MANIFESTS}/withdrawing/"
"""Prefix of the leases."""

ABANDONED_SECONDS = 3.0
"""Time without renewal after which the holder is gone: it renews the lease before every deletion, every 2 s."""

_POLL_SECONDS = 0.1
_LONGEST_WAIT = 12.0


class LeaseLost(Exception):
    """Somebody else erases the recipe, or stores it again."""


class EraseJournal(BaseModel):
    """Who holds the lease, how often it was renewed, and the objects that are being deleted."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    holder: str
    renewed: int = 0
    objects: tuple[str, ...] = ()


@dataclass(frozen=True)
class Waiting:
    """How time passes: a test's is its own."""

    clock: Callable[[], float] = time.monotonic
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep


class EraseLeases:
    """The leases in the manifests' bucket. Raises the client's errors and `Unstorable`."""

    def __init__(self, objects: StoreObjects, bucket: str, waiting: Waiting) -> None:
        self._objects = objects
        self._bucket = bucket
        self._files = ManifestFiles(objects, bucket)
        self._waiting = waiting

    async def wait_until_free(self, recipe: str) -> None:
        """Wait until nobody erases the recipe; give up a lease that is abandoned."""
        while await self._outlasts(recipe):
            if lease := await self._take_over(recipe):
                await lease.release()

    async def take(self, recipe: str) -> "EraseLease":
        """Wait for the lease; take over one that is abandoned, with what it says about objects."""
        journal = EraseJournal(holder=uuid4().hex)
        while not await self._files.add(lease_key(recipe), journal):
            if await self._outlasts(recipe) and (lease := await self._take_over(recipe)):
                return lease
        return self._lease(recipe, journal)

    async def _take_over(self, recipe: str) -> "EraseLease | None":
        """Return the abandoned lease as one's own; None if it was not abandoned after all."""
        key = lease_key(recipe)
        left, _ = await self._files.read(key, EraseJournal)
        journal = EraseJournal(holder=uuid4().hex, objects=left.objects if left else ())
        taken = await self._files.change(key, EraseJournal, lambda found: journal if found == left else None)
        return self._lease(recipe, journal) if taken == journal else None

    def _lease(self, recipe: str, journal: EraseJournal) -> "EraseLease":
        return EraseLease(self._files, self._objects, self._bucket, recipe, journal)

    async def _outlasts(self, recipe: str) -> bool:
        """Return whether the lease stays as it is for so long that its holder must be gone; False once it is free."""
        begun = since = self._waiting.clock()
        seen = None
        while True:
            found = await self._objects.text(self._bucket, lease_key(recipe))
            if found is None:
                return False
            now = self._waiting.clock()
            if found[0] != seen:
                seen, since = found[0], now
            if now - since >= ABANDONED_SECONDS:
                return True
            if now - begun >= _LONGEST_WAIT:
                raise Unstorable(Reason.STORE_UNAVAILABLE, f"the picture {recipe} is being withdrawn elsewhere")
            await self._waiting.pause(_POLL_SECONDS)


@dataclass
class EraseLease:
    """A lease that is held."""

    files: ManifestFiles
    objects: StoreObjects
    bucket: str
    recipe: str
    journal: EraseJournal

    async def renew(self, deleting: Iterable[str] = ()) -> Self:
        """Show that the holder lives, and note objects that it will delete. Raises `LeaseLost`."""
        noted = tuple(dict.fromkeys((*self.journal.objects, *deleting)))
        update = {"renewed": self.journal.renewed + 1, "objects": noted}
        renewed, old = self.journal.model_copy(update=update), self.journal
        changed = await self.files.change(
            lease_key(self.recipe), EraseJournal, lambda found: renewed if found == old else None
        )
        if changed != renewed:
            raise LeaseLost
        self.journal = renewed
        return self

    async def release(self) -> None:
        """Let others store the recipe. Raises `LeaseLost` without deleting anything if it is somebody else's."""
        await self.renew()
        await self.objects.delete(self.bucket, [lease_key(self.recipe)])


def lease_key(recipe: str) -> str:
    """Return the key of a recipe's lease."""
    return f"{WITHDRAWING}{recipe}.json"
