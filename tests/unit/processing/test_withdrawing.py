"""What a withdrawal does to the store before it is announced; the heads' part is tested with the shard's owner."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from consumer.delivery.heads import Slot
from consumer.delivery.in_flight import WithdrawnSlot
from consumer.errors import Overloaded, Rejected, Superseded, Unstorable
from consumer.jobs import Record, Use, Withdrawn
from consumer.processing import withdrawing
from consumer.processing.outcomes import OutcomeBuilder
from consumer.processing.store_outage import StoreOutage
from consumer.processing.withdrawing import Withdrawing
from consumer.settings import Settings
from consumer.testing.store import MemoryStore
from schemas import Reason, names
from schemas.cloudevents import Event
from schemas.editorial import ArticleRestored, ArticleWithdrawn
from tests.support.pipeline import job
from tests.support.samples import ASKED, MASTER, RECIPE

RECORD = Record(names.REQUESTED, 3, 17, b"a-1", b"", (), 0)
EVENT = Event(id="w-1", source="/cms", type=names.ARTICLE_WITHDRAWN, data={})
GONE = ArticleWithdrawn.model_validate({"article": {"id": "a-1"}})
BACK = ArticleRestored.model_validate({"article": {"id": "a-1"}})


class Decisions:
    """An in-flight record whose owner decides as the test says."""

    def __init__(self, slots: list[WithdrawnSlot] | None = None, *, restored: bool | None = True) -> None:
        self._slots, self._restored = slots, restored

    def withdraw_slots(self, *_: object) -> list[WithdrawnSlot] | None:
        return self._slots

    def restore_slots(self, *_: object) -> bool | None:
        return self._restored


HERO: Any = Decisions([WithdrawnSlot(Slot("a-1", "hero"), 4, 5)])


def withdrawing_from(store: MemoryStore) -> Withdrawing:
    return Withdrawing(OutcomeBuilder(Settings()), store, StoreOutage(retry_seconds=0.001))


async def test_the_store_is_cleared_before_the_outcome() -> None:
    """When it is announced, nothing is left, and a painter that comes late finds out."""
    store = MemoryStore()
    await store.keep(RECIPE, MASTER, ASKED)

    result = await withdrawing_from(store).withdraw(HERO, EVENT, GONE, RECORD)

    assert len(result.records) == 1
    assert store.objects == {}
    assert store.withdrawn == {"a-1": {None: f"{names.REQUESTED}:3:17"}}


async def test_a_record_that_is_handed_back_changes_nothing() -> None:
    """Its next owner decides anew."""
    store = MemoryStore()
    kept = await store.keep(RECIPE, MASTER, ASKED)

    not_ours: Any = Decisions(None, restored=None)
    with pytest.raises(Superseded):
        await withdrawing_from(store).withdraw(not_ours, EVENT, GONE, RECORD)
    with pytest.raises(Superseded):
        await withdrawing_from(store).restore(not_ours, EVENT, BACK, RECORD)
    assert store.objects.keys() == {kept.key}


async def test_a_store_that_fails_delays_a_withdrawal_and_never_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Down, or refusing this article alone: it is tried until it works."""
    monkeypatch.setattr(withdrawing, "_AGAIN_SECONDS", 0.0)
    store, failures = MemoryStore(), [Overloaded, Unstorable, Unstorable, Overloaded]
    await store.keep(RECIPE, MASTER, ASKED)
    withdraw = store.withdraw

    async def failing(article_id: str, slot: str | None, by: str | None = None) -> Withdrawn:
        if failures:
            raise failures.pop()(Reason.STORE_UNAVAILABLE, "not yet")
        return await withdraw(article_id, slot, by)

    store.withdraw = failing  # type: ignore[method-assign]
    async with asyncio.timeout(10):
        await withdrawing_from(store).withdraw(HERO, EVENT, GONE, RECORD)

    assert (failures, store.objects) == ([], {})


async def test_a_restoration_opens_the_store_again() -> None:
    """Unless the owner refuses it."""
    store = MemoryStore()
    await withdrawing_from(store).withdraw(HERO, EVENT, GONE, RECORD)
    refused: Any = Decisions(restored=False)
    with pytest.raises(Rejected):
        await withdrawing_from(store).restore(refused, EVENT, BACK, RECORD)
    assert store.withdrawn["a-1"]

    await withdrawing_from(store).restore(HERO, EVENT, BACK, RECORD)

    assert not store.withdrawn["a-1"]
    assert (await store.keep(RECIPE, MASTER, ASKED)).painted_for == Use("a-1", "hero")


async def test_a_request_of_a_withdrawn_slot_clears_what_a_dead_worker_left() -> None:
    """Before its outcome."""
    store = MemoryStore()
    kept = await store.keep(RECIPE, MASTER, ASKED)
    store.withdrawn["a-1"]["hero"] = "0:1"
    assert kept.key in store.objects

    await withdrawing_from(store).clear(job())

    assert store.objects == {}


async def test_an_old_withdrawal_deletes_nothing_that_was_made_after_the_restoration() -> None:
    """Read again, as after an offset reset, it answers as before; what the article has by now stays."""
    store = MemoryStore()
    kept = await store.keep(RECIPE, MASTER, ASKED)

    late: Any = Decisions([WithdrawnSlot(Slot("a-1", "hero"), 4, 5, late=True)])
    result = await withdrawing_from(store).withdraw(late, EVENT, GONE, RECORD)

    assert len(result.records) == 1
    assert store.objects.keys() == {kept.key}
    assert not any(store.withdrawn.values())
