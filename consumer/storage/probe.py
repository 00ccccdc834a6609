"""Whether a store does what is relied on, found out with objects under the prefixes that are written to."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from botocore.exceptions import ClientError

from consumer.errors import LeadartError, Overloaded, Unstorable
from consumer.storage.checksums import Checksum
from consumer.storage.failures import CONDITIONS, bounded, refusal
from consumer.storage.manifest import MANIFESTS, PICTURES
from consumer.storage.objects import NEW, StoreObjects, manifest_arguments, picture_arguments, unchanged
from consumer.storage.side_by_side import all_of
from schemas import Reason

WRITERS = 8
KEYS = 20
"""Raced for: a gateway that lets two win at one key in four is missed once in three hundred times."""

LARGE_BYTES = 2 << 20
"""Size of a large picture: above nginx's usual limit of a body."""

_RACE_SECONDS = 120.0
_BODY = b"written by leadart to find out whether this store takes pictures".ljust(16 << 10)
"""As large as a small picture: SeaweedFS keeps smaller objects in its index, which a write on a full disk damages."""

_READ_IN_FULL = "a stored picture is therefore read in full before it is announced again"


class StoreProbe:
    """Probes a store through its objects. Raises `Overloaded` with a sentence that says how to fix the problem."""

    def __init__(self, objects: StoreObjects, pictures: str, manifests: str) -> None:
        self._objects = objects
        self._pictures = pictures
        self._manifests = manifests

    async def check(self) -> None:
        """Write one object under each prefix, as pictures and manifests are written, and look it up as they are.

        Leaves `pictures/probe` and `manifests/probe`.
        """
        for request in self._requests():
            with _naming(request["Bucket"], request["Key"]):
                new = await self._objects.put_if(NEW, **request, Body=_BODY)
                if not await self._finds_what_it_has(request["Bucket"], request["Key"]):
                    problem = "does not give back an object that it has just taken" if new else _REFUSES_NEW
                    raise _misconfigured(f"the store {problem}")
                if await self._objects.put_if(NEW, **request, Body=_BODY):
                    raise _misconfigured(_several("`If-None-Match: *`", "ignores"))

    async def overwrite(self) -> None:
        """Write the objects that `check` leaves once more, whatever is there, and look them up."""
        for request in self._requests():
            await self._objects.replace(**request, Body=_BODY)
            await self._finds_what_it_has(request["Bucket"], request["Key"])

    async def race(self) -> list[str]:
        """Let writers race for each of several keys; return what the store lacks without breaking a promise.

        The objects are deleted if these keys may. Raises `Overloaded` if several writers win one key.
        """
        run = uuid4().hex
        keys = [f"{MANIFESTS}/probe/{run}/{number}" for number in range(KEYS)]
        picture = f"{PICTURES}/probe/{run}"
        try:
            async with bounded(_RACE_SECONDS):
                shortcomings = await self._lacks_for_pictures(picture)
                replaceable = all(await all_of(map(self._race_for, keys)))
        finally:
            deletes = await self._deleted(picture, keys)
        found = [(replaceable, _IRREPLACEABLE), (deletes, _UNDELETABLE)]
        return [*shortcomings, *(sentence for fine, sentence in found if not fine)]

    async def _deleted(self, picture: str, keys: Sequence[str]) -> bool:
        """Delete the objects of a race; return False if the store refuses that."""
        try:
            async with bounded(_RACE_SECONDS):
                await self._objects.delete(self._pictures, [picture])
                await self._objects.delete(self._manifests, keys)
        except LeadartError as error:
            return error.reason is not Reason.MISCONFIGURED
        return True

    async def _finds_what_it_has(self, bucket: str, key: str) -> bool:
        """Return whether the store gives the object. Looks up one that is not there, too.

        Every new picture begins with that, and stores refuse it to keys that may not list the bucket.
        """
        for each in (f"{key}-absent", key):
            await self._objects.keeps_sha256(bucket, each)
            found = await self._objects.text(bucket, each)
        return found is not None

    def _requests(self) -> Sequence[dict[str, str]]:
        return (self._picture(f"{PICTURES}/probe"), manifest_arguments(self._manifests, f"{MANIFESTS}/probe"))

    def _picture(self, key: str) -> dict[str, str]:
        return picture_arguments(self._pictures, key, "image/webp")

    async def _lacks_for_pictures(self, key: str) -> list[str]:
        """Put a picture that the store has never seen; return what it says about its size or its checksum."""
        try:
            await self._objects.put_if(NEW, **self._picture(key), Body=bytes(LARGE_BYTES))
        except ClientError as error:
            if isinstance(refused := refusal(error), Unstorable):
                return [refused.message]
            raise
        header = self._objects.checksum
        if header is not Checksum.SHA256:
            instead = "nothing" if header is Checksum.NONE else f"`{header}`"
            return [f"the store refuses `{Checksum.SHA256}` and gets {instead} instead; {_READ_IN_FULL}"]
        if await self._objects.keeps_sha256(self._pictures, key):
            return []
        return [f"the store takes `{Checksum.SHA256}` but does not return it; {_READ_IN_FULL}"]

    async def _race_for(self, key: str) -> bool:
        """Let writers create the object, then replace it; return whether one of them could replace it."""
        if winners := await self._winners(NEW, key):
            await self._require_one(winners, key, "`If-None-Match: *`")
        elif await self._objects.text(self._manifests, key) is None:  # else the winner was not told, and tried again
            raise _misconfigured(f"the store {_REFUSES_NEW}")
        return await self._race_to_replace(key)

    async def _race_to_replace(self, key: str) -> bool:
        for bare in (False, True):
            found = await self._objects.text(self._manifests, key)
            if found is None or found[1] is None:
                return False
            if winners := await self._winners(unchanged(found[1], bare=bare), key):
                await self._require_one(winners, key, "`If-Match`")
                return True
        return False

    async def _winners(self, condition: Mapping[str, str], key: str) -> Sequence[bytes]:
        """Let writers write at once; return the bodies of those that were told to have written."""
        bodies = [f"{condition} {number}".encode() for number in range(WRITERS)]
        request = manifest_arguments(self._manifests, key)
        calls = [self._wins(condition, request | {"Body": body}) for body in bodies]
        results = await all_of(calls)
        return [body for body, written in zip(bodies, results, strict=True) if written]

    async def _wins(self, condition: Mapping[str, str], request: dict[str, Any]) -> bool:
        try:
            return await self._objects.put_if(condition, **request)
        except Unstorable:  # it met the others every time
            return False

    async def _require_one(self, winners: Sequence[bytes], key: str, header: str) -> None:
        if len(winners) > 1:
            raise _misconfigured(_several(header, f"let {len(winners)} of {WRITERS} writers at once win with"))
        found = await self._objects.text(self._manifests, key)
        if found is None or found[0] != winners[0]:
            raise _misconfigured(_several(header, "stored what it had refused by"))


_REFUSES_NEW = f"refuses `If-None-Match: *` for a key that does not exist; {CONDITIONS}"
_UNDELETABLE = (
    "these keys may not delete objects (s3:DeleteObject): with a worker's keys like these, withdrawals wait for others"
)
_IRREPLACEABLE = (
    "the store refuses `If-Match` with the ETag that it has just given: a damaged manifest cannot be replaced, and "
    "requests for its picture fail until you delete it"
)


@contextmanager
def _naming(bucket: str, key: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise refusal(error, f"{bucket}/{key.partition('/')[0]}/*") from error


def _several(header: str, does: str) -> str:
    return f"the store {does} {header}, so two workers could announce different pictures of one recipe; {CONDITIONS}"


def _misconfigured(message: str) -> Overloaded:
    return Overloaded(Reason.MISCONFIGURED, message)
