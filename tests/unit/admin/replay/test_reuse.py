"""What the store has already is looked up for many requests at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import cast

import pytest

from consumer.admin.replay.reuse import ReuseLookup
from consumer.admin.replay.selection import Filters, OffsetRange, ReplaySpec
from consumer.admin.replay.source import OriginalRequest, SourceLane
from consumer.errors import Overloaded
from consumer.jobs import ModelIdentity, Paintable, Recipe, Record
from consumer.ports import Store
from consumer.processing.styles import load_styles
from schemas import ImageRequested, Reason, names
from schemas.cloudevents import Event
from schemas.recrop import ImageRecropRequested
from tests.support.harness import request_data

PAINTABLE = Paintable(ModelIdentity("swatch", "1"))


class Lane:
    """Has a request at every offset."""

    async def originals(self, partition: int, offsets: Sequence[int]) -> AsyncIterator[OriginalRequest]:
        for offset in offsets:
            data = request_data(f"a-{offset}")
            event = Event(id=f"e-{offset}", source="/cms", type=names.IMAGE_REQUESTED, data=data)
            record = Record(names.REQUESTED, partition, offset, b"k", b"", (), 1)
            yield OriginalRequest(record, (), event, ImageRequested.model_validate(data))


class FailingStore:
    """Fails the first question at once and answers the others later."""

    def __init__(self) -> None:
        self.asked = self.answered = 0

    async def find(self, recipe: Recipe) -> None:
        del recipe
        self.asked += 1
        if self.asked == 1:
            raise Overloaded(Reason.STORE_UNAVAILABLE, "It is down.")
        await asyncio.sleep(0.01)
        self.answered += 1


async def test_a_failing_store_is_reported_once_no_request_is_open() -> None:
    """The caller closes the store then: a request still open would leak its connection."""
    spec, store = ReplaySpec(OffsetRange("lane", {}), Filters()), FailingStore()
    lookup = ReuseLookup(spec, cast("SourceLane", Lane()), cast("Store", store), load_styles(None), PAINTABLE)
    with pytest.raises(Overloaded):
        await lookup.run({0: range(3)}, lambda _share: None)

    assert (store.asked, store.answered) == (3, 2)


class RecropLane(Lane):
    """Has a re-crop at every offset."""

    async def originals(self, partition: int, offsets: Sequence[int]) -> AsyncIterator[OriginalRequest]:
        data = {"article": {"id": "a-1", "revision": 1}, "picture": {"recipe": "0" * 64}}
        event = Event(id="e", source="/cms", type=names.IMAGE_RECROP_REQUESTED, data=data)
        for offset in offsets:
            record = Record(names.REQUESTED, partition, offset, b"k", b"", (), 1)
            yield OriginalRequest(record, (), event, ImageRecropRequested.model_validate(data))


async def test_a_re_crop_costs_no_painting() -> None:
    """It counts as made already, whatever the store has; with `--force`, too: it names its picture."""
    spec = ReplaySpec(OffsetRange("lane", {}), Filters(), force=True)
    lookup = ReuseLookup(spec, cast("SourceLane", RecropLane()), cast("Store", None), load_styles(None), PAINTABLE)
    estimate = await lookup.run({0: range(3)}, lambda _share: None)

    assert [estimate.total(count) for count in ("made", "to_make", "unpaintable", "pictures")] == [3, 0, 0, 0]
