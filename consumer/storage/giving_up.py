"""Taking a picture from a user that is withdrawn: it goes with its last user, and stays for any other."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog

from consumer import failpoints
from consumer.failpoints import Failpoint
from consumer.storage.erasure_lease import EraseLease, EraseLeases, LeaseLost, Waiting
from consumer.storage.freshness import Fresh
from consumer.storage.manifest import Manifest, manifest_key
from consumer.storage.manifest_files import ManifestFiles
from consumer.storage.marker import WithdrawalMarkers
from consumer.storage.objects import StoreObjects
from consumer.storage.recipe_files import RecipeFiles
from consumer.storage.references import PictureUser, UserRegister
from consumer.storage.side_by_side import all_of

_ROUNDS = 5
_AT_ONCE = 8

_log = structlog.get_logger(__name__)


class _Restored(Exception):
    """The user may show pictures again."""


class _Shared(Exception):
    """Others show the picture, too."""

    def __init__(self, others: Sequence[PictureUser]) -> None:
        super().__init__()
        self.others = others


@dataclass(frozen=True)
class GivenUp:
    """A picture that a user does not show any more: which objects were deleted, and whether others use it."""

    user: PictureUser
    objects: tuple[str, ...] = ()
    shared: bool = False


class PictureGiver:
    """Gives pictures up. Raises the client's errors and `Unstorable`; cancelling is safe anywhere.

    With `purges`, the keys of objects are written down for the purge hook before they are deleted.
    """

    def __init__(
        self, objects: StoreObjects, pictures: str, manifests: str, waiting: Waiting, *, purges: bool = False
    ) -> None:
        self._waiting = waiting
        self._purges = purges
        self._leases = EraseLeases(objects, manifests, waiting)
        self._manifests = ManifestFiles(objects, manifests)
        self._markers = WithdrawalMarkers(self._manifests)
        self._recipes = RecipeFiles(objects, pictures, manifests)
        self._users = UserRegister(objects, manifests)

    async def give_up(self, user: PictureUser, recipe: str, put: Sequence[str] = ()) -> GivenUp | None:
        """Take the picture from its user, unless that is not withdrawn any more: then return None.

        `put` are objects that were put for it, perhaps after its entry was deleted.
        """
        for _ in range(_ROUNDS):
            lease = await self._leases.take(recipe)
            try:
                return await self._give_up(user, recipe, lease, put)
            except LeaseLost:
                _log.info("withdrawal_contested", recipe=recipe)
            except _Restored:
                with suppress(LeaseLost):  # it may be released already
                    await lease.release()
                return None
        raise LeaseLost

    async def collect(self, recipe: str, put: Sequence[str]) -> None:
        """Erase what is stored of a recipe that has neither a manifest nor a user, and the objects that were put."""
        lease = await self._leases.take(recipe)
        fresh = self._fresh(lambda: self._still_nobody(recipe, lease))
        try:
            await fresh.ensure()
            await lease.renew(put)
            await self._recipes.delete_objects(recipe, await self._recipes.erase(recipe, lease, fresh), fresh)
        except _Shared:
            pass
        await lease.release()

    async def _give_up(self, user: PictureUser, recipe: str, lease: EraseLease, put: Sequence[str]) -> GivenUp:
        await lease.renew([*await self._users.objects_of(user, recipe), *put])
        try:
            fresh = self._fresh(lambda: self._still_alone(user, recipe, lease))
            await fresh.ensure()
            doomed, shared = await self._recipes.erase(recipe, lease, fresh), False
        except _Shared as found:
            fresh = self._fresh(lambda: self._still_held(user, lease))
            await self._hand_over(user, recipe, found.others)
            doomed, shared = await self._unused(recipe, lease, found.others), True
        await failpoints.reached(Failpoint.WITHDRAWING)
        if self._purges and doomed:
            await self._markers.to_purge(user.article, doomed)
        await self._recipes.delete_objects(recipe, doomed, fresh)
        await self._users.unrefer(user, recipe)
        await lease.release()
        await self._fresh(lambda: self._still_withdrawn(user)).ensure()
        await self._users.forget(user, recipe)
        return GivenUp(user, tuple(doomed), shared)

    async def _unused(self, recipe: str, lease: EraseLease, others: Sequence[PictureUser]) -> list[str]:
        """Return the user's objects that nobody else needs: attempts at the picture that another's went before."""
        named = await self._recipes.named_in(await self._recipes.manifest_keys(recipe))
        listed = [key for other in others for key in await self._users.objects_of(other, recipe)]
        return [key for key in lease.journal.objects if key not in {*named, *listed}]

    async def _hand_over(self, user: PictureUser, recipe: str, others: Sequence[PictureUser]) -> None:
        """Name another user in the manifest: when this one is back, it has to be referred to."""
        heir = await self._users.name_of(others[0], recipe)

        def handed(manifest: Manifest | None) -> Manifest | None:
            if manifest is None or manifest.use is None or PictureUser.of(manifest.use) != user:
                return None
            return manifest.handed_to(heir)

        await self._manifests.change(manifest_key(recipe), Manifest, handed)

    def _fresh(self, look: Callable[[], Awaitable[None]]) -> Fresh:
        return Fresh(look, self._waiting.clock)

    async def _still_withdrawn(self, user: PictureUser) -> None:
        if not await self._markers.covers(user):
            raise _Restored

    async def _still_held(self, user: PictureUser, lease: EraseLease) -> None:
        await lease.renew()
        await self._still_withdrawn(user)

    async def _still_alone(self, user: PictureUser, recipe: str, lease: EraseLease) -> None:
        await self._still_held(user, lease)
        if others := await self._others(user, recipe, await self._manifest(recipe)):
            raise _Shared(others)

    async def _still_nobody(self, recipe: str, lease: EraseLease) -> None:
        await lease.renew()
        manifest = await self._manifest(recipe)
        others = await self._others(None, recipe, manifest)
        if manifest is not None or others:
            raise _Shared(others)

    async def _manifest(self, recipe: str) -> Manifest | None:
        manifest, _ = await self._manifests.read(manifest_key(recipe), Manifest)
        return manifest

    async def _others(self, user: PictureUser | None, recipe: str, manifest: Manifest | None) -> list[PictureUser]:
        """Return who else shows the picture: whoever is named or referred to, has an entry, and is not withdrawn."""
        own = [PictureUser.of(manifest.use)] if manifest is not None and manifest.use is not None else []
        found = [each for each in dict.fromkeys([*own, *await self._users.referred(recipe)]) if each != user]
        counts = await all_of([self._counts(each, recipe) for each in found], _AT_ONCE)
        return [each for each, yes in zip(found, counts, strict=True) if yes]

    async def _counts(self, user: PictureUser, recipe: str) -> bool:
        return await self._users.uses(user, recipe) and not await self._markers.covers(user)
