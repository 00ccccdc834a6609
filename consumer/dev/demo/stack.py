"""What the worker needs around it: Kafka with topics, a store with a bucket, a model. Started here, or pointed to."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from consumer.dev.demo.processes import running
from consumer.dev.embedded import KafkaServer, S3Server
from consumer.errors import Fatal
from consumer.kafka.admin_client import open_admin
from consumer.kafka.topics import Start, apply
from consumer.lag.reader import open_lag_reader, total
from consumer.settings import EngineKind, Settings
from consumer.settings.resources import demo_model
from consumer.storage import S3Store
from schemas import Reason

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

Tree = dict[str, Any]
"""Settings by section and name, as `Settings` takes them."""

_GRACE_SECONDS = 2  # nobody misses what is cut short here
_START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What to put together. An address of None means: start a server of our own; no model: take the one that ships.

    `partitions` of each topic on a bus of our own.
    """

    folder: Path
    engine: EngineKind = EngineKind.ZIMAGE
    model: Path | None = None
    bootstrap_servers: str | None = None
    endpoint_url: str | None = None
    partitions: int = 4

    @property
    def shared(self) -> bool:
        """True when the bus or the store is somebody else's and may remember earlier runs."""
        return bool(self.bootstrap_servers or self.endpoint_url)


@dataclass(frozen=True, slots=True)
class Stack:
    """What is up: its settings, and the same as environment variables for a worker."""

    settings: Settings
    environment: dict[str, str]

    @property
    def start_seconds(self) -> float:
        """Bound on the start of a worker here, the loading of its model included."""
        return _START_SECONDS + self.settings.engine.load_timeout_seconds


@asynccontextmanager
async def open_stack(plan: Plan, tell: Callable[[str], None]) -> AsyncIterator[Stack]:
    """Start everything at the same time, tell of each part that is up, and end it all on leaving, also when cancelled.

    Data of our own servers lies in a temporary folder. Raises `Fatal` or `BusError` when a part cannot be had, `Fatal`
    when the group of somebody else's bus is in use.
    """
    begun = monotonic()

    def up(what: str) -> None:
        tell(f"{what} ({monotonic() - begun:.1f} s)")

    with TemporaryDirectory(prefix="leadart-", ignore_cleanup_errors=True) as scratch:
        async with AsyncExitStack() as ends:
            builder = _Builder(plan, Path(scratch), ends, up)
            async with asyncio.TaskGroup() as tasks:
                parts = [tasks.create_task(part) for part in (builder.bus(), builder.store(), builder.engine())]
            tree = _COMMON | {section: found for part in parts for section, found in part.result().items()}
            yield Stack(settings_of(tree), as_environment(tree))


_COMMON: Tree = {
    "worker": {"shutdown_grace_seconds": _GRACE_SECONDS},
    "http": {"host": "127.0.0.1", "port": 0},
}


def settings_of(tree: Tree) -> Settings:
    """Return the settings, over those of the environment. Raises `Fatal` that names a wrong one."""
    try:
        return Settings(**tree)
    except ValidationError as error:
        first = error.errors()[0]
        raise Fatal(Reason.MISCONFIGURED, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def as_environment(tree: Tree) -> dict[str, str]:
    """Return the settings as LEADART_* variables; an empty one counts as not set and hides one that is inherited."""
    return {
        f"LEADART_{section}__{name}".upper(): "" if value is None else str(value)
        for section, values in tree.items()
        for name, value in values.items()
    }


class _Builder:
    """Puts the parts up, each returning the settings that lead to it."""

    def __init__(self, plan: Plan, scratch: Path, ends: AsyncExitStack, up: Callable[[str], None]) -> None:
        self._plan = plan
        self._scratch = scratch
        self._ends = ends
        self._up = up

    async def bus(self) -> Tree:
        """Have Kafka, with topics and the group's starting offsets."""
        address = self._plan.bootstrap_servers
        if address:
            tree: Tree = {"kafka": {"bootstrap_servers": address}}
        else:
            server = KafkaServer(self._scratch)
            await self._ends.enter_async_context(running(server, server.kill))
            tree = {
                "kafka": {"bootstrap_servers": server.bootstrap_servers, "security_protocol": "PLAINTEXT"},
                "topics": {"partitions": self._plan.partitions, "replication_factor": 1},
            }
        settings = settings_of(tree)
        applied = await apply(settings, Start.EARLIEST)
        if address:
            await _refuse_a_group_in_use(settings)
        self._up(f"Kafka at {tree['kafka']['bootstrap_servers']}, {len(applied.created)} topics made")
        return tree

    async def store(self) -> Tree:
        """Have an S3 store, with its bucket; our own lets everybody read the pictures, as a CDN would."""
        address = self._plan.endpoint_url
        if address:
            tree: Tree = {"storage": {"endpoint_url": address}}
        else:
            server = S3Server(self._scratch)
            await self._ends.enter_async_context(running(server, server.kill))
            tree = {"storage": _own_store(server)}
        settings = settings_of(tree)
        async with S3Store(settings.storage) as store:
            await store.prepare(create=True, public=not address)
        self._up(f"store at {tree['storage']['endpoint_url']}, bucket {settings.storage.bucket}")
        return tree

    async def engine(self) -> Tree:
        """Have a model; the swatch engine needs none."""
        if self._plan.engine is EngineKind.SWATCH:
            return {"engine": {"kind": EngineKind.SWATCH.value}}
        model = self._plan.model or demo_model()
        return {"engine": {"kind": EngineKind.ZIMAGE.value, "model": model.absolute()}}


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
    """Raise `Fatal` when other workers are in the group, or requests wait for it: ours would answer for them."""
    group = settings.kafka.group_id
    async with open_admin(settings.kafka) as admin:
        members = (await admin.group()).members
    async with open_lag_reader(settings) as reader:
        waiting = total((await reader.read(outcomes=False)).partitions)
    if members or waiting:
        raise Fatal(
            Reason.MISCONFIGURED,
            f"Group {group} is in use at {settings.kafka.bootstrap_servers} ({members} members, {waiting} records "
            "waiting). Set LEADART_KAFKA__GROUP_ID and LEADART_TOPICS__PREFIX to names that nobody uses.",
        )
