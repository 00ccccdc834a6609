"""Runs the gateway: bus, store and HTTP server in one task group, stopped in order."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import structlog

from consumer.gateway.access.grants import GrantSigner
from consumer.gateway.access.key_file import read_keys
from consumer.gateway.access.key_watch import KeyWatch
from consumer.gateway.access.oidc import open_issuer
from consumer.gateway.access.quota import DailyQuota
from consumer.gateway.access.rates import CallerRates
from consumer.gateway.board.board import Board
from consumer.gateway.broadcast import Broadcast
from consumer.gateway.feed import FOLLOWED, Feed
from consumer.gateway.http_server import GatewayServer, listen, make_server
from consumer.gateway.preferences import Preferences, PreferencesFeed
from consumer.gateway.publishing import Publishing
from consumer.gateway.services import Gateway
from consumer.kafka.cms_client import open_publisher
from consumer.pictures.rendition_file import load_renditions
from consumer.processing.styles import load_styles
from consumer.settings import Settings
from consumer.settings.open_files import raise_gateway_files_limit
from consumer.storage import S3Store

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class GatewaySignals:
    """What a running gateway is told: to stop, and to read the key file at once."""

    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    reread: asyncio.Event = field(default_factory=asyncio.Event)


async def run_gateway(settings: Settings, signals: GatewaySignals, on_ready: Callable[[str, int], None]) -> None:
    """Serve until told to stop. `on_ready` is called with host and port once the topics are read up to now.

    Raises `Fatal` (possibly in an exception group) with a message that names the remedy.
    """
    raise_gateway_files_limit(settings)
    async with open_gateway(settings) as gateway, asyncio.TaskGroup() as tasks:
        server = make_server(gateway)
        keys = KeyWatch(settings.gateway.keys_file, gateway.use_keys, signals.reread)
        remembered = PreferencesFeed(settings, gateway.preferences)
        background = [tasks.create_task(each.run()) for each in (gateway.feed, keys, remembered)]
        serving = tasks.create_task(_serve(gateway, server, on_ready))
        await signals.stopping.wait()
        gateway.broadcast.end()
        server.should_exit = True
        if not server.started:
            serving.cancel()
        await asyncio.wait([serving])
        for task in background:
            task.cancel()


async def _serve(gateway: Gateway, server: GatewayServer, on_ready: Callable[[str, int], None]) -> None:
    await gateway.feed.ready.wait()
    listening = listen(gateway.settings.gateway)
    on_ready(gateway.settings.gateway.host, listening.getsockname()[1])
    await server.serve(sockets=[listening])


@asynccontextmanager
async def open_gateway(settings: Settings) -> AsyncIterator[Gateway]:
    """Open everything the endpoints work with. Raises `Fatal` or `BusError`."""
    topics = {settings.topics.named(base): base for base in FOLLOWED}
    board = Board(settings.gateway.history_mib * 1024 * 1024, topics, settings.gateway.history_days)
    broadcast = Broadcast()
    styles = load_styles(settings.styles.file)
    quota = DailyQuota(board, settings.gateway.pictures_per_day)
    async with (
        open_publisher(settings) as publisher,
        S3Store(settings.storage) as store,
        aiohttp.ClientSession() as issuer_client,
    ):
        yield Gateway(
            settings=settings,
            board=board,
            broadcast=broadcast,
            feed=Feed(settings, board, broadcast),
            publishing=Publishing(publisher, board, broadcast, styles, quota),
            preferences=Preferences(publisher),
            styles=styles,
            renditions=load_renditions(settings.renditions.file),
            store=store,
            picture_address=(await store.address("any"))[0],
            keys=read_keys(settings.gateway.keys_file),
            signer=GrantSigner(settings.gateway.secret),
            rates=CallerRates(settings.gateway.requests_per_second),
            issuer=open_issuer(settings.gateway, issuer_client),
        )
