"""The delivery promise under every schedule that hypothesis draws; and proof that a broken owner would be caught.

A schedule lets rebalances, freezes, crashes, cut lines, lost answers and refusals fall on the requests of real poll
loops, owners and trackers over the in-memory cluster, in virtual time. The promise is checked at each commit and at
the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, Phase, example, find, given, settings
from hypothesis.errors import NoSuchExample

from consumer.delivery import heads, restore
from consumer.delivery.editorial import NOTHING_DECIDED, Editorial
from consumer.delivery.editorial_decisions import EditorialDecisions
from consumer.delivery.engine_exposure import EngineExposure
from consumer.delivery.heads import Claim, Head, Heads, Slot
from consumer.delivery.in_flight import InFlightRecord
from consumer.delivery.lane_gate import LaneGate
from consumer.delivery.latest_wins import LatestWins
from consumer.delivery.offset_tracker import OffsetTracker
from consumer.delivery.poll_loop import PollLoop
from consumer.delivery.ports import CommittedOffset, OutgoingRecord
from consumer.delivery.ruling import UNRULED, Ruling, Verdict
from consumer.jobs import Record
from consumer.testing.broker import MemoryBroker
from consumer.testing.bus import MemoryBus, MemoryEpoch
from consumer.testing.reader import MemoryReader
from tests.simulation.schedule import REQUESTED, Ask, Ending, Fault, Schedule, Strike, schedules
from tests.simulation.world import play

pytestmark = pytest.mark.slow

SCHEDULES = 2_000
ENOUGH = 1_000
"""Schedules within which each broken step must be found."""


@pytest.fixture(autouse=True)
def _silence() -> Iterator[None]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    yield
    structlog.reset_defaults()


def ask(at: float = 0.0, shard: int = 0, seconds: float = 0.0, ending: Ending = Ending.READY) -> Ask:
    return Ask(at, REQUESTED, shard, seconds, ending, 0)


BITS_ABOVE_THE_END = Schedule(
    workers=2,
    shards=2,
    cancel_revoked=False,
    asks=(
        *(ask(), ask(), ask(seconds=0.1), ask(seconds=0.1), ask(shard=1)),
        *(ask(shard=1, seconds=2.0, ending=Ending.REFUSED), ask(), ask(shard=1), ask(shard=1), ask(shard=1)),
    ),
    strikes=(Strike(0, False, Fault.STOP, 0.0, 0.0), Strike(17, False, Fault.KILL, 0.0, 5.0)),
    marker_seconds=0.0,
    delays=(0.3,),
)
"""The last records read are those whose bits were restored: nothing is committed that would pass them."""

READ_WHILE_IT_STOPS = Schedule(
    workers=1,
    shards=1,
    cancel_revoked=False,
    asks=(*[ask()] * 3, *[ask(0.6)] * 5),
    strikes=(Strike(5, False, Fault.STOP, 0.0, 0.0),),
    marker_seconds=0.0,
    delays=(0.05,),
)
"""A poll under way when the worker stops returns records whose jobs nobody would wait for."""

LEAVING_IN_A_REBALANCE = Schedule(
    workers=1,
    shards=1,
    cancel_revoked=False,
    asks=(*[ask()] * 3, ask(seconds=0.1)),
    strikes=(
        *(Strike(0, False, Fault.KILL, 0.0, 0.0), Strike(3, False, Fault.REBALANCE, 0.0, 0.0)),
        Strike(14, False, Fault.UNABLE, 0.0, 0.3),
    ),
    marker_seconds=0.3,
    delays=(0.0,),
)
"""A worker that leaves the group ends its owners while a rebalance wants to: neither may run one again too soon."""


@settings(
    max_examples=SCHEDULES,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)
@given(schedules())
@example(BITS_ABOVE_THE_END)
@example(READ_WHILE_IT_STOPS)
@example(LEAVING_IN_A_REBALANCE)
def test_each_record_has_one_outcome_whatever_happens(schedule: Schedule) -> None:
    """Every commit announces what it finishes; at the end each record has one outcome, and none is left."""
    play(schedule)


@settings(max_examples=50, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(schedules())
def test_a_schedule_played_twice_is_the_same(schedule: Schedule) -> None:
    """A failing schedule can be replayed: it alone decides who sends the cluster which request, and when."""
    assert play(schedule) == play(schedule)


def sends_are_not_awaited(patch: pytest.MonkeyPatch) -> None:
    async def careless(self: MemoryEpoch, records: Sequence[OutgoingRecord]) -> None:
        for record in records:
            await self.send(record)

    patch.setattr(MemoryEpoch, "write", careless)


def offsets_are_read_before_the_fence(patch: pytest.MonkeyPatch) -> None:
    epoch, committed = MemoryBus.epoch, MemoryBus.committed_offsets
    early: dict[tuple[MemoryBus, int], Mapping[str, CommittedOffset]] = {}

    @asynccontextmanager
    async def hasty(self: MemoryBus, shard: int) -> AsyncIterator[MemoryEpoch]:
        early[self, shard] = await committed(self, shard)
        async with epoch(self, shard) as opened:
            yield opened

    async def read(self: MemoryBus, shard: int) -> Mapping[str, CommittedOffset]:
        return early[self, shard]

    patch.setattr(MemoryBus, "epoch", hasty)
    patch.setattr(MemoryBus, "committed_offsets", read)


def a_missing_offset_is_taken_for_none(patch: pytest.MonkeyPatch) -> None:
    async def read(bus: MemoryBus, shard: int, topics: tuple[str, ...], *_: object) -> Mapping[str, CommittedOffset]:
        return {topic: CommittedOffset(0, "") for topic in topics} | dict(await bus.committed_offsets(shard))

    patch.setattr(restore, "_read_committed", read)


def the_commit_is_above_the_highest_finished(patch: pytest.MonkeyPatch) -> None:
    def lowest(self: OffsetTracker) -> int:
        return next(iter(self.unfinished), max(self.finished, default=self.next_offset - 1) + 1)

    patch.setattr(OffsetTracker, "lowest", property(lowest))


def finished_bits_are_not_restored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(OffsetTracker, "restore", classmethod(lambda cls, committed: cls(committed, committed.offset)))


def a_lost_answer_is_taken_for_no_commit(patch: pytest.MonkeyPatch) -> None:
    known: dict[Any, Any] = {}
    restore_offsets = restore.restore_offsets

    async def remembered(
        bus: Any, own_offsets: Any, *rest: Any, observer: Any
    ) -> tuple[dict[str, OffsetTracker], list[Any]]:
        place = bus, own_offsets.shard
        if place not in known:
            known[place], _ = await restore_offsets(bus, own_offsets, *rest, observer=observer)
        return {topic: OffsetTracker.restore(tracker.committed) for topic, tracker in known[place].items()}, []

    patch.setattr("consumer.delivery.shard_owner.restore_offsets", remembered)


def nobody_is_fenced(patch: pytest.MonkeyPatch) -> None:
    def init(self: MemoryBroker, shard: int) -> int:
        return self.epochs[shard]

    patch.setattr(MemoryBroker, "init", init)


def an_owner_runs_between_a_read_and_its_delivery(patch: pytest.MonkeyPatch) -> None:
    read = MemoryReader.read

    async def slow(self: MemoryReader, *arguments: Any) -> Any:
        records = await read(self, *arguments)
        await asyncio.sleep(0.01)
        return records

    patch.setattr(MemoryReader, "read", slow)


def the_cursor_is_not_set_back(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(MemoryBus, "seek", lambda *_: None)


def a_retry_is_begun_before_it_is_due(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(LaneGate, "must_wait", lambda *_: False)


def a_record_in_the_engine_is_not_announced(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(EngineExposure, "enter", lambda *_: True)


def owners_outlive_a_rebalance(patch: pytest.MonkeyPatch) -> None:
    async def ignore(self: PollLoop) -> None:
        del self

    patch.setattr(PollLoop, "on_revoked", ignore)


def heads_are_not_restored(patch: pytest.MonkeyPatch) -> None:
    async def forget(self: Heads, bus: MemoryBus) -> None:
        del bus
        self._known.clear()
        self._changed.clear()

    patch.setattr(Heads, "restore", forget)


def heads_are_not_written(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Heads, "records", lambda *_: [])


def decisions_are_not_written(patch: pytest.MonkeyPatch) -> None:
    write = heads.write_head
    patch.setattr(heads, "write_head", lambda head: write(head._replace(editorial=NOTHING_DECIDED)))


def a_withdrawal_ends_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(LatestWins, "withdraw", lambda *_: None)


def work_keeps_the_ordinal_of_an_earlier_epoch(patch: pytest.MonkeyPatch) -> None:
    readmit = LatestWins.readmit

    def careless(self: LatestWins, request: InFlightRecord) -> bool:
        return readmit(self, request) or not (request.decides or request.overruled)

    patch.setattr(LatestWins, "readmit", careless)


def a_choice_gets_no_ordinal(patch: pytest.MonkeyPatch) -> None:
    decide = EditorialDecisions._decide

    def careless(self: EditorialDecisions, slot: Slot, head: Head, ordinal: int, editorial: Editorial) -> None:
        assert ordinal
        decide(self, slot, head, head.ordinal, editorial)

    patch.setattr(EditorialDecisions, "_decide", careless)


def work_is_adopted_without_a_decision(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(LatestWins, "readmit", lambda *_: True)


def what_was_called_off_is_painted(patch: pytest.MonkeyPatch) -> None:
    rule = LatestWins.rule

    def forgetful(self: LatestWins, request: InFlightRecord, claim: Claim) -> tuple[Ruling, Head | None]:
        ruling, head = rule(self, request, claim)
        return (UNRULED, None) if ruling.verdict is Verdict.CANCELLED else (ruling, head)

    patch.setattr(LatestWins, "rule", forgetful)


def a_pause_is_seen_only_by_new_work(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(InFlightRecord, "under_way", property(lambda self: self.claim is not None))


def a_paused_lane_is_read_past(patch: pytest.MonkeyPatch) -> None:
    must_wait = LaneGate.must_wait

    def careless(self: LaneGate, record: Record) -> bool:
        seek, self._bus.seek = self._bus.seek, lambda *_: None  # type: ignore[method-assign]
        try:
            return must_wait(self, record)
        finally:
            self._bus.seek = seek  # type: ignore[method-assign]

    patch.setattr(LaneGate, "must_wait", careless)


@pytest.mark.parametrize(
    "breakage",
    [
        sends_are_not_awaited,
        offsets_are_read_before_the_fence,
        a_missing_offset_is_taken_for_none,
        the_commit_is_above_the_highest_finished,
        finished_bits_are_not_restored,
        a_lost_answer_is_taken_for_no_commit,
        nobody_is_fenced,
        an_owner_runs_between_a_read_and_its_delivery,
        the_cursor_is_not_set_back,
        a_retry_is_begun_before_it_is_due,
        a_record_in_the_engine_is_not_announced,
        owners_outlive_a_rebalance,
        heads_are_not_restored,
        heads_are_not_written,
        work_is_adopted_without_a_decision,
        decisions_are_not_written,
        a_withdrawal_ends_nothing,
        work_keeps_the_ordinal_of_an_earlier_epoch,
        a_choice_gets_no_ordinal,
        what_was_called_off_is_painted,
        a_pause_is_seen_only_by_new_work,
        a_paused_lane_is_read_past,
    ],
)
def test_a_broken_step_is_found(
    breakage: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """(!) Each step that the promise rests on: without it, a thousand schedules find the lost or doubled outcome."""
    breakage(monkeypatch)
    assert found() is not None


def found() -> Schedule | None:
    """Return a schedule that breaks the promise."""

    def breaks(schedule: Schedule) -> bool:
        try:
            play(schedule)
        except Exception:  # noqa: BLE001 - a broken owner may break in any way
            return True
        return False

    look = settings(
        max_examples=ENOUGH,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    try:
        return find(schedules(), breaks, settings=look)
    except NoSuchExample:
        return None
