from __future__ import annotations

from dataclasses import replace

import pytest

from consumer.errors import Overloaded
from consumer.storage import manifest_key
from consumer.storage.archive import IndexReport, index_pictures
from tests.support.s3_memory import MemoryS3
from tests.support.samples import ASKED, MASTER, RECIPE


async def _archive_of_before(pictures: int) -> MemoryS3:
    client = MemoryS3()
    for seed in range(pictures):
        await client.store().keep(replace(RECIPE, seed=seed), replace(MASTER, data=b"%d" % seed), ASKED)
    client.objects = {key: body for key, body in client.objects.items() if not key.startswith("manifests/pictures/")}
    client.calls.clear()
    return client


async def _index(client: MemoryS3, *, apply: bool) -> IndexReport:
    shares: list[float] = []
    report = await index_pictures(client.archive(), apply=apply, share=shares.append)
    assert shares[-1] == 1.0
    return report


async def test_every_picture_of_before_is_found_afterwards() -> None:
    """The missing entries are written; a second run has nothing to do."""
    client = await _archive_of_before(7)

    assert await _index(client, apply=True) == IndexReport(7, 7, 0)
    for seed in range(7):
        found = await client.store().look_up(replace(MASTER, data=b"%d" % seed).sha256, by="sha256")
        assert found is not None
        assert found.recipe.seed == seed
    assert await _index(client, apply=True) == IndexReport(7, 0, 0)


async def test_a_dry_run_counts_only() -> None:
    """What is missing is counted, and nothing is written."""
    client = await _archive_of_before(3)

    assert await _index(client, apply=False) == IndexReport(3, 3, 0)
    assert client.calls == []


async def test_an_interrupted_run_goes_on_where_it_was() -> None:
    """What was written before the store failed need not be written again."""
    client = await _archive_of_before(6)
    client.fails = lambda _operation, _key: 503 if len(client.calls) == 2 else 0
    with pytest.raises(Overloaded):
        await _index(client, apply=True)
    client.fails = lambda _operation, _key: 0

    assert await _index(client, apply=True) == IndexReport(6, 4, 0)


async def test_manifests_that_cannot_be_read_are_counted() -> None:
    """Torn ones and those of another recipe: the others are indexed."""
    client = await _archive_of_before(3)
    keys = [manifest_key(replace(RECIPE, seed=seed).digest) for seed in range(3)]
    client.objects[keys[0]], client.objects[keys[1]] = b"{", client.objects[keys[2]]

    assert await _index(client, apply=True) == IndexReport(3, 1, 2)
