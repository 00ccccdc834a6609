"""What is withdrawn of an article: a marker that painters look for before and after they store a picture."""

from collections.abc import Callable, Iterable, Mapping

from pydantic import BaseModel, ConfigDict, Field

from consumer.storage.manifest import MANIFESTS
from consumer.storage.manifest_files import ManifestFiles
from consumer.storage.references import PictureUser

WITHDRAWN = f"{MANIFESTS}/withdrawn/"
"""Prefix of the markers."""

_ENDED = 16  # so that a worker that was frozen since does not repeat a withdrawal that was taken back


class WithdrawalMarker(BaseModel):
    """The withdrawals in force, of all slots or of single ones, by their ids; and those that were taken back.

    `purge` are keys of deleted objects that the purge hook has not been told yet.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    all: str | None = None
    slots: Mapping[str, str] = Field(default_factory=dict)
    ended: tuple[str, ...] = ()
    purge: tuple[str, ...] = ()

    def covers(self, slot: str) -> bool:
        """Return whether a slot is withdrawn."""
        return self.all is not None or slot in self.slots

    def withdrawn(self, slot: str | None, by: str) -> "WithdrawalMarker":
        """Return the marker with a withdrawal of a slot, or of all; unchanged by one that was taken back."""
        if by in self.ended:
            return self
        change = {"all": by} if slot is None else {"slots": {**self.slots, slot: by}}
        return self.model_copy(update=change)

    def restored(self, slot: str | None) -> "WithdrawalMarker":
        """Return the marker without the withdrawals of a slot, or of all."""
        left = {} if slot is None else {name: by for name, by in self.slots.items() if name != slot}
        over = [by for name, by in self.slots.items() if name not in left]
        whole = [self.all] if slot is None and self.all is not None else []
        ended = tuple(dict.fromkeys([*self.ended, *over, *whole]))[-_ENDED:]
        return self.model_copy(update={"slots": left, "all": None if whole else self.all, "ended": ended})


class WithdrawalMarkers:
    """The markers in the manifests' bucket, by the SHA-256 (hex) of an article's id."""

    def __init__(self, files: ManifestFiles) -> None:
        self._files = files

    async def read(self, article: str) -> WithdrawalMarker:
        """Return the article's marker, an empty one if there is none."""
        marker, _ = await self._files.read(marker_key(article), WithdrawalMarker)
        return marker or WithdrawalMarker()

    async def covers(self, user: PictureUser) -> bool:
        """Return whether a user is withdrawn."""
        return (await self.read(user.article)).covers(user.slot)

    async def withdraw(self, article: str, slot: str | None, by: str) -> None:
        """Mark a slot, or all of an article, as withdrawn."""
        await self._change(article, lambda marker: marker.withdrawn(slot, by))

    async def restore(self, article: str, slot: str | None) -> None:
        """Take back what is withdrawn of a slot, or of all slots."""
        await self._change(article, lambda marker: marker.restored(slot))

    async def to_purge(self, article: str, keys: Iterable[str]) -> None:
        """Note objects that the purge hook has to be told of."""
        added = tuple(keys)
        await self._change(
            article, lambda marker: marker.model_copy(update={"purge": tuple(dict.fromkeys((*marker.purge, *added)))})
        )

    async def purged(self, article: str, keys: Iterable[str]) -> None:
        """Forget objects that it was told of."""
        told = frozenset(keys)
        await self._change(
            article,
            lambda marker: marker.model_copy(update={"purge": tuple(key for key in marker.purge if key not in told)}),
        )

    async def _change(self, article: str, change: Callable[[WithdrawalMarker], WithdrawalMarker]) -> None:
        def changed(found: WithdrawalMarker | None) -> WithdrawalMarker | None:
            made = change(found or WithdrawalMarker())
            return None if found is None and made == WithdrawalMarker() else made

        await self._files.change(marker_key(article), WithdrawalMarker, changed)


def marker_key(article: str) -> str:
    """Return the key of an article's marker."""
    return f"{WITHDRAWN}{article}.json"
