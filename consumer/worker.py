"""The worker: builds the stages, runs them in one task group, stops them in order.

Start: pages, styles, store, engine, bus; only then does it join the group. Stop: admit nothing, let running work finish
within the grace, commit, leave the group, end the engine.
"""

from __future__ import annotations

import asyncio
import gc
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import structlog

from consumer import failpoints
from consumer.delivery.heads import Heads
from consumer.delivery.poll_loop import PollLoop
from consumer.delivery.ports import BusError
from consumer.delivery.restore import OwnerTiming
from consumer.delivery.shard_owner import ShardOwner
from consumer.engine import open_engine
from consumer.kafka.acls import check_acls
from consumer.kafka.admin_client import open_admin
from consumer.kafka.bus import open_bus
from consumer.kafka.progress_publisher import ProgressPublisher
from consumer.kafka.topics import lane_topics, one_partition_count, retry_policy
from consumer.lag.gauges import GaugeReporter
from consumer.lag.history import LagHistory
from consumer.lag.reader import open_lag_reader
from consumer.pictures.encoder import PictureEncoder
from consumer.processing.admission import Admission
from consumer.processing.circuit_breaker import CircuitBreaker
from consumer.processing.handler import RequestHandler
from consumer.processing.outcomes import OutcomeBuilder
from consumer.processing.pipeline import Pipeline
from consumer.processing.store_outage import Operation, StoreOutage
from consumer.processing.styles import load_styles, require_adapters
from consumer.settings import OnRevoke
from consumer.storage import ADDRESSES_END_EARLY, S3Store
from consumer.telemetry.health import Health, Heartbeat, pulse, serve
from consumer.telemetry.metrics import make_metrics
from schemas import names

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine

    from consumer.delivery.ports import Bus, Reader
    from consumer.lag.reader import LagReader
    from consumer.ports import Engine
    from consumer.processing.styles import Styles
    from consumer.settings import Settings
    from consumer.telemetry.health import ServedAddress
    from consumer.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

Result = TypeVar("Result")

CONNECT_AGAIN_SECONDS = 3.0
POLL_BOUND_SECONDS = 120.0
"""Oldest poll that still counts as alive: a rebalance may hold one back for its whole timeout."""
LOOP_BOUND_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class OpenStages:
    """What lives as long as the worker does."""

    metrics: Metrics
    health: Health
    served: ServedAddress
    styles: Styles
    store: S3Store
    engine: Engine
    encoder: PictureEncoder
    reader: Reader
    bus: Bus
    lag_reader: LagReader
    partitions: int


async def run_worker(
    settings: Settings,
    stopping: asyncio.Event,
    on_ready: Callable[[ServedAddress], None],
    before_bus: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Work until `stopping` is set, then stop in order. Cancelling ends at once; nothing announced is lost by it.

    `on_ready` is called when every stage is up, with the address of the pages. Raises `Fatal` (possibly in an exception
    group) with the sentence that mends it.
    """
    failpoints.use(settings.worker.failpoints)
    async with open_stages(settings, before_bus) as stages:
        await _WorkerRun(settings, stages).work(stopping, on_ready)
    log.info("stopped")


@asynccontextmanager
async def open_stages(
    settings: Settings, before_bus: Callable[[], Awaitable[None]] | None = None
) -> AsyncIterator[OpenStages]:
    """Open every stage, the bus last. Waits without bound for brokers that do not answer; else raises `Fatal`.

    With the engine loaded, `before_bus` is awaited first.
    """
    metrics, health = make_metrics(), Health()
    health.ready["start"] = lambda: "the worker is starting"
    async with AsyncExitStack() as stack:
        styles = load_styles(settings.styles.file)
        served = await stack.enter_async_context(serve(settings.http, metrics, health))
        store = await stack.enter_async_context(S3Store(settings.storage))
        encoder = stack.enter_context(PictureEncoder(settings.worker.encode_threads))
        engine = await stack.enter_async_context(open_engine(settings.engine))
        require_adapters(styles.presets.values(), settings.engine.kind, engine.paintable.adapters)
        metrics.set_model(engine.paintable.model)
        if before_bus:
            await before_bus()
        admin = await _patiently(lambda: stack.enter_async_context(open_admin(settings.kafka)))
        await _patiently(lambda: check_acls(admin, settings))
        partitions = await _patiently(lambda: one_partition_count(admin, settings))
        lanes = lane_topics(settings)
        reader, bus = await _patiently(lambda: stack.enter_async_context(open_bus(settings.kafka, admin, lanes)))
        lag_reader = await _patiently(lambda: stack.enter_async_context(open_lag_reader(settings, admin)))
        yield OpenStages(metrics, health, served, styles, store, engine, encoder, reader, bus, lag_reader, partitions)


async def _patiently(attempt: Callable[[], Awaitable[Result]]) -> Result:
    while True:
        try:
            return await attempt()
        except BusError as error:
            log.warning("bus_unavailable", error=str(error), wait_seconds=CONNECT_AGAIN_SECONDS)
            await asyncio.sleep(CONNECT_AGAIN_SECONDS)


def spare_the_collector() -> None:
    """Keep what is there for good out of every collection, and collect less often.

    Modules and stages never become garbage, while a record makes hundreds of objects that die at once: with the default
    threshold a fifth of the time per record went into looking through all of it (docs/benchmarks/delivery.md).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000)


def _devices_missing(engine: Engine) -> str | None:
    missing = [device for device, ready in engine.device_ready.items() if not ready]
    return f"no process paints on {', '.join(missing)}" if missing else None


class _WorkerRun:
    """One run of the worker over open stages."""

    def __init__(self, settings: Settings, stages: OpenStages) -> None:
        self._settings = settings
        self._stages = stages
        self._admission = Admission(
            window=settings.engine.window * stages.engine.devices, unstored=settings.worker.pictures_unstored
        )
        self._outcomes = OutcomeBuilder(settings)
        self._progress = ProgressPublisher(settings, self._outcomes, stages.metrics)
        self._lanes = lane_topics(settings)
        self._breaker = CircuitBreaker(settings.worker.breaker_probe_seconds)
        self._outage = StoreOutage(
            lambda reason: stages.metrics.failures.labels(reason).inc(), settings.worker.store_retry_seconds
        )

    async def work(self, stopping: asyncio.Event, on_ready: Callable[[ServedAddress], None]) -> None:
        async with asyncio.TaskGroup() as jobs:
            crew = self._crew(jobs)
            intake = self._intake(crew)
            async with asyncio.TaskGroup() as services:
                running = [services.create_task(service) for service in self._services(intake)]
                running.append(services.create_task(self._greet_store()))
                self._tell_health(intake)
                spare_the_collector()
                on_ready(self._stages.served)
                await stopping.wait()
                await self._stop(intake, crew)
                for task in running:
                    task.cancel()

    async def _greet_store(self) -> None:
        """Check the store until all is well, so that wrong keys are told at the start and not by the first article."""
        store = self._stages.store
        await self._outage.retry_until_up(Operation.STARTUP_CHECK, store.prepare)
        if await self._outage.retry_until_up(Operation.STARTUP_CHECK, store.addresses_end_early):
            log.warning("addresses_end_early", meaning=ADDRESSES_END_EARLY)

    async def _stop(self, intake: PollLoop, crew: RequestHandler) -> None:
        log.info("stopping", grace_seconds=self._settings.worker.shutdown_grace_seconds)
        intake.stop()
        self._admission.close()
        await crew.finish(self._settings.worker.shutdown_grace_seconds)
        await intake.close_shards()

    def _services(self, intake: PollLoop) -> list[Coroutine[None, None, None]]:
        stages = self._stages
        beat = Heartbeat("turn of the event loop", LOOP_BOUND_SECONDS)
        stages.health.live["loop"] = beat
        gauges = GaugeReporter(
            stages.metrics,
            engine=stages.engine,
            admission=self._admission,
            breaker=self._breaker,
            poll_loop=intake,
            lag_reader=stages.lag_reader,
            history=LagHistory(self._settings, whole=False),
        )
        stages.health.ready["bus"] = lambda: gauges.bus_problem
        return [intake.run(), self._progress.run(), pulse(beat), gauges.run()]

    def _crew(self, jobs: asyncio.TaskGroup) -> RequestHandler:
        worker = self._settings.worker
        pipeline = Pipeline(
            jobs,
            styles=self._stages.styles,
            admission=self._admission,
            engine=self._stages.engine,
            encoder=self._stages.encoder,
            store=self._stages.store,
            outage=self._outage,
            breaker=self._breaker,
        )
        return RequestHandler(
            jobs,
            pipeline=pipeline,
            breaker=self._breaker,
            outage=self._outage,
            retries=retry_policy(self._settings),
            outcomes=self._outcomes,
            progress=self._progress,
            metrics=self._stages.metrics,
            poison_deaths=worker.poison_deaths,
        )

    def _intake(self, crew: RequestHandler) -> PollLoop:
        stages, settings = self._stages, self._settings
        timing = OwnerTiming(transaction=settings.kafka.transaction_timeout_seconds)
        table, group = settings.topics.named(names.HEADS), settings.kafka.group_id
        owners = {
            shard: ShardOwner(
                shard,
                self._lanes,
                bus=stages.bus,
                handler=crew,
                observer=crew,
                heads=Heads(table, group, shard),
                timing=timing,
            )
            for shard in range(stages.partitions)
        }
        polled = Heartbeat("poll of the bus", POLL_BOUND_SECONDS)
        stages.health.live["poll"] = polled
        return PollLoop(
            stages.reader,
            self._lanes,
            owners,
            max_in_flight=settings.worker.jobs_in_hand,
            cancel_revoked=settings.worker.on_revoke is OnRevoke.CANCEL,
            polled=polled.beat,
        )

    def _tell_health(self, intake: PollLoop) -> None:
        ready, engine = self._stages.health.ready, self._stages.engine
        ready.pop("start")
        ready["engine"] = lambda: None if engine.ready else "no device of the engine is ready"
        self._stages.health.degraded["devices"] = lambda: _devices_missing(engine)
        ready["group"] = lambda: None if intake.joined else "the consumer group gave no assignment yet"
        ready["store"] = self._outage
        ready["breaker"] = self._breaker
        ready["lanes"] = lambda: f"cannot be read: {intake.unreadable}" if intake.unreadable else None
        ready["shards"] = lambda: None if intake.all_open else "some assigned shards are not open"
