"""What is written down beside the pictures: manifests, index, users, markers of withdrawals and leases to erase."""

from collections.abc import Sequence

from consumer.errors import Overloaded
from consumer.settings import StorageSettings
from consumer.storage.erasure_lease import EraseLeases, LeaseLost, Waiting
from consumer.storage.failures import bounded
from consumer.storage.giving_up import GivenUp, PictureGiver
from consumer.storage.manifest_files import ManifestFiles
from consumer.storage.marker import WithdrawalMarkers
from consumer.storage.objects import StoreObjects
from consumer.storage.picture_index import PictureIndex
from consumer.storage.references import PictureUser, UserRegister
from schemas import Reason


class Bookkeeping:
    """The parts that share the manifests' bucket. Waiting for a lease takes at most `lease_seconds`."""

    lease_seconds = 30.0

    def __init__(self, objects: StoreObjects, settings: StorageSettings, waiting: Waiting | None = None) -> None:
        manifests = settings.manifest_bucket or settings.bucket
        waiting = waiting or Waiting()
        self.files = ManifestFiles(objects, manifests)
        self.index = PictureIndex(objects, manifests)
        self.users = UserRegister(objects, manifests)
        self.markers = WithdrawalMarkers(self.files)
        self.leases = EraseLeases(objects, manifests, waiting)
        purges = settings.purge_url is not None
        self.giver = PictureGiver(objects, settings.bucket, manifests, waiting, purges=purges)
        self._seconds = settings.timeout_seconds + self.lease_seconds

    async def give_up(self, user: PictureUser, recipe: str, put: Sequence[str] = ()) -> GivenUp | None:
        """Take a picture from its user, unless that is not withdrawn any more: then return None."""
        try:
            async with bounded(self._seconds):
                return await self.giver.give_up(user, recipe, put)
        except LeaseLost as lost:
            raise _contested(recipe) from lost

    async def collect(self, recipe: str, put: Sequence[str]) -> None:
        """Erase what is stored of a recipe that has neither a manifest nor a user, and the objects that were put."""
        try:
            async with bounded(self._seconds):
                await self.giver.collect(recipe, put)
        except LeaseLost as lost:
            raise _contested(recipe) from lost


def _contested(recipe: str) -> Overloaded:
    return Overloaded(Reason.STORE_UNAVAILABLE, f"another worker is deleting the picture {recipe}")
