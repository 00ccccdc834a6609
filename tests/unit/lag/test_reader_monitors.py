"""What monitors report from our commits: Burrow's rules and our own, over real shard owners in virtual time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumer.delivery import poll_loop
from consumer.delivery.offset_metadata import read_metadata
from consumer.delivery.ports import CommittedOffset, OutgoingRecord
from consumer.lag.backlog import Backlog
from consumer.lag.history import LagHistory
from consumer.lag.reader import LagSnapshot, PartitionLag
from consumer.lag.status import LagStatus
from consumer.lag.throughput import Throughput
from consumer.settings import Settings
from consumer.testing.broker import MemoryBroker
from consumer.testing.clock import simulate
from consumer.testing.group import MemoryGroup
from schemas import names
from tests.simulation.schedule import LANES, REQUESTED, Ask, Ending, Schedule
from tests.simulation.worker import OUT, Worker
from tests.support.burrow import Burrow, Status

pytestmark = pytest.mark.slow

JOB_SECONDS = 60.0
HANGS = 10**6.0
SNAPSHOT_SECONDS = 5.0
FALSE_ALARMS = {Status.STALL, Status.STOP, Status.REWIND}


@pytest.fixture(autouse=True)
def _slow_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hours pass here: milliseconds do not matter."""
    for name in ("POLL_SECONDS", "FULL_SECONDS"):
        monkeypatch.setattr(poll_loop, name, 2.0)


@pytest.fixture(autouse=True)
def _silence() -> Iterator[None]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    yield
    structlog.reset_defaults()


def job(at: float, seconds: float = JOB_SECONDS) -> Ask:
    return Ask(at, REQUESTED, 0, seconds, Ending.READY, 0)


@dataclass
class MonitorStatuses:
    """What the monitors reported over time: `burrow` at its defaults, `tuned` as docs/operations/lag.md sets it."""

    burrow: list[Status] = field(default_factory=list)
    tuned: list[Status] = field(default_factory=list)
    ours: list[LagStatus | None] = field(default_factory=list)


class _World:
    """One worker, one shard of which one lane is watched; four jobs at a time."""

    def __init__(self, asks: Sequence[Ask]) -> None:
        self._schedule = Schedule(
            1, 1, cancel_revoked=False, asks=tuple(asks), strikes=(), marker_seconds=0.0, delays=(0.0,)
        )
        self._broker = broker = MemoryBroker(1, MemoryGroup(3.0, 8.0))
        broker.offsets = {(lane, 0): CommittedOffset(0, "v1:0:") for lane in LANES}
        broker.transaction_ended = self._settled
        self._written: list[float] = []
        self._newest = 0.0
        self._outcomes = 0
        self._seen = broker.offsets[REQUESTED, 0]
        self._burrow, self._tuned = Burrow(), Burrow(min_distance=JOB_SECONDS)
        self._history = LagHistory(Settings())

    async def watch(self, seconds: float) -> MonitorStatuses:
        loop, seen = asyncio.get_running_loop(), MonitorStatuses()
        worker = Worker("w0", self._broker, self._schedule, lambda _worker: None)
        for number, ask in self._schedule.numbered.items():
            loop.call_later(1.0 + ask.at, self._publish, number)
        for monitor in (self._burrow, self._tuned):  # the starting offset, before there was anything
            monitor.log_end(loop.time(), 0)
            monitor.commit(loop.time(), 0, 0)
        while loop.time() < seconds:
            await asyncio.sleep(SNAPSHOT_SECONDS)
            end = len(self._broker.logs[REQUESTED, 0])
            for monitor, said in ((self._burrow, seen.burrow), (self._tuned, seen.tuned)):
                monitor.log_end(loop.time(), end)
                said.append(monitor.status(loop.time(), end))
            seen.ours += [each.status for each in self._history.assess(self._snapshot())]
        worker.kill()
        return seen

    def _publish(self, number: bytes) -> None:
        self._written.append(asyncio.get_running_loop().time())
        self._broker.publish(OutgoingRecord(REQUESTED, 0, b"key", number, ()))

    def _settled(self, _shard: int) -> None:
        now, progress = asyncio.get_running_loop().time(), self._broker.offsets[REQUESTED, 0]
        if progress is not self._seen:
            self._seen = progress
            for monitor in (self._burrow, self._tuned):
                monitor.commit(now, progress.offset, len(self._broker.logs[REQUESTED, 0]))
        outcomes = len(self._broker.visible(OUT, 0))
        if outcomes > self._outcomes:
            self._newest, self._outcomes = now, outcomes

    def _snapshot(self) -> LagSnapshot:
        progress, end = self._broker.offsets[REQUESTED, 0], len(self._written)
        finished = read_metadata(progress).finished
        left = [at for at in range(progress.offset, end) if at not in finished]
        since = int(self._written[left[0]] * 1000) if left else None
        lag = PartitionLag(
            topic=names.REQUESTED,
            partition=0,
            committed=progress.offset,
            end=end,
            finished_above=len(finished),
            backlog=Backlog(len(left), 0, since, exact=True),
        )
        newest = {0: int(self._newest * 1000)} if self._outcomes else {}
        return LagSnapshot(int(asyncio.get_running_loop().time() * 1000), 1, Throughput(JOB_SECONDS, 9, newest), (lag,))


def watched(asks: Sequence[Ask], seconds: float) -> MonitorStatuses:
    return simulate(_World(asks).watch(seconds))


def filled(statuses: list[Status]) -> Counter[Status]:
    """Count what was said once the window was full, ten minutes after the start; before, Burrow calls it incomplete."""
    return Counter(statuses[int(630 / SNAPSHOT_SECONDS) :])


def test_jobs_of_a_minute_are_no_stall_to_anybody() -> None:
    """Under an hour's backlog of 60 s jobs neither Burrow's rules nor ours ever say stalled or stopped."""
    seen = watched([job(0.0) for _ in range(240)], 3400.0)

    assert not FALSE_ALARMS & set(filled(seen.burrow))
    assert not FALSE_ALARMS & set(filled(seen.tuned))
    assert not {LagStatus.STALLED, LagStatus.STOPPED} & set(seen.ours)
    assert LagStatus.OK in seen.ours[:20]


def test_a_request_now_and_then_is_no_stall_to_anybody() -> None:
    """A quiet desk, one save every few minutes, alarms nobody at any time."""
    seen = watched([job(240.0 * number) for number in range(1, 12)], 2800.0)

    assert not FALSE_ALARMS & set(seen.burrow)
    assert not FALSE_ALARMS & set(seen.tuned)
    assert set(seen.ours) == {LagStatus.OK}


def test_small_jobs_that_overtake_a_long_one_stall_only_burrow_as_it_comes() -> None:
    """Bits above a standing offset are commits: ten within one job are a stall to Burrow, unless it is set for it."""
    asks = [job(float(number), 60.0 if number % 40 == 0 else 2.0) for number in range(900)]
    seen = watched(asks, 900.0)

    assert Status.STALL in filled(seen.burrow)
    assert not FALSE_ALARMS & set(filled(seen.tuned))
    assert not {LagStatus.STALLED, LagStatus.STOPPED} & set(seen.ours)


def test_a_true_stall_is_noticed_by_all() -> None:
    """When every job in flight hangs, Burrow's rules and ours report it, ours ten jobs after the last one finished."""
    hanging = [job(1200.0, HANGS) for _ in range(4)]
    seen = watched([job(0.0) for _ in range(80)] + hanging + [job(1200.0) for _ in range(40)], 4000.0)
    first = seen.ours.index(LagStatus.STALLED) * SNAPSHOT_SECONDS

    assert seen.burrow[-1] is seen.tuned[-1] is Status.STOP
    assert seen.ours[-1] is LagStatus.STALLED
    assert 1200.0 + 10 * JOB_SECONDS <= first <= 1300.0 + 10 * JOB_SECONDS


def test_a_stuck_oldest_record_is_noticed_while_others_finish() -> None:
    """A record that hangs for good holds the offset back: to Burrow that is a stall, to us the wait is too long."""
    seen = watched([job(0.0, HANGS), *[job(20.0 * number) for number in range(120)]], 2400.0)

    assert seen.burrow[-1] is seen.tuned[-1] is Status.STALL
    assert seen.ours[-1] is LagStatus.SLOW


@settings(max_examples=8, derandomize=True, database=None, suppress_health_check=list(HealthCheck), deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 800), st.sampled_from([1.0, 20.0, 60.0])), min_size=1, max_size=60),
)
def test_whatever_is_asked_working_is_never_a_stall(saves: list[tuple[int, float]]) -> None:
    """Saves at any times, with jobs of up to a minute: while a worker works our verdict is never STALLED."""
    seen = watched([job(float(at), seconds) for at, seconds in saves], 1200.0)

    assert not {LagStatus.STALLED, LagStatus.STOPPED} & set(seen.ours)
