from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import cast

import pytest

from consumer.delivery.controls import NO_CONTROLS, Controls, Selector
from consumer.delivery.poll_loop import PollLoop
from consumer.delivery.ports import BusError
from consumer.lag.backlog import Backlog
from consumer.lag.gauges import GaugeReporter
from consumer.lag.history import LagHistory
from consumer.lag.reader import LagReader, LagSnapshot, PartitionLag
from consumer.lag.throughput import NO_THROUGHPUT
from consumer.ports import Engine
from consumer.processing.admission import Admission
from consumer.processing.circuit_breaker import CircuitBreaker
from consumer.settings import Settings
from consumer.telemetry.metrics import Stage, make_metrics
from consumer.telemetry.names import MetricName
from schemas.names import REQUESTED

NOW = 1_800_000_000_000
BY_PARTITION = {
    MetricName.CONSUMER_LAG: 7.0,
    MetricName.COMMITTED_OFFSET: 100.0,
    MetricName.INCOMPLETE: 4.0,
    MetricName.OLDEST_PENDING: 30.0,
    MetricName.NOT_DUE: 2.0,
    MetricName.HIDDEN: 1.0,
    MetricName.BACKLOG_ENGINE: 100.0,
    MetricName.FOREIGN_OFFSETS: 0.0,
    MetricName.LAG_VERDICT: 0.0,
}
LAG = PartitionLag(REQUESTED, 3, 100, 107, 1, "", 1, Backlog(4, 2, NOW - 30_000, exact=True))


@dataclass
class FakeIntake:
    assigned: frozenset[int] = frozenset({3})
    incomplete: frozenset[int] = frozenset()
    joined: bool = True


@dataclass
class FakeReader:
    lags: tuple[PartitionLag, ...] = (LAG,)
    error: BusError | None = None
    asked: list[Collection[int] | None] = field(default_factory=list)
    members: int | None = 1
    controls: Controls | None = NO_CONTROLS

    async def read(self, shards: Collection[int] | None, *, outcomes: bool) -> LagSnapshot:
        assert not outcomes
        self.asked.append(shards)
        if self.error:
            raise self.error
        lags = tuple(lag for lag in self.lags if shards is None or lag.partition in shards)
        return LagSnapshot(NOW, self.members, NO_THROUGHPUT, lags, self.controls)


class World:
    def __init__(self) -> None:
        self.metrics = make_metrics()
        self.intake = FakeIntake()
        self.reader = FakeReader()
        self.gauges = GaugeReporter(
            self.metrics,
            engine=cast("Engine", None),
            admission=cast("Admission", None),
            breaker=cast("CircuitBreaker", None),
            poll_loop=cast("PollLoop", self.intake),
            lag_reader=cast("LagReader", self.reader),
            history=LagHistory(Settings(), whole=False),
        )

    async def shown(self) -> dict[MetricName, float]:
        """Read the lag once and return what the page shows of the partition."""
        await self.gauges._read_lag()
        value = self.metrics.registry.get_sample_value
        labels = {"topic": REQUESTED, "partition": "3"}
        return {name: found for name in BY_PARTITION if (found := value(name, labels)) is not None}


async def test_a_worker_shows_the_lag_of_its_own_partitions() -> None:
    """All figures of a partition are on the page; its backlog's cost is by the worker's own seconds per picture."""
    world = World()
    for seconds in (20.0, 30.0):
        world.metrics.stage_duration.labels(Stage.ENGINE).observe(seconds)

    assert await world.shown() == BY_PARTITION
    assert world.reader.asked == [frozenset({3})]


async def test_what_is_paused_is_counted_and_named() -> None:
    """What readiness says and the gauge counts stays while the controls cannot be read, and goes when resumed."""
    world = World()

    async def told() -> tuple[float | None, str | None]:
        await world.shown()
        return world.metrics.registry.get_sample_value(MetricName.PAUSED), world.gauges.paused()

    assert await told() == (0.0, None)
    world.reader.controls = NO_CONTROLS.pause(Selector(section="sports"), NOW)
    paused = await told()
    world.reader.controls = None

    assert paused == await told() == (1.0, "paused: section sports. To let it go on: leadart resume")
    world.reader.controls = NO_CONTROLS
    assert await told() == (0.0, None)


async def test_what_is_not_known_is_not_shown() -> None:
    """Unknown figures are absent and never 0, from the start and when they become unknown later."""
    world = World()
    world.reader.lags = (PartitionLag(REQUESTED, 3, 100, 107, None),)

    known = {MetricName.CONSUMER_LAG: 7.0, MetricName.COMMITTED_OFFSET: 100.0, MetricName.FOREIGN_OFFSETS: 0.0}
    assert await world.shown() == known
    world.reader.lags = (LAG,)
    assert set(await world.shown()) == set(BY_PARTITION) - {MetricName.BACKLOG_ENGINE}
    world.reader.lags = (PartitionLag(REQUESTED, 3, None, 107, None),)
    assert await world.shown() == {}


async def test_a_partition_that_went_to_another_worker_leaves_the_page() -> None:
    """Two workers never show the same partition: a lost one goes at the next read, even if lost during it."""
    world = World()
    await world.shown()
    world.intake.assigned = frozenset()

    assert await world.shown() == {}


async def test_without_an_answer_nothing_is_shown_and_readiness_says_why() -> None:
    """A bus that does not answer makes the lag unknown, and shows in readiness until it does."""
    world = World()
    await world.shown()
    world.reader.error = BusError("no answer within 20 s")

    assert await world.shown() == {}
    assert world.gauges.bus_problem == "Kafka does not answer: no answer within 20 s"
    world.reader.error = None
    assert set(await world.shown()) >= {MetricName.CONSUMER_LAG}
    assert world.gauges.bus_problem is None


async def test_a_shard_of_which_strangers_keep_a_part_is_shown_too() -> None:
    """Nobody else shows it: by how much they committed too far, and that it stands still."""
    world = World()
    world.intake = FakeIntake(assigned=frozenset(), incomplete=frozenset({3}))
    world.gauges.poll_loop = cast("PollLoop", world.intake)
    world.reader.lags = (replace(LAG, foreign=105),)

    shown = await world.shown()
    assert (shown[MetricName.FOREIGN_OFFSETS], shown[MetricName.LAG_VERDICT]) == (5.0, 2.0)


async def test_a_worker_outside_an_empty_group_shows_that_nobody_works() -> None:
    """Gauge and `leadart lag` agree that the partition is stopped; what is summed over workers is not shown twice."""
    world = World()
    await world.shown()
    world.intake.joined, world.intake.assigned, world.reader.members = False, frozenset(), 0

    assert await world.shown() == {MetricName.LAG_VERDICT: 3.0}
    assert world.reader.asked[-2:] == [frozenset(), None]


@pytest.mark.parametrize("members", [2, None])
async def test_a_worker_outside_leaves_the_lag_to_those_inside(members: int | None) -> None:
    """While the group has members, or may have, a worker that is not one shows no partition."""
    world = World()
    world.intake.joined, world.intake.assigned, world.reader.members = False, frozenset(), members

    assert await world.shown() == {}


async def test_a_shard_whose_worker_cannot_work_is_stalled_from_the_first_read() -> None:
    """What the worker commits about itself shows at once, in the gauge as in the table."""
    world = World()
    world.reader.lags = (replace(LAG, outage="store_unavailable"),)

    assert (await world.shown())[MetricName.LAG_VERDICT] == 2.0
