"""Settle time: a save waits for a newer one, within bounds of time and room."""

from __future__ import annotations

import asyncio
import json
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from consumer.delivery.heads import Heads
from consumer.delivery.ports import CommittedOffset, OutgoingRecord
from consumer.delivery.restore import OwnerTiming
from consumer.delivery.ruling import Ruling
from consumer.delivery.shard_owner import ShardOwner
from consumer.errors import WorkerStopping
from consumer.jobs import Job, Lane, Record
from consumer.kafka.topics import retry_policy
from consumer.processing.ability import Ability
from consumer.processing.circuit_breaker import CircuitBreaker
from consumer.processing.context import JobContext
from consumer.processing.delivery_log import DeliveryLog
from consumer.processing.handler import RequestHandler
from consumer.processing.outcomes import OutcomeBuilder
from consumer.processing.policy import Policy, PolicyDecision
from consumer.processing.settling import Settling
from consumer.processing.store_outage import StoreOutage
from consumer.settings import Settings
from consumer.telemetry.metrics import make_metrics
from consumer.testing.bus import MemoryBroker, MemoryBus
from consumer.testing.clock import simulate
from consumer.testing.store import MemoryStore
from schemas import ImageProgress, ImageReady, names
from schemas.cloudevents import Event, write
from tests.support.pipeline import job

EXAMPLE = Path(__file__).parents[3] / "schemas" / "examples" / "image-ready" / "v1" / "reused-presigned.json"
READY = ImageReady.model_validate(json.loads(EXAMPLE.read_text(encoding="utf-8"))["data"])
PAINTING_SECONDS = 5.0
LANE = names.REQUESTED


def at(timestamp_ms: int, lane: Lane = Lane.LIVE) -> Job:
    asked = job()
    return replace(asked, record=replace(asked.record, timestamp_ms=timestamp_ms), lane=lane)


def room_for(count: int) -> Settling:
    settling = Settling()
    settling.room = lambda _topic, _partition: count
    return settling


@pytest.mark.parametrize(
    ("written", "lane", "seconds"),
    [
        (100_000, Lane.LIVE, 20.0),
        (95_000, Lane.LIVE, 15.0),
        (70_000, Lane.LIVE, -10.0),
        (999_000, Lane.LIVE, 20.0),
        (100_000, Lane.INTERACTIVE, 0.0),
        (100_000, Lane.RETRY, 0.0),
        (100_000, Lane.BACKFILL, 0.0),
    ],
)
def test_a_live_save_waits_from_when_it_was_written(written: int, lane: Lane, seconds: float) -> None:
    """What was read late waits less, a clock that is ahead changes nothing, and nobody else waits."""
    assert Settling(now=lambda: 100.0).seconds_left(at(written, lane), 20.0) == seconds


async def waits(settling: Settling, record: Record) -> asyncio.Task[None]:
    task = asyncio.create_task(settling.wait(record, 3600))
    await asyncio.sleep(0)
    return task


async def test_the_first_goes_on_where_there_is_no_room() -> None:
    """In that partition of that lane; the others wait on."""
    settling, record = room_for(2), at(0).record
    first, second, third = [await waits(settling, record) for _ in range(3)]
    other = await waits(settling, replace(record, partition=1))
    await asyncio.wait_for(first, 1)
    assert not any(task.done() for task in (second, third, other))
    for task in (second, third, other):
        task.cancel()


async def test_room_that_shrinks_is_noticed_with_the_next_record() -> None:
    """Whatever that is: much finished behind those that wait would stop the lane."""
    settling, record = room_for(2), at(0).record
    tasks = [await waits(settling, record) for _ in range(2)]
    settling.room = lambda _topic, _partition: 0
    settling.make_room(record)
    await asyncio.wait_for(asyncio.gather(*tasks), 1)


async def test_nobody_waits_where_there_is_no_room_at_all() -> None:
    """With one record in flight at a time, a wait would keep the newer save from being read."""
    await asyncio.wait_for(room_for(0).wait(at(0).record, 3600), 1)


async def test_a_worker_that_stops_lets_nobody_wait() -> None:
    """Their records are the next owner's; waiting would cost the grace."""
    settling, record = room_for(5), at(0).record
    task = await waits(settling, record)
    settling.close()
    with pytest.raises(WorkerStopping):
        await asyncio.wait_for(task, 1)
    with pytest.raises(WorkerStopping):
        await asyncio.wait_for(settling.wait(record, 3600), 1)


async def test_a_wait_that_is_cancelled_leaves_nothing_behind() -> None:
    """A newer save ended it."""
    settling, record = room_for(5), at(0).record
    task = await waits(settling, record)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert not any(settling._waiting.values())


class Silent:
    """Publishes no progress."""

    enabled = False

    def publish(self, job: Job, progress: ImageProgress) -> None:
        raise AssertionError(job, progress)


class Painter:
    """A pipeline that takes its time, and counts what it paints."""

    def __init__(self) -> None:
        self.painted: list[int] = []

    def plan(self, context: JobContext, ruling: Ruling) -> Any:
        assert ruling.ordinal
        return context

    def handover(self, context: JobContext, plan: Any) -> Any:
        assert plan is context
        return nullcontext()

    async def produce(self, context: JobContext, plan: Any) -> ImageReady:
        assert plan is context
        self.painted.append(context.job.request.article.revision)
        await asyncio.sleep(PAINTING_SECONDS)
        return READY


class Desk:
    """One shard with the real owner and handler on a virtual clock, and an article that is saved and saved."""

    def __init__(self, settle_seconds: float, room: int = 100) -> None:
        self.painter, self.broker = Painter(), MemoryBroker()
        self.broker.offsets[LANE, 0] = CommittedOffset(0, "v1:0:")
        self.written: list[int] = []
        self._policy = Policy("v1", (), PolicyDecision(settle_seconds=settle_seconds, version="v1"))
        self._settings, self._room = Settings(), room

    async def type(self, times: list[float], **fields: Any) -> None:
        loop = asyncio.get_running_loop()
        settling = Settling(now=loop.time)
        settling.room = lambda _topic, _partition: self._room
        async with asyncio.TaskGroup() as tasks:
            handler, observer = (
                self._handler(tasks, settling),
                DeliveryLog(OutcomeBuilder(self._settings), make_metrics()),
            )
            bus = MemoryBus(self.broker, (LANE,))
            heads, timing = Heads("heads", "group", 0), OwnerTiming(tick=0.1)
            owner = ShardOwner(0, (LANE,), bus=bus, handler=handler, observer=observer, heads=heads, timing=timing)
            run, polling = tasks.create_task(owner.run()), tasks.create_task(self._poll(bus, owner))
            for revision, moment in enumerate(times, start=1):
                await asyncio.sleep(moment - loop.time())
                self._save(revision, loop.time(), fields)
            while len(self.outcomes()) < len(times):
                await asyncio.sleep(0.1)
            owner.stop()
            await run
            polling.cancel()

    def outcomes(self) -> list[str]:
        found = [dict(record.headers)["ce_type"] or b"" for record in self.broker.visible(names.OUTCOME, 0)]
        return [kind.decode().removeprefix("org.leadart.article.image-").removesuffix(".v1") for kind in found]

    def _save(self, revision: int, now: float, fields: dict[str, Any]) -> None:
        data = {"article": {"id": "a-1", "revision": revision, "headline": "Storm"}, **fields}
        headers, value = write(Event(id=f"r-{revision}", source="/cms", type=names.IMAGE_REQUESTED, data=data))
        self.written.append(int(now * 1000))
        self.broker.publish(OutgoingRecord(LANE, 0, b"a-1", value, tuple(headers)))

    async def _poll(self, bus: MemoryBus, owner: ShardOwner) -> None:
        stamped = Stamped(owner, self.written)
        while True:
            bus.poll(stamped)  # type: ignore[arg-type]
            await asyncio.sleep(0.05)

    def _handler(self, tasks: asyncio.TaskGroup, settling: Settling) -> RequestHandler:
        breaker, outage = CircuitBreaker(), StoreOutage()
        return RequestHandler(
            tasks,
            pipeline=self.painter,  # type: ignore[arg-type]
            store=MemoryStore(),
            breaker=breaker,
            outage=outage,
            ability=Ability(lambda: True, outage, breaker),
            retries=retry_policy(self._settings),
            outcomes=OutcomeBuilder(self._settings),
            progress=Silent(),
            metrics=make_metrics(),
            poison_deaths=2,
            policy=lambda: self._policy,
            settling=settling,
        )


class Stamped:
    """An owner whose records have the times at which they were written."""

    def __init__(self, owner: ShardOwner, written: list[int]) -> None:
        self._owner = owner
        self._written = written

    def __getattr__(self, name: str) -> Any:
        return getattr(self._owner, name)

    def deliver(self, record: Record) -> None:
        self._owner.deliver(replace(record, timestamp_ms=self._written[record.offset]))


def test_a_typist_who_saves_every_ten_seconds_costs_one_painting() -> None:
    """Ten minutes of saves, 60 of them: the last one is painted, once the typist has stopped."""
    desk = Desk(settle_seconds=20)
    simulate(desk.type([10.0 * number for number in range(60)]))
    assert desk.painter.painted == [60]
    assert desk.outcomes() == ["superseded"] * 59 + ["ready"]


def test_without_settle_time_the_same_typist_costs_a_painting_a_save() -> None:
    """What it spares."""
    desk = Desk(settle_seconds=0)
    simulate(desk.type([10.0 * number for number in range(60)]))
    assert len(desk.painter.painted) == 60


def test_who_pauses_longer_than_the_settle_time_gets_a_picture() -> None:
    """Two bursts with a minute between them cost two paintings."""
    desk = Desk(settle_seconds=20)
    simulate(desk.type([0, 5, 10, 70, 75]))
    assert desk.painter.painted == [3, 5]


def test_an_editor_who_waits_does_not_wait_for_the_settle_time() -> None:
    """Interactive requests are painted at once, each of them."""
    desk = Desk(settle_seconds=20)
    simulate(desk.type([0, 10, 20], priority="interactive"))
    assert desk.painter.painted == [1, 2, 3]
