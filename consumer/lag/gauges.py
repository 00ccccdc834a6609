"""Gauges: figures that are read, not counted, such as records in flight, open shards and the lag."""

import asyncio
from dataclasses import dataclass, field, replace

import structlog
from prometheus_client import Gauge

from consumer.delivery.controls import NO_CONTROLS, Controls
from consumer.delivery.poll_loop import PollLoop
from consumer.delivery.ports import BusError
from consumer.lag.history import LagHistory, PartitionStatus
from consumer.lag.reader import LagReader
from consumer.lag.throughput import NO_THROUGHPUT
from consumer.ports import Engine
from consumer.processing.admission import Admission
from consumer.processing.circuit_breaker import CircuitBreaker
from consumer.telemetry.metrics import Metrics, Stage
from consumer.telemetry.streams import log_lines_lost

log = structlog.get_logger(__name__)

READ_SECONDS = 1.0
LAG_EVERY = 10
"""Reads from one reading of the lag to the next, which costs some ten round trips."""


@dataclass(slots=True)
class GaugeReporter:
    """Sets the gauges from what the stages report of themselves. `run` belongs in the worker's task group."""

    metrics: Metrics
    engine: Engine
    admission: Admission
    breaker: CircuitBreaker
    poll_loop: PollLoop
    lag_reader: LagReader
    history: LagHistory
    bus_problem: str | None = None
    controls: Controls = NO_CONTROLS
    _reported: set[tuple[str, int]] = field(default_factory=set)
    _rebalances_reported: int = 0
    _restarts_reported: int = 0
    _lost_reported: int = 0

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            for count in range(LAG_EVERY):
                self._read()
                if count == 0:
                    await self._read_lag()
                await asyncio.sleep(READ_SECONDS)

    def _read(self) -> None:
        metrics, poll_loop = self.metrics, self.poll_loop
        metrics.engine_ready.set(self.engine.ready)
        for device, ready in self.engine.device_ready.items():
            metrics.engine_device_ready.labels(device).set(ready)
        metrics.breaker_open.set(self.breaker.cause is not None)
        metrics.pictures_unstored.set(self.admission.in_memory)
        lost = log_lines_lost()
        metrics.log_lines_lost.inc(lost - self._lost_reported)
        self._lost_reported = lost
        metrics.engine_restarts.inc(self.engine.restarts - self._restarts_reported)
        self._restarts_reported = self.engine.restarts
        metrics.rebalances.inc(poll_loop.rebalances - self._rebalances_reported)
        self._rebalances_reported = poll_loop.rebalances
        metrics.group_strangers.set(bool(poll_loop.incomplete))
        metrics.shards_open.set(poll_loop.open_shards)
        metrics.assigned_partitions.set(len(poll_loop.assigned) * len(poll_loop.lanes))
        for lane in poll_loop.lanes:
            metrics.jobs_in_hand.labels(lane).set(poll_loop.in_flight(lane))

    async def _read_lag(self) -> None:
        """Report the lag of this worker's shards. What cannot be read is removed from the page: unknown is never 0."""
        joined = self.poll_loop.joined
        statuses = await self._statuses(joined=joined)
        reported = {(each.lag.topic, each.lag.partition) for each in statuses}
        for topic, partition in self._reported - reported:
            self.metrics.remove_partition(topic, partition)
        self._reported = reported
        for each in statuses:
            self._report(each, whole=joined)

    async def _statuses(self, *, joined: bool) -> list[PartitionStatus]:
        """Return those of this worker's shards; outside an empty group those of all, since nobody else has them."""
        try:
            # A worker knows by itself what it announced: it needs no ACL to read outcomes.
            snapshot = await self.lag_reader.read(self._shards, outcomes=False)
            if not joined and snapshot.members == 0:
                snapshot = await self.lag_reader.read(None, outcomes=False)
            self.bus_problem = None
        except BusError as error:
            if self.bus_problem is None:
                log.warning("lag_unknown", error=str(error))
            self.bus_problem = f"Kafka does not answer: {error}"
            return []
        self._show_paused(snapshot.controls)
        throughput = replace(NO_THROUGHPUT, engine_seconds=self.metrics.mean_seconds(Stage.ENGINE))
        # It may have lost some meanwhile.
        mine = tuple(lag for lag in snapshot.partitions if lag.partition in self._shards or not joined)
        return self.history.assess(replace(snapshot, throughput=throughput, partitions=mine))

    def _show_paused(self, controls: Controls | None) -> None:
        """Show how much is paused; what could not be read stays as it was known."""
        self.controls = controls or self.controls
        self.metrics.paused.set(len(self.controls.pauses))

    def paused(self) -> str | None:
        """Return what is paused, in a sentence; None if nothing is."""
        named = "; ".join(str(pause.match) for pause in self.controls.pauses)
        return f"paused: {named}. To let it go on: leadart resume" if named else None

    @property
    def _shards(self) -> frozenset[int]:
        """This worker's shards, and those of which strangers keep a part from it."""
        return self.poll_loop.assigned | self.poll_loop.incomplete

    def _report(self, each: PartitionStatus, *, whole: bool) -> None:
        """Set a partition's gauges; unless `whole` only the verdict: several may report it, and sums are made."""
        metrics, lag = self.metrics, each.lag
        verdict = None if each.status is None else each.status.level
        figures: dict[Gauge, float | None] = {
            metrics.consumer_lag: lag.records,
            metrics.committed_offset: lag.committed,
            metrics.incomplete: lag.incomplete,
            metrics.oldest_pending: each.waited,
            metrics.not_due: lag.not_due,
            metrics.hidden: lag.hidden,
            metrics.backlog_engine: each.engine_seconds,
            metrics.foreign_offsets: None if lag.committed is None else len(lag.skipped),
            metrics.lag_verdict: verdict,
        }
        if not whole:
            figures = {**dict.fromkeys(figures), metrics.lag_verdict: verdict}
        metrics.set_partition(lag.topic, lag.partition, figures)
