"""What a worker needs: Kafka with topics, a store with a bucket, a model. Started here, or existing ones."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from pydantic import ValidationError

from consumer.dev.demo.processes import WorkerProcess, running, starting, to_the_end
from consumer.dev.demo.servers import StackServers, open_servers
from consumer.dev.embedded import S3Server, Server
from consumer.errors import Fatal
from consumer.kafka.admin_client import open_admin
from consumer.kafka.topics import StartPosition, apply
from consumer.lag.reader import known_sum, open_lag_reader
from consumer.settings import EngineKind, Settings
from consumer.settings.resources import demo_model
from consumer.storage import S3Store
from schemas import Reason

Tree = dict[str, Any]
"""Settings by section and name, as `Settings` takes them."""

_GRACE_SECONDS = 2  # nothing of value is cut short here
_START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class StackPlan:
    """What to start. Without an address a new server is started; without a model, the shipped one is loaded.

    A new Kafka has `partitions` for each topic; its data and the store's are kept in `keep`, else temporary.
    """

    folder: Path
    engine: EngineKind = EngineKind.ZIMAGE
    model: Path | None = None
    bootstrap_servers: str | None = None
    endpoint_url: str | None = None
    partitions: int = 4
    keep: Path | None = None

    @property
    def shared(self) -> bool:
        """True when Kafka or the store is an existing one, and may remember earlier runs."""
        return bool(self.bootstrap_servers or self.endpoint_url)


@dataclass(frozen=True, slots=True)
class Stack:
    """A running stack: its settings, also as environment variables, the servers started here, and the worker."""

    settings: Settings
    environment: dict[str, str]
    servers: tuple[Server, ...]
    early: tuple[WorkerProcess, asyncio.Future[None]] | None

    @property
    def start_seconds(self) -> float:
        """Time limit for a worker to start, loading its model included."""
        return _start_seconds(self.settings)

    async def worker(self) -> WorkerProcess:
        """Return the worker once it is ready. Raises `Fatal` when it did not start, ValueError when there is none."""
        if self.early is None:
            raise ValueError("the stack was opened without a worker")
        worker, started = self.early
        await asyncio.shield(started)
        return worker

    async def stop_worker(self) -> None:
        """Stop the worker in order, while the servers still run."""
        if self.early:
            await to_the_end(asyncio.to_thread(self.early[0].stop))

    def check(self) -> None:
        """Raise `Fatal` with the end of its log when a server started here or the worker has ended by itself."""
        for server in (*self.servers, *(self.early or ())[:1]):
            server.check()


@asynccontextmanager
async def open_stack(
    plan: StackPlan, report: Callable[[str], None], *, with_worker: bool = False
) -> AsyncIterator[Stack]:
    """Start everything at once, report each part, and stop it all on leaving, also when cancelled.

    The worker loads its model while Kafka and the store start, and joins when both are up. Raises `Fatal` or `BusError`
    when a part does not start, `Fatal` when the group of an existing Kafka is in use.
    """
    begun = monotonic()

    def up(what: str) -> None:
        report(f"{what} ({monotonic() - begun:.1f} s)")

    with open_servers(plan.keep) as servers:
        async with AsyncExitStack() as ends, AsyncExitStack() as early:
            builder = _StackBuilder(plan, servers, ends, up)
            planned, joining = builder.tree, servers.folder / "worker-may-join"
            joining.unlink(missing_ok=True)
            worker = await _early_worker(early, plan, planned, joining) if with_worker else None
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(builder.bus())
                tasks.create_task(builder.store())
            servers.remember()
            tree = builder.tree
            if worker and tree != planned:  # another program took a port meanwhile
                await early.aclose()
                worker = await _early_worker(early, plan, tree, joining)
            joining.touch()
            yield Stack(settings_of(tree), as_environment(tree), tuple(builder.started), worker)


async def _early_worker(
    ends: AsyncExitStack, plan: StackPlan, tree: Tree, joining: Path
) -> tuple[WorkerProcess, asyncio.Future[None]]:
    worker = WorkerProcess(plan.folder, as_environment(tree), joining)
    worker.log.unlink(missing_ok=True)
    within = _start_seconds(settings_of(tree))
    return worker, await ends.enter_async_context(starting(worker, worker.stop, within))


def _start_seconds(settings: Settings) -> float:
    return _START_SECONDS + settings.engine.load_timeout_seconds


_COMMON: Tree = {
    "worker": {"shutdown_grace_seconds": _GRACE_SECONDS},
    "http": {"host": "127.0.0.1", "port": 0},
}


def settings_of(tree: Tree) -> Settings:
    """Return the settings, which override the environment. Raises `Fatal` naming an invalid one."""
    try:
        return Settings(**tree)
    except ValidationError as error:
        first = error.errors()[0]
        raise Fatal(Reason.MISCONFIGURED, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def as_environment(tree: Tree) -> dict[str, str]:
    """Return the settings as LEADART_* variables; an empty one counts as unset and hides an inherited one."""
    return {
        f"LEADART_{section}__{name}".upper(): "" if value is None else str(value)
        for section, values in tree.items()
        for name, value in values.items()
    }


@dataclass(slots=True)
class _StackBuilder:
    """Starts Kafka and the store; `tree` holds their settings."""

    plan: StackPlan
    servers: StackServers
    ends: AsyncExitStack
    up: Callable[[str], None]
    started: list[Server] = field(default_factory=list)

    @property
    def tree(self) -> Tree:
        """The settings; the address of a server started here is final once it is up."""
        return {**_COMMON, **self._bus_tree(), "storage": self._store_tree(), "engine": self._engine_tree()}

    async def bus(self) -> None:
        """Start or reach Kafka; create topics and the group's starting offsets."""
        address = self.plan.bootstrap_servers
        if not address:
            await self._start(self.servers.kafka)
        settings = settings_of(self._bus_tree())
        applied = await apply(settings, StartPosition.EARLIEST)
        if address:
            await _refuse_a_group_in_use(settings)
        self.up(f"Kafka at {settings.kafka.bootstrap_servers}, {len(applied.created)} topics created")

    async def store(self) -> None:
        """Start or reach an S3 store and create its bucket; in a store started here anybody may read the pictures."""
        if not self.plan.endpoint_url:
            await self._start(self.servers.s3)
        settings = settings_of({"storage": self._store_tree()}).storage
        async with S3Store(settings) as store:
            await store.prepare(create=True, public=not self.plan.endpoint_url)
        self.up(f"store at {self._store_tree()['endpoint_url']}, bucket {settings.bucket}")

    async def _start(self, server: Server) -> None:
        await self.ends.enter_async_context(running(server, server.stop if self.servers.kept else server.kill))
        self.started.append(server)

    def _bus_tree(self) -> Tree:
        if self.plan.bootstrap_servers:
            return {"kafka": {"bootstrap_servers": self.plan.bootstrap_servers}}
        own = self.servers.kafka.bootstrap_servers
        return {
            "kafka": {"bootstrap_servers": own, "security_protocol": "PLAINTEXT"},
            "topics": {"partitions": self.plan.partitions, "replication_factor": 1},
        }

    def _store_tree(self) -> Tree:
        address = self.plan.endpoint_url
        return {"endpoint_url": address} if address else _own_store(self.servers.s3)

    def _engine_tree(self) -> Tree:
        """Return the engine's settings; the swatch engine needs no model."""
        if self.plan.engine is EngineKind.SWATCH:
            return {"kind": EngineKind.SWATCH.value}
        model = self.plan.model or demo_model()
        return {"kind": EngineKind.ZIMAGE.value, "model": model.absolute()}


def _own_store(server: S3Server) -> dict[str, Any]:
    bucket = "leadart"
    return {
        "endpoint_url": server.endpoint_url,
        "bucket": bucket,
        "access_key_id": server.access_key_id,
        "secret_access_key": server.secret_access_key,
        "secret_access_key_file": None,
        "public_base_url": f"{server.endpoint_url}/{bucket}",
    }


async def _refuse_a_group_in_use(settings: Settings) -> None:
    """Raise `Fatal` when the group has members or waiting requests, which the demo's worker would answer."""
    group = settings.kafka.group_id
    async with open_admin(settings.kafka) as admin:
        members = len((await admin.group()).members or ())
    async with open_lag_reader(settings) as reader:
        waiting = known_sum(lag.records for lag in (await reader.read(outcomes=False)).partitions)
    if members or waiting:
        raise Fatal(
            Reason.MISCONFIGURED,
            f"Group {group} is in use at {settings.kafka.bootstrap_servers} ({members} members, {waiting} records "
            "waiting). Set LEADART_KAFKA__GROUP_ID and LEADART_TOPICS__PREFIX to unused names.",
        )
