"""Replay ids, outcomes of slots, estimates and throttling, without servers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.admin.replay.plan import CostEstimate
from consumer.admin.replay.selection import Filters, OffsetRange, ReplaySpec
from consumer.admin.replay.session import SlotOutcomes
from consumer.admin.replay.source import GAP, runs
from consumer.admin.replay.throttle import BacklogLimit, Throttle, parse_rate
from consumer.delivery.batch_limit import MAX_BATCH_RECORDS
from consumer.delivery.heads import Slot
from consumer.jobs import Record
from consumer.lag.backlog import Backlog
from consumer.lag.reader import LagReader, LagSnapshot, PartitionLag
from consumer.lag.throughput import NO_THROUGHPUT
from consumer.settings import Settings
from schemas import names

TEXTS = st.frozensets(st.text(max_size=3), max_size=3)
SPECS = st.builds(
    ReplaySpec,
    st.builds(
        OffsetRange.of,
        st.sampled_from(["a", "b"]),
        st.dictionaries(st.integers(0, 3), st.builds(range, st.just(0), st.integers(0, 3))),
    ),
    st.builds(Filters, TEXTS, TEXTS, TEXTS, st.booleans()),
    st.booleans(),
    st.text(max_size=3),
)


@given(SPECS, SPECS)
def test_equal_replays_and_only_those_have_equal_ids(one: ReplaySpec, other: ReplaySpec) -> None:
    """The id depends on range, filters, force and name, and on nothing else: not on the time, not on the operator."""
    assert (one.id == other.id) == (one == other)
    shuffled = dict(reversed(list(one.range.spans.items())))
    assert replace(one, range=OffsetRange(one.range.topic, shuffled)).id == one.id


@given(st.sets(st.integers(0, 50_000), max_size=40))
def test_wanted_offsets_are_read_in_few_runs(offsets: set[int]) -> None:
    """Every offset is in one run, the runs ascend, and what is between two of them is worth skipping."""
    spans = runs(sorted(offsets))

    assert offsets == {offset for offset in offsets if sum(offset in span for span in spans) == 1}
    assert all(after.start - before.stop >= GAP for before, after in pairwise(spans))


def outcome(kind: str, revision: int | None, slot: str | None = "hero") -> Record:
    value = json.dumps({"article": {"id": "a-1", "revision": revision}, "slot": slot}).encode()
    return Record(names.OUTCOME, 0, 0, b"a-1", value, (("ce_type", kind.encode()),), 0)


STORIES = [
    ([outcome(names.IMAGE_FAILED, 7)], 7),
    ([outcome(names.IMAGE_FAILED, 7), outcome(names.IMAGE_READY, 7)], None),
    ([outcome(names.IMAGE_READY, 7), outcome(names.IMAGE_FAILED, 7)], 7),
    ([outcome(names.IMAGE_FAILED, 7), outcome(names.IMAGE_SUPERSEDED, 5)], 7),
    ([outcome(names.IMAGE_READY, 8), outcome(names.IMAGE_FAILED, 7)], None),
    ([outcome(names.IMAGE_FAILED, None), outcome(names.IMAGE_FAILED, 7, None)], None),
    ([Record(names.OUTCOME, 0, 0, b"a-1", b"\xff", (), 0)], None),
    ([Record(names.OUTCOME, 0, 0, b"a-1", b"[" * 100_000, (), 0)], None),
    ([Record(names.OUTCOME, 0, 0, b"a-1", b'{"article": {"id": [], "revision": 7}, "slot": "hero"}', (), 0)], None),
]


@pytest.mark.parametrize(("story", "failed"), STORIES)
def test_a_slot_has_failed_if_its_highest_revision_did_last(story: list[Record], failed: int | None) -> None:
    """Late outcomes of older revisions say nothing, nor do those about no valid request."""
    outcomes = SlotOutcomes()
    for record in story:
        outcomes.add(record)

    assert outcomes.failed == ({} if failed is None else {Slot("a-1", "hero"): failed})


def test_rates_are_read_per_second() -> None:
    """A rate may be given per second, minute, hour or day; nothing else is one."""
    assert [parse_rate(text) for text in ("50", "0.5/s", "600/m", "1800/h")] == [50, 0.5, 10, 0.5]
    for text in ("", "0", "fast", "5/w", "-1", "1e3"):
        with pytest.raises(ValueError, match="is not a rate"):
            parse_rate(text)


class Capacities:
    """Returns the given numbers, one after the other."""

    def __init__(self, remainders: list[int]) -> None:
        self.remainders: Iterator[int] = iter(remainders)

    async def remaining(self) -> int:
        return next(self.remainders)


async def test_a_full_lane_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is granted while the lane is full, then no more than it takes."""
    monkeypatch.setattr("consumer.admin.replay.throttle.POLL_SECONDS", 0)
    throttle = Throttle(None, Capacities([0, 0, 3, 10_000]))

    assert [await throttle.acquire(), await throttle.acquire()] == [3, MAX_BATCH_RECORDS]


class Looks:
    """Sees one backfill lane of one partition, with so much committed to and so much hidden in it."""

    def __init__(self, due: int, hidden: int) -> None:
        pending = Backlog(due, 0, None, exact=True)
        self.lag = PartitionLag(names.BACKFILL, 0, 0, due, 0, hidden=hidden, backlog=pending)

    async def read(self, *, outcomes: bool) -> LagSnapshot:
        assert not outcomes
        return LagSnapshot(0, 0, NO_THROUGHPUT, (self.lag,))


@pytest.mark.parametrize(("due", "hidden", "room"), [(0, 0, 12), (5, 0, 7), (0, 12, 0), (4, 8, 0), (90, 0, 0)])
async def test_what_a_broker_has_yet_to_show_is_backlog(due: int, hidden: int, room: int) -> None:
    """Right after a commit its records may still be hidden: they count, or the bound would be passed."""
    backlog = BacklogLimit(Settings(), cast("LagReader", Looks(due, hidden)), record_seconds=5.0, max_seconds=60.0)

    assert await backlog.remaining() == room


async def test_a_rate_is_kept_in_small_portions() -> None:
    """At most a second's worth goes in one transaction, and the next waits until its turn has come."""
    assert [Throttle(rate).batch for rate in (None, 0.2, 20, 9999)] == [MAX_BATCH_RECORDS, 1, 20, MAX_BATCH_RECORDS]
    throttle = Throttle(100)
    throttle.spend(10)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await throttle.acquire()


def test_unknown_figures_stay_unknown() -> None:
    """Without seconds a picture or without knowing what is made there is no estimate; the rate may be the bound."""
    assert CostEstimate().eta(5, 5) is None
    assert CostEstimate(2.0).gpu_seconds(None) is None
    assert CostEstimate(2.0, devices=4).eta(100, 100) == 50
    assert CostEstimate(2.0, devices=4, rate=0.5).eta(100, 100) == 200
