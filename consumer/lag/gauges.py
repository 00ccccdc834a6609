"""Figures that are read, not counted: how much is in hand, which shards are open, how far behind the group is."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from consumer.delivery.ports import BusError
from consumer.lag.throughput import NOTHING_MEASURED
from consumer.telemetry.metrics import Stage

if TYPE_CHECKING:
    from consumer.delivery.poll_loop import PollLoop
    from consumer.lag.history import History, Judged
    from consumer.lag.reader import LagReader
    from consumer.ports import Engine
    from consumer.processing.admission import Admission
    from consumer.processing.circuit_breaker import CircuitBreaker
    from consumer.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

READ_SECONDS = 1.0
LAG_EVERY = 10
"""Reads between two looks at the lag, which costs some ten round trips."""


class Gauges:
    """Sets the gauges from what the stages say of themselves. `run` belongs in the worker's task group."""

    def __init__(  # noqa: PLR0913 - what it reads
        self,
        metrics: Metrics,
        *,
        engine: Engine,
        scheduler: Admission,
        breaker: CircuitBreaker,
        intake: PollLoop,
        lag_reader: LagReader,
        history: History,
    ) -> None:
        self._metrics = metrics
        self._engine = engine
        self._scheduler = scheduler
        self._breaker = breaker
        self._intake = intake
        self._lag_reader = lag_reader
        self._history = history
        self._told: set[tuple[str, int]] = set()
        self._rebalances_told = 0
        self.bus_trouble: str | None = None
        self._restarts_told = 0

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            for turn in range(LAG_EVERY):
                self._read()
                if turn == 0:
                    await self._read_lag()
                await asyncio.sleep(READ_SECONDS)

    def _read(self) -> None:
        metrics, intake = self._metrics, self._intake
        metrics.engine_ready.set(self._engine.ready)
        for device, ready in self._engine.device_ready.items():
            metrics.engine_device_ready.labels(device).set(ready)
        metrics.breaker_open.set(self._breaker.cause is not None)
        metrics.pictures_unstored.set(self._scheduler.in_memory)
        metrics.engine_restarts.inc(self._engine.restarts - self._restarts_told)
        self._restarts_told = self._engine.restarts
        metrics.rebalances.inc(intake.rebalances - self._rebalances_told)
        self._rebalances_told = intake.rebalances
        metrics.shards_open.set(intake.open_shards)
        metrics.assigned_partitions.set(len(intake.assigned) * len(intake.lanes))
        for lane in intake.lanes:
            metrics.jobs_in_hand.labels(lane).set(intake.in_flight(lane))

    async def _read_lag(self) -> None:
        """Tell the lag of this worker's shards. What cannot be read is taken off the page: unknown is never 0."""
        judged = await self._judge()
        told = {(each.lag.topic, each.lag.partition) for each in judged}
        for topic, partition in self._told - told:
            self._metrics.remove_partition(topic, partition)
        self._told = told
        for each in judged:
            self._tell(each)

    async def _judge(self) -> list[Judged]:
        try:
            # What this worker announced it knows by itself: it needs no right to read outcomes.
            look = await self._lag_reader.read(self._intake.assigned, outcomes=False)
            self.bus_trouble = None
        except BusError as error:
            if self.bus_trouble is None:
                log.warning("lag_unknown", error=str(error))
            self.bus_trouble = f"Kafka does not answer: {error}"
            return []
        measured = replace(NOTHING_MEASURED, engine_seconds=self._metrics.mean_seconds(Stage.ENGINE))
        # It may have lost some while it looked.
        mine = tuple(lag for lag in look.partitions if lag.partition in self._intake.assigned)
        return self._history.judge(replace(look, measured=measured, partitions=mine))

    def _tell(self, judged: Judged) -> None:
        metrics, lag = self._metrics, judged.lag
        figures = {
            metrics.consumer_lag: lag.records,
            metrics.committed_offset: lag.committed,
            metrics.incomplete: lag.incomplete,
            metrics.oldest_pending: judged.waited,
            metrics.not_due: lag.not_due,
            metrics.hidden: lag.hidden,
            metrics.backlog_engine: judged.engine_seconds,
            metrics.lag_verdict: None if judged.verdict is None else judged.verdict.level,
        }
        metrics.set_partition(lag.topic, lag.partition, figures)
