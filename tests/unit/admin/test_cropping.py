"""Renditions without a bus, from the store: which picture, and which focal point."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from consumer.admin import cropping
from consumer.admin.cropping import CropOptions, MasterFile, fetch_master, order_of
from consumer.engine.swatch import MODEL
from consumer.errors import Overloaded, Rejected
from consumer.jobs import Focus, Master, PaintedFor, Recipe, StoredPicture
from consumer.pictures.rendition_file import RenditionFile, load_renditions
from consumer.renditions import CENTRE, FocalPoint
from consumer.settings import Settings, StorageSettings
from consumer.testing.store import MemoryStore
from schemas import FocalSource

RECIPE = Recipe("", "", MODEL, (), 64, 64, 1, 0.0, 1, "default", 1)
FOUND = FocalPoint(0.2, 0.7, FocalSource.FOUND)
EDITORS = FocalPoint(0.9, 0.1, FocalSource.EDITOR)


@pytest.fixture(name="store")
def _store(monkeypatch: pytest.MonkeyPatch) -> MemoryStore:
    """The store that commands open."""
    store = MemoryStore()

    @asynccontextmanager
    async def opened(settings: StorageSettings) -> AsyncIterator[MemoryStore]:
        del settings
        yield store

    monkeypatch.setattr(cropping, "S3Store", opened)
    return store


async def keep(store: MemoryStore) -> StoredPicture:
    master = Master(b"picture", "image/png", 64, 64, focus=Focus(0.2, 0.7, 0.1))
    return await store.keep(RECIPE, master, PaintedFor("", 0, 1))


async def test_a_picture_is_found_by_either_digest(store: MemoryStore) -> None:
    """By its SHA-256 or its recipe, as events tell them."""
    stored = await keep(store)
    for digest in (stored.sha256, stored.recipe):
        found = await fetch_master(Settings(), digest)
        assert found is not None
        assert found.data == b"picture"


def test_without_sets_there_is_nothing_to_crop() -> None:
    """The file is to blame, not the picture, and an empty table would say nothing."""
    with pytest.raises(Rejected, match="has no sets: add one"):
        order_of(RenditionFile((), {}, None), CropOptions(), MasterFile(b""))


@pytest.mark.parametrize(("choice", "focal_point"), [("found", FOUND), ("centre", CENTRE)])
async def test_the_focal_point_is_the_one_that_the_worker_would_take(
    store: MemoryStore, choice: str, focal_point: FocalPoint
) -> None:
    """As the site's setting says."""
    stored = await keep(store)
    settings = Settings.model_validate({"renditions": {"focal_point": choice}})
    assert await fetch_master(settings, stored.sha256) == MasterFile(b"picture", focal_point)


async def test_a_picture_that_is_gone_is_none(store: MemoryStore) -> None:
    """Unknown, or without its object."""
    assert await fetch_master(Settings(), "0" * 64) is None
    stored = await keep(store)
    store.objects.clear()
    assert await fetch_master(Settings(), stored.sha256) is None


async def test_a_store_that_is_down_says_so(store: MemoryStore) -> None:
    """Its own sentence reaches the command line."""
    store.down = True
    with pytest.raises(Overloaded):
        await fetch_master(Settings(), "0" * 64)


def test_an_editors_focal_point_comes_first() -> None:
    """Then the picture's own."""
    file, master = load_renditions(), MasterFile(b"", FOUND)
    assert order_of(file, CropOptions(focal_point=EDITORS), master).focal_point == EDITORS
    assert order_of(file, CropOptions(), master).focal_point == FOUND


def test_sets_are_chosen_by_name() -> None:
    """In the order of the file; an unknown one is refused with those that there are."""
    file = load_renditions()
    assert [each.name for each in order_of(file, CropOptions(("thumb", "hero")), MasterFile(b"")).sets] == [
        "hero",
        "thumb",
    ]
    with pytest.raises(
        Rejected, match=r"no rendition set 'heros': use one of hero, landscape, square, social, thumb\."
    ):
        order_of(file, CropOptions(("heros",)), MasterFile(b""))
