from __future__ import annotations

import json

import pytest

from consumer.settings import StorageSettings
from consumer.storage.objects import StoreObjects
from consumer.storage.picture_index import PictureIndex, index_key
from tests.support.s3_memory import MemoryS3

SHA256, RECIPE, OTHER = "ab" * 32, "cd" * 32, "ef" * 32


def index(client: MemoryS3) -> PictureIndex:
    return PictureIndex(StoreObjects(client, StorageSettings()), "leadart")


async def test_the_first_entry_stays() -> None:
    """Two recipes with the same bytes: either describes the picture, and one of them is named."""
    client = MemoryS3()

    assert await index(client).add(SHA256, RECIPE)
    assert not await index(client).add(SHA256, OTHER)
    assert await index(client).recipe_of(SHA256) == RECIPE
    assert json.loads(client.objects[f"manifests/pictures/ab/{SHA256}.json"]) == {"recipe": RECIPE}


@pytest.mark.parametrize("left_by", [b"{", b"{}", b'{"recipe": "../x"}', b""])
async def test_a_damaged_entry_is_replaced(left_by: bytes) -> None:
    """It finds nothing, and the next writer mends it."""
    client = MemoryS3()
    client.objects[index_key(SHA256)] = left_by

    assert await index(client).recipe_of(SHA256) is None
    assert await index(client).add(SHA256, RECIPE)
    assert await index(client).recipe_of(SHA256) == RECIPE
