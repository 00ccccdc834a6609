from __future__ import annotations

import json
from typing import Any

from consumer.admin.picture_users import AnnouncedUse, UsersReport, enter_uses, uses_in
from consumer.jobs import Record, Use
from consumer.testing.store import MemoryStore
from schemas import names
from schemas.cloudevents import Event, write
from tests.support.samples import ASKED, MASTER, RECIPE

HERE, THERE = Use("a-1", "hero"), Use("a-2", "hero")


def record(event_type: str = names.IMAGE_READY, **data: Any) -> Record:
    headers, value = write(Event(id="1", source="/leadart", type=event_type, data=data))
    return Record(names.OUTCOME, 0, 0, b"a-1", value, tuple(headers), 0)


def test_a_ready_outcome_tells_who_shows_its_pictures() -> None:
    """One use for each picture; whatever a later version left out is skipped."""
    pictures = [{"recipe": "aa"}, {"recipe": "bb"}, {}, "x"]

    assert list(uses_in(record(slot="hero", pictures=pictures))) == [AnnouncedUse(HERE, "aa"), AnnouncedUse(HERE, "bb")]


def test_nothing_else_tells() -> None:
    """Other outcomes, and what is none."""
    for other in (
        record(names.IMAGE_FAILED, slot="hero", pictures=[{"recipe": "aa"}]),
        record(slot=None, pictures=[{"recipe": "aa"}]),
        record(slot="hero", pictures=json.dumps([])),
        Record(names.OUTCOME, 0, 0, b"a-1", b"{", (), 0),
    ):
        assert list(uses_in(other)) == []


async def test_a_picture_of_before_is_known_to_withdrawals_afterwards() -> None:
    """Who is named by the manifest is known already; what is gone or withdrawn is not entered; a dry run counts."""
    store = MemoryStore()
    await store.keep(RECIPE, MASTER, ASKED)
    await store.withdraw("a-3", None, "0:1")
    known = (HERE, THERE, Use("a-3", "hero"))
    uses = {*(AnnouncedUse(use, RECIPE.digest) for use in known), AnnouncedUse(HERE, "0" * 64)}

    assert await enter_uses(store, uses, apply=False) == UsersReport(4, 2, 1)
    assert store.references == {}
    assert await enter_uses(store, uses, apply=True) == UsersReport(4, 1, 1)
    assert (await store.withdraw("a-1", None, "0:2")).shared == 1
    assert len((await store.withdraw("a-2", None, "0:3")).objects) == 1
