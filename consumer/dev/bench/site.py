"""The Kafka a benchmark runs on: a broker of its own or an existing one, with topics of its own."""

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

from consumer.dev.bench.delivery_result import DeliveryPlan, DeliverySide
from consumer.dev.demo.processes import running
from consumer.dev.demo.stack import as_environment, settings_of
from consumer.dev.embedded import KafkaServer, Server
from consumer.dev.embedded.jars import ENDPOINT
from consumer.errors import Fatal
from consumer.kafka.admin_client import open_admin
from consumer.kafka.topics import StartPosition, apply
from consumer.settings import EngineKind, LogFormat, SecurityProtocol, Settings
from schemas import Reason
from schemas.topics import load_topics

ENGINE_WINDOW = 256
"""Pictures at the engine at a time: the default suits batches, and an empty engine has none."""


_MODULES = {DeliverySide.LEADART: "consumer.dev.bench.ours", DeliverySide.FASTSTREAM: "consumer.dev.bench.theirs"}


def require_faststream() -> None:
    """Raise `Fatal`, saying what to install, when FastStream is missing."""
    if find_spec("faststream") is None:
        raise Fatal(
            Reason.MISCONFIGURED, "This benchmark runs FastStream beside the worker: pip install 'leadart[bench]'."
        )


class SideProcess(Server):
    """One side; its log is `<side>.log` in `folder`. It counts as up as soon as its process runs."""

    def __init__(self, folder: Path, side: DeliverySide, environment: Mapping[str, str]) -> None:
        super().__init__(folder, side)
        self._side = side
        self._environment = dict(environment)

    def _command(self) -> tuple[list[str], dict[str, str]]:
        return [sys.executable, "-P", "-m", _MODULES[self._side]], self._environment

    def _answers(self) -> bool:
        return self.running


@dataclass(frozen=True, slots=True)
class BenchSite:
    """A Kafka with the topics of one run; `bus` describes it in words."""

    folder: Path
    bus: str
    tree: dict[str, dict[str, Any]]

    @property
    def settings(self) -> Settings:
        """Return the settings for it."""
        return settings_of(self.tree)

    @asynccontextmanager
    async def working(self, side: DeliverySide, start: StartPosition) -> AsyncIterator[SideProcess]:
        """Let a side work in a new group, from `start` on, until the end of the block, when it is stopped.

        Raises `BusError`, and `Fatal` when its process does not start.
        """
        tree = {**self.tree, "kafka": {**self.tree["kafka"], "group_id": f"bench-{uuid4().hex[:8]}"}}
        await apply(settings_of(tree), start)
        process = SideProcess(self.folder, side, as_environment(tree))
        async with running(process, process.stop):
            yield process


@asynccontextmanager
async def open_site(plan: DeliveryPlan, bootstrap_servers: str | None) -> AsyncIterator[BenchSite]:
    """Start a broker, or use the one named, and create topics there; both are removed on leaving.

    Raises `Fatal` or `BusError` when no broker can be used.
    """
    with TemporaryDirectory(prefix="leadart-bench-", ignore_cleanup_errors=True) as scratch:
        folder = Path(scratch)
        if bootstrap_servers:
            site = BenchSite(
                folder, f"Kafka at {bootstrap_servers}", _tree(plan, {"bootstrap_servers": bootstrap_servers})
            )
            _require_plaintext(site.settings)
            await apply(site.settings, None)
            try:
                yield site
            finally:
                await _remove_topics(site.settings)
            return
        server = KafkaServer(folder)
        async with running(server, server.stop):
            own = {"bootstrap_servers": server.bootstrap_servers, "security_protocol": SecurityProtocol.PLAINTEXT.value}
            site = BenchSite(
                folder, f"{ENDPOINT.split('+')[0]}, one broker of 256 MB on this machine", _tree(plan, own)
            )
            await apply(site.settings, None)
            yield site


def _require_plaintext(settings: Settings) -> None:
    if settings.kafka.security_protocol is not SecurityProtocol.PLAINTEXT:
        raise Fatal(
            Reason.MISCONFIGURED,
            "The benchmark's other side uses neither TLS nor SASL: unset LEADART_KAFKA__SECURITY_PROTOCOL.",
        )


def _tree(plan: DeliveryPlan, kafka: dict[str, str]) -> dict[str, dict[str, Any]]:
    return {
        "kafka": {**kafka, "group_id": "bench"},
        "topics": {"prefix": f"bench-{uuid4().hex[:8]}-", "partitions": plan.partitions},
        "engine": {"kind": EngineKind.SWATCH.value, "window": ENGINE_WINDOW},
        "worker": {"progress": plan.progress},
        "http": {"host": "127.0.0.1", "port": 0},
        "log": {"format": LogFormat.JSON.value, "level": "info" if plan.logs else "warning"},
    }


async def _remove_topics(settings: Settings) -> None:
    async with open_admin(settings.kafka) as admin:
        await admin.delete_topics([settings.topics.named(spec.name) for spec in load_topics()])
