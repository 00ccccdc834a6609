from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from consumer.lag.backlog import Backlog
from consumer.lag.history import LagHistory, PartitionStatus, summarize
from consumer.lag.reader import LagSnapshot, PartitionLag
from consumer.lag.status import LagStatus
from consumer.lag.throughput import NO_THROUGHPUT, Throughput
from consumer.settings import Settings
from schemas.names import BACKFILL, REQUESTED

NOW = 1_800_000_000_000


def lag(
    waited: float = 30.0, due: int = 3, committed: int = 10, topic: str = REQUESTED, shard: int = 0, **rest: Any
) -> PartitionLag:
    pending = Backlog(due, 0, NOW - int(waited * 1000) if due else None, exact=True)
    return PartitionLag(topic, shard, committed, committed + due, 0, "", 0, replace(pending, **rest))


def snapshot(
    *lags: PartitionLag, at: float = 0.0, members: int = 1, newest: float | None = 10.0, job: float | None = 20.0
) -> LagSnapshot:
    """A snapshot `at` seconds after the first; each shard's newest outcome came `newest` seconds before the first."""
    dates = {} if newest is None else {each.partition: NOW - int(newest * 1000) for each in lags}
    return LagSnapshot(NOW + int(at * 1000), members, Throughput(job, 30, dates), lags)


def statuses(partitions: list[PartitionStatus]) -> list[LagStatus | None]:
    return [each.status for each in partitions]


def test_one_snapshot_shows_whether_something_moves() -> None:
    """The newest outcome distinguishes slow from stalled, without a second snapshot."""
    old = lag(waited=3000.0)

    assert statuses(LagHistory(Settings()).assess(snapshot(old, newest=15.0))) == [LagStatus.SLOW]
    assert statuses(LagHistory(Settings()).assess(snapshot(old, newest=2000.0))) == [LagStatus.STALLED]
    assert statuses(LagHistory(Settings()).assess(snapshot(old, newest=None))) == [LagStatus.STALLED]
    assert statuses(LagHistory(Settings()).assess(snapshot(old, members=0))) == [LagStatus.STOPPED]


def test_work_after_a_quiet_night_is_no_stall() -> None:
    """Hours without an outcome mean nothing while there was nothing to do."""
    assert statuses(LagHistory(Settings()).assess(snapshot(lag(waited=30.0), newest=30_000.0))) == [LagStatus.OK]


@pytest.mark.parametrize("moved", [{"committed": 11}, {"finished_above": 1}])
def test_commits_and_bits_are_signs_of_progress(moved: dict[str, int]) -> None:
    """Without an outcome, as when everything is retried, a commit or a record finished above it shows life."""
    history, old = LagHistory(Settings()), lag(waited=3000.0)
    history.assess(snapshot(old, newest=3000.0))
    later = history.assess(snapshot(replace(old, **moved), at=100.0, newest=3000.0))  # type: ignore[arg-type]

    assert statuses(later) == [LagStatus.SLOW]


def test_time_before_the_worker_started_does_not_count() -> None:
    """A worker that starts with an old backlog has no history: it is stalled only once it stood still itself."""
    history, old = LagHistory(Settings(), whole=False), lag(waited=30_000.0)

    assert statuses(history.assess(snapshot(old, newest=None))) == [LagStatus.SLOW]
    assert statuses(history.assess(snapshot(old, newest=None, at=190.0))) == [LagStatus.SLOW]
    assert statuses(history.assess(snapshot(old, newest=None, at=210.0))) == [LagStatus.STALLED]


def test_a_backlog_that_grows_is_slow_before_it_is_old() -> None:
    """More records and longer waits after five minutes mean that more is requested than painted."""
    history = LagHistory(Settings())
    for minute in range(6):
        grown = lag(waited=30.0, due=3 + minute)
        assessed = history.assess(snapshot(grown, at=60.0 * minute, newest=-60.0 * minute, job=60.0))
        expected = LagStatus.SLOW if minute == 5 else LagStatus.OK
        assert statuses(assessed) == [expected], minute


def test_a_backfill_may_be_long_and_old() -> None:
    """Nobody waits for a backfill: while something moves it is OK."""
    old = lag(waited=1e6, due=9000, topic=BACKFILL)
    assert statuses(LagHistory(Settings()).assess(snapshot(old))) == [LagStatus.OK]


def test_a_shard_waits_for_the_records_of_others() -> None:
    """A partition whose turn has not come is not stalled while the others are served; with nothing ahead it is."""
    others = tuple(lag(shard=shard, due=40) for shard in (1, 2, 3))
    quiet = lag(waited=1000.0, topic=BACKFILL)
    served = snapshot(quiet, *others)
    served = replace(served, throughput=replace(served.throughput, newest_ms={0: NOW - 10**6, 1: NOW, 2: NOW, 3: NOW}))
    alone = replace(served, partitions=(quiet, *(lag(shard=shard, due=0) for shard in (1, 2, 3))))

    assert LagHistory(Settings()).assess(served)[0].status is LagStatus.OK
    assert LagHistory(Settings()).assess(alone)[0].status is LagStatus.STALLED


def test_the_cost_is_known_only_where_it_was_measured() -> None:
    """Without a painted outcome the engine's seconds are unknown, and no sum takes them for 0."""
    unknown = replace(lag(shard=1), backlog=None)
    (known,) = LagHistory(Settings()).assess(snapshot(lag(due=3)))
    both = LagHistory(Settings()).assess(snapshot(lag(due=3), unknown))
    (unmeasured,) = LagHistory(Settings()).assess(replace(snapshot(lag()), throughput=NO_THROUGHPUT))

    assert known.engine_seconds == 60.0
    assert unmeasured.engine_seconds is None
    assert (summarize(both).engine_seconds, summarize(both).incomplete, summarize(both).lag) == (None, None, 6)


def test_a_partition_that_left_is_forgotten() -> None:
    """A partition that comes back later is not compared with what was seen of it long ago."""
    history, old = LagHistory(Settings(), whole=False), lag(waited=30_000.0)
    history.assess(snapshot(old, newest=None))
    history.assess(snapshot(newest=None, at=100.0))

    assert statuses(history.assess(snapshot(old, newest=None, at=1000.0))) == [LagStatus.SLOW]


def test_an_unknown_partition_has_no_status() -> None:
    """Where the group never committed, or its metadata cannot be read, nothing is claimed."""
    nothing = PartitionLag(REQUESTED, 0, None, 10, None)

    assert statuses(LagHistory(Settings()).assess(snapshot(nothing))) == [None]


def test_memory_of_the_past_is_bounded() -> None:
    """A worker runs for months: of old snapshots only what growth is measured against is kept."""
    history = LagHistory(Settings())
    for turn in range(500):
        history.assess(snapshot(lag(), at=10.0 * turn))

    assert len(history._past[REQUESTED, 0].samples) <= 32
