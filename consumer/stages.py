"""The stages of a worker: what it is composed of, opened in order, the bus last."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

import structlog

from consumer.delivery.ports import Bus, BusError, Reader
from consumer.engine import open_engine
from consumer.kafka.acls import check_acls
from consumer.kafka.admin_client import KafkaAdmin, open_admin
from consumer.kafka.bus import open_bus
from consumer.kafka.group import check_group
from consumer.kafka.peers import GroupPeers
from consumer.kafka.progress_publisher import ProgressPublisher
from consumer.kafka.topics import lane_topics, one_partition_count
from consumer.lag.positions import require_some_shard
from consumer.lag.reader import LagReader, open_lag_reader
from consumer.pictures.encoder import PictureEncoder
from consumer.pictures.rendition_file import load_renditions
from consumer.ports import Encoder, Engine, WorkerStore
from consumer.processing.membership import Peers
from consumer.processing.outcomes import OutcomeBuilder
from consumer.processing.policy.reloading import PolicyInForce
from consumer.processing.progress import ProgressFeed
from consumer.processing.renditions import SiteSets
from consumer.processing.styles import Styles, load_styles, require_adapters
from consumer.settings import Settings
from consumer.settings.open_files import raise_open_files_limit
from consumer.storage import S3Store
from consumer.telemetry.health import Health, ServedAddress, serve
from consumer.telemetry.metrics import Metrics, make_metrics

log = structlog.get_logger(__name__)

Result = TypeVar("Result")

CONNECT_AGAIN_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class OpenStages:
    """What a worker is composed of, open for as long as it runs. Replace a field to compose it otherwise.

    `services` run beside the worker until it stops. Without a `lag_reader` no gauges are set; without `peers` the
    worker never leaves the group. `engine_seconds`: how long the engine took to load.
    """

    metrics: Metrics
    health: Health
    served: ServedAddress
    styles: Styles
    policy: PolicyInForce
    sets: SiteSets
    store: WorkerStore
    engine: Engine
    encoder: Encoder
    reader: Reader
    bus: Bus
    partitions: int
    progress: ProgressFeed
    lag_reader: LagReader | None = None
    peers: Peers | None = None
    engine_seconds: float = 0.0
    services: tuple[Callable[[], Coroutine[None, None, None]], ...] = ()


@asynccontextmanager
async def open_stages(
    settings: Settings,
    before_bus: Callable[[], Awaitable[None]] | None = None,
    reload: asyncio.Event | None = None,
) -> AsyncIterator[OpenStages]:
    """Open every stage, the bus last. Waits without bound for brokers that do not answer; else raises `Fatal`.

    With the engine loaded, `before_bus` is awaited first.
    """
    metrics, health = make_metrics(), starting()
    raise_open_files_limit(settings, settings.topics.partitions)
    async with AsyncExitStack() as stack:
        styles, sets = load_styles(settings.styles.file), load_renditions(settings.renditions.file)
        policy = PolicyInForce(settings.policy.file, styles, asked=reload)
        served = await stack.enter_async_context(serve(settings.http, metrics, health))
        store = await stack.enter_async_context(S3Store(settings.storage))
        threads = (settings.worker.encode_threads, settings.renditions.threads)
        encoder = stack.enter_context(PictureEncoder(*threads, producer=settings.disclosure.producer))
        engine, engine_seconds = await _timed(stack.enter_async_context(open_engine(settings.engine)))
        require_adapters(styles.presets.values(), settings.engine.kind, engine.paintable.adapters)
        metrics.set_model(engine.paintable.model)
        if before_bus:
            await before_bus()
        admin = await _patiently(lambda: stack.enter_async_context(open_admin(settings.kafka)))
        partitions, lanes = await _patiently(lambda: _checked(admin, settings)), lane_topics(settings)
        raise_open_files_limit(settings, partitions)
        reader, bus = await _patiently(lambda: stack.enter_async_context(open_bus(settings.kafka, admin, lanes)))
        lags = await _patiently(lambda: stack.enter_async_context(open_lag_reader(settings, admin)))
        require_some_shard(await _patiently(lags.positions), partitions)
        progress = ProgressPublisher(settings, OutcomeBuilder(settings), metrics)
        ours = (metrics, health, served, styles, policy, sets, store, engine, encoder)
        peers = GroupPeers(admin, reader, lanes, partitions)
        yield OpenStages(
            *ours, reader, bus, partitions, progress, lags, peers, engine_seconds, (progress.run, policy.run)
        )


async def _checked(admin: KafkaAdmin, settings: Settings) -> int:
    """Check rights, topics and group; return the number of partitions."""
    await check_acls(admin, settings)
    partitions = await one_partition_count(admin, settings)
    await check_group(admin, settings, lane_topics(settings))
    return partitions


def starting() -> Health:
    """Return the health of a worker that is opening its stages; `WorkerRun` replaces its checks once they are open."""
    return Health(ready={"start": lambda: "the worker is starting"})


async def _timed(wait: Awaitable[Result]) -> tuple[Result, float]:
    begun = time.monotonic()
    return await wait, time.monotonic() - begun


async def _patiently(attempt: Callable[[], Awaitable[Result]]) -> Result:
    while True:
        try:
            return await attempt()
        except BusError as error:
            log.warning("bus_unavailable", error=str(error), wait_seconds=CONNECT_AGAIN_SECONDS)
            await asyncio.sleep(CONNECT_AGAIN_SECONDS)
