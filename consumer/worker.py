"""The worker: builds the stages, runs them in one task group, stops them in order.

Start: pages, styles, store, engine, bus; it joins the group once it can work (`consumer.processing.membership`). Stop:
admit nothing, let running work finish within the grace, commit, leave the group, end the engine.
"""

import asyncio
import gc
from collections.abc import Awaitable, Callable

import structlog

from consumer import failpoints
from consumer.delivery.heads import Heads
from consumer.delivery.poll_loop import PollLoop
from consumer.delivery.restore import OwnerTiming
from consumer.delivery.shard_owner import ShardOwner
from consumer.kafka.topics import lane_topics, retry_policy
from consumer.lag.gauges import GaugeReporter
from consumer.lag.history import LagHistory
from consumer.ports import Engine
from consumer.processing.ability import Ability
from consumer.processing.admission import Admission
from consumer.processing.announcing import Announcer
from consumer.processing.circuit_breaker import CircuitBreaker
from consumer.processing.delivery_log import DeliveryLog
from consumer.processing.handler import RequestHandler
from consumer.processing.membership import Membership, MembershipTiming
from consumer.processing.outcomes import OutcomeBuilder
from consumer.processing.pipeline import Pipeline
from consumer.processing.renditions import RenditionStage
from consumer.processing.settling import Settling
from consumer.processing.store_outage import Operation, StoreOutage
from consumer.settings import FocalPointChoice, OnRevoke, Settings
from consumer.stages import OpenStages, open_stages
from consumer.storage import ADDRESSES_END_EARLY
from consumer.telemetry.health import Heartbeat, ServedAddress, pulse
from schemas import names

log = structlog.get_logger(__name__)

POLL_BOUND_SECONDS = 120.0
"""Oldest poll that still counts as alive: a rebalance may hold one back for its whole timeout."""
LOOP_BOUND_SECONDS = 30.0
CLOSING_SECONDS = 5.0
"""Of the grace, what is kept for the last commits and for leaving the group: a second when nothing is down."""


async def run_worker(
    settings: Settings,
    stopping: asyncio.Event,
    on_ready: Callable[[ServedAddress], None],
    before_bus: Callable[[], Awaitable[None]] | None = None,
    reload: asyncio.Event | None = None,
) -> None:
    """Work until `stopping` is set, then stop in order. Cancelling ends at once and loses nothing that was announced.

    `on_ready` is called when every stage is up, with the address of the pages. Setting `reload` reads the editorial
    policy again. Raises `Fatal` (possibly in an exception group) with a message that names the remedy.
    """
    failpoints.use(settings.worker.failpoints)
    async with open_stages(settings, before_bus, reload) as stages:
        await WorkerRun(settings, stages).work(stopping, on_ready)
    log.info("stopped")


def spare_the_collector() -> None:
    """Exempt all present objects from garbage collection, and collect less often.

    Modules and stages never become garbage, while a record makes hundreds of objects that die at once: with the default
    threshold a fifth of the time per record went into traversing all of them (docs/benchmarks/delivery.md).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000)


class WorkerRun:
    """One run of the worker over open stages."""

    def __init__(self, settings: Settings, stages: OpenStages) -> None:
        self._settings = settings
        self._stages = stages
        self._admission = Admission(
            window=settings.engine.window * stages.engine.devices, unstored=settings.worker.pictures_unstored
        )
        self._lanes = lane_topics(settings)
        self._breaker = CircuitBreaker(settings.worker.breaker_probe_seconds)
        self._outage = StoreOutage(
            lambda reason: stages.metrics.failures.labels(reason).inc(),
            settings.worker.store_retry_seconds,
            stages.store.probe,
        )
        self._ability = Ability(lambda: stages.engine.ready, self._outage, self._breaker)
        self._membership = Membership(self._ability, self._check_store, stages.peers, self._membership_timing())
        self._polled = Heartbeat("poll of the bus", POLL_BOUND_SECONDS)
        self._looped = Heartbeat("turn of the event loop", LOOP_BOUND_SECONDS)

    async def work(self, stopping: asyncio.Event, on_ready: Callable[[ServedAddress], None]) -> None:
        """Work until `stopping` is set, then stop in order; see `run_worker`."""
        async with asyncio.TaskGroup() as jobs:
            renditions = self._renditions(jobs)
            settling = Settling()
            handler = self._handler(jobs, renditions, settling)
            poll_loop = self._poll_loop(handler)
            settling.room = poll_loop.settling_room
            gauges = self._gauges(poll_loop)
            async with asyncio.TaskGroup() as tasks:
                services = [self._membership.run, self._check_addresses, poll_loop.run, *self._stages.services]
                services += [gauges.run] if gauges else []
                running = [tasks.create_task(service()) for service in services]
                running.append(tasks.create_task(pulse(self._looped)))
                self._set_health(poll_loop, gauges)
                spare_the_collector()
                on_ready(self._stages.served)
                await stopping.wait()
                await self._stop(poll_loop, handler, renditions)
                for task in running:
                    task.cancel()

    async def _check_store(self) -> None:
        """Check the store until it works, so that wrong keys show at the start and not with the first article."""
        await self._outage.retry_until_up(Operation.CHECK, self._stages.store.prepare)

    async def _check_addresses(self) -> None:
        if await self._outage.retry_until_up(Operation.ADDRESS, self._stages.store.addresses_end_early):
            log.warning("addresses_end_early", meaning=ADDRESSES_END_EARLY)

    def _membership_timing(self) -> MembershipTiming:
        """Return when to leave: others notice an outage that is theirs too within the store's timeout."""
        rest = self._settings.worker.leave_seconds
        leave = rest + self._settings.storage.timeout_seconds
        return MembershipTiming(leave=leave, engine=self._stages.engine_seconds, rest=rest)

    async def _stop(self, poll_loop: PollLoop, handler: RequestHandler, renditions: RenditionStage) -> None:
        grace = self._settings.worker.shutdown_grace_seconds
        log.info("stopping", grace_seconds=grace)
        poll_loop.stop()
        self._admission.close()
        renditions.close()
        await handler.finish(max(0.0, grace - CLOSING_SECONDS))
        await poll_loop.close_shards()

    def _gauges(self, poll_loop: PollLoop) -> GaugeReporter | None:
        stages = self._stages
        if stages.lag_reader is None:
            return None
        return GaugeReporter(
            stages.metrics,
            engine=stages.engine,
            admission=self._admission,
            breaker=self._breaker,
            poll_loop=poll_loop,
            lag_reader=stages.lag_reader,
            history=LagHistory(self._settings, whole=False),
        )

    def _renditions(self, jobs: asyncio.TaskGroup) -> RenditionStage:
        stages, settings = self._stages, self._settings.renditions
        return RenditionStage(
            jobs,
            sets=stages.sets,
            encoder=stages.encoder,
            store=stages.store,
            outage=self._outage,
            threads=settings.threads,
            use_found=settings.focal_point is FocalPointChoice.FOUND,
        )

    def _handler(self, jobs: asyncio.TaskGroup, renditions: RenditionStage, settling: Settling) -> RequestHandler:
        stages, settings = self._stages, self._settings
        pipeline = Pipeline(
            jobs,
            styles=stages.styles,
            admission=self._admission,
            engine=stages.engine,
            encoder=stages.encoder,
            store=stages.store,
            renditions=renditions,
            announcer=Announcer(stages.store, self._outage, settings.disclosure),
            outage=self._outage,
            breaker=self._breaker,
        )
        return RequestHandler(
            jobs,
            pipeline=pipeline,
            store=stages.store,
            breaker=self._breaker,
            outage=self._outage,
            ability=self._ability,
            retries=retry_policy(settings),
            outcomes=OutcomeBuilder(settings),
            progress=stages.progress,
            metrics=stages.metrics,
            poison_deaths=settings.worker.poison_deaths,
            policy=lambda: stages.policy.current,
            settling=settling,
        )

    def _poll_loop(self, handler: RequestHandler) -> PollLoop:
        stages, settings = self._stages, self._settings
        timing = OwnerTiming(transaction=settings.kafka.transaction_timeout_seconds)
        table, group = settings.topics.named(names.HEADS), settings.kafka.group_id
        observer = DeliveryLog(OutcomeBuilder(settings), stages.metrics)
        owners = {
            shard: ShardOwner(
                shard,
                self._lanes,
                bus=stages.bus,
                handler=handler,
                observer=observer,
                heads=Heads(table, group, shard),
                timing=timing,
                end_held=handler.end_held,
                holdable={settings.topics.named(names.BACKFILL)},
            )
            for shard in range(stages.partitions)
        }
        return PollLoop(
            stages.reader,
            self._lanes,
            owners,
            wanted=lambda: self._membership.wanted,
            max_in_flight=settings.worker.jobs_in_hand,
            cancel_revoked=settings.worker.on_revoke is OnRevoke.CANCEL,
            polled=self._polled.beat,
            strangers=stages.bus.strangers,
        )

    def _set_health(self, poll_loop: PollLoop, gauges: GaugeReporter | None) -> None:
        health, membership = self._stages.health, self._membership
        health.live.update(loop=self._looped, poll=self._polled)
        health.degraded["devices"] = lambda: _devices_missing(self._stages.engine)
        health.degraded["paused"] = lambda: gauges.paused() if gauges else None
        health.degraded["policy"] = self._stages.policy.problem
        health.ready.clear()
        health.ready.update(
            bus=lambda: gauges.bus_problem if gauges else None,
            engine=self._ability.engine_problem,
            group=lambda: membership() or _group_problem(poll_loop),
            store=self._outage,
            breaker=self._breaker,
            lanes=lambda: f"cannot be read: {poll_loop.unreadable}" if poll_loop.unreadable else None,
            shards=lambda: None if poll_loop.all_open else poll_loop.stuck or "some assigned shards are not open",
        )


def _group_problem(poll_loop: PollLoop) -> str | None:
    if not poll_loop.joined:
        return "the consumer group gave no assignment yet"
    return f"others in the group keep shards from this worker: {poll_loop.strangers}" if poll_loop.strangers else None


def _devices_missing(engine: Engine) -> str | None:
    missing = [device for device, ready in engine.device_ready.items() if not ready]
    return f"no process paints on {', '.join(missing)}" if missing else None
