from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from consumer.errors import Unstorable
from consumer.storage.erasure_lease import ABANDONED_SECONDS, EraseLeases, LeaseLost, Waiting, lease_key
from tests.support.s3_memory import MemoryS3

RECIPE = "ab" * 32


class Leases:
    """Leases in one bucket, for workers with one clock."""

    def __init__(self) -> None:
        self.client, self.now = MemoryS3(), 0.0
        self.meanwhile: Callable[[], Awaitable[object]] | None = None
        self.leases = EraseLeases(self.client.store()._objects, "leadart", Waiting(lambda: self.now, self._pause))

    async def _pause(self, seconds: float) -> None:
        self.now += seconds
        if self.meanwhile is not None:
            await self.meanwhile()


async def test_a_free_recipe_is_taken_at_once_and_released() -> None:
    """Nothing is left of a lease."""
    world = Leases()
    await world.leases.wait_until_free(RECIPE)

    await (await world.leases.take(RECIPE)).release()

    assert (world.client.objects, world.now) == ({}, 0.0)


async def test_an_abandoned_lease_is_taken_over_with_its_objects() -> None:
    """Its holder is gone if it does not renew it; what it was deleting is known to the next one."""
    world = Leases()
    await (await world.leases.take(RECIPE)).renew(["pictures/ab/x.png"])

    taken = await world.leases.take(RECIPE)

    assert taken.journal.objects == ("pictures/ab/x.png",)
    assert ABANDONED_SECONDS <= world.now < 2 * ABANDONED_SECONDS


async def test_a_holder_that_lost_its_lease_finds_out() -> None:
    """Before its next deletion, and without deleting the new holder's lease."""
    world = Leases()
    first = await world.leases.take(RECIPE)
    await world.leases.take(RECIPE)

    for step in (first.renew, first.release):
        with pytest.raises(LeaseLost):
            await step()
    assert lease_key(RECIPE) in world.client.objects


async def test_a_lease_that_is_renewed_is_not_taken() -> None:
    """However long it takes; who waits is told to come again."""
    world = Leases()
    held = await world.leases.take(RECIPE)
    world.meanwhile = held.renew

    with pytest.raises(Unstorable, match="is being withdrawn elsewhere"):
        await world.leases.take(RECIPE)
    with pytest.raises(Unstorable):
        await world.leases.wait_until_free(RECIPE)


async def test_whoever_waits_for_an_abandoned_recipe_frees_it() -> None:
    """A painter must not wait for a worker that is gone."""
    world = Leases()
    await world.leases.take(RECIPE)

    await world.leases.wait_until_free(RECIPE)

    assert world.client.objects == {}


async def test_an_unreadable_lease_counts_as_abandoned() -> None:
    """Nobody can renew it."""
    world = Leases()
    world.client.objects[lease_key(RECIPE)] = b"{"

    await (await world.leases.take(RECIPE)).release()

    assert world.client.objects == {}
