"""Runs the gateway: bus, store and HTTP server in one task group, stopped in order."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import structlog

from consumer.gateway.access.grants import GrantSigner
from consumer.gateway.access.key_file import read_keys
from consumer.gateway.access.key_watch import WatchedKeys
from consumer.gateway.access.oidc import open_issuer
from consumer.gateway.access.quota import DailyQuota
from consumer.gateway.access.rates import CallerRates
from consumer.gateway.board.board import Board
from consumer.gateway.broadcast import Broadcast
from consumer.gateway.bus_link import BusLink
from consumer.gateway.bus_publisher import BusPublisher, LinkedPublisher
from consumer.gateway.feed import FOLLOWED, Feed
from consumer.gateway.file_watch import FileWatch
from consumer.gateway.http_server import certificate, listen, make_server
from consumer.gateway.preferences import Preferences, PreferencesFeed
from consumer.gateway.publishing import Publishing
from consumer.gateway.services import Gateway
from consumer.pictures.rendition_file import load_renditions
from consumer.processing.styles import load_styles
from consumer.settings import Settings
from consumer.settings.open_files import raise_gateway_files_limit
from consumer.storage import S3Store

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class GatewaySignals:
    """What a running gateway is told: to stop, and to read its keys and its certificate at once."""

    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    reread: asyncio.Event = field(default_factory=asyncio.Event)


async def run_gateway(settings: Settings, signals: GatewaySignals, on_ready: Callable[[str, int], None]) -> None:
    """Serve until told to stop. `on_ready` is called with host and port once the topics are read up to now.

    Meanwhile it answers 503, and `/readyz` says what it waits for.

    Raises `Fatal` (possibly in an exception group) with a message that names the remedy.
    """
    raise_gateway_files_limit(settings)
    async with open_gateway(settings) as gateway, asyncio.TaskGroup() as tasks:
        server = make_server(gateway)
        listening = listen(settings.gateway)
        watch = FileWatch(
            [WatchedKeys(settings.gateway.keys_file, gateway.use_keys), *certificate(server)], signals.reread
        )
        remembered = PreferencesFeed(settings, gateway.preferences)
        services = [each.run for each in (gateway.feed, gateway.publisher, remembered, watch)]
        background = [tasks.create_task(service()) for service in services]
        background.append(tasks.create_task(_tell_ready(gateway, listening, on_ready)))
        serving = tasks.create_task(server.serve(sockets=[listening]))
        await signals.stopping.wait()
        gateway.broadcast.end()
        server.should_exit = True
        await asyncio.wait([serving])
        for task in background:
            task.cancel()


async def _tell_ready(gateway: Gateway, listening: socket.socket, on_ready: Callable[[str, int], None]) -> None:
    host, port = gateway.settings.gateway.host, listening.getsockname()[1]
    log.info("gateway_listens", host=host, port=port)
    for link in gateway.links:
        await link.ready.wait()
    on_ready(host, port)


@asynccontextmanager
async def open_gateway(settings: Settings) -> AsyncIterator[Gateway]:
    """Open everything the endpoints work with; Kafka is not asked yet. Raises `Fatal`."""
    topics = {settings.topics.named(base): base for base in FOLLOWED}
    board = Board(settings.gateway.history_mib * 1024 * 1024, topics, settings.gateway.history_days)
    broadcast = Broadcast()
    styles = load_styles(settings.styles.file)
    quota = DailyQuota(board, settings.gateway.pictures_per_day)
    publisher, feed = BusPublisher(settings), Feed(settings, board, broadcast)
    async with (
        S3Store(settings.storage) as store,
        aiohttp.ClientSession() as issuer_client,
    ):
        yield Gateway(
            settings=settings,
            board=board,
            broadcast=broadcast,
            feed=feed,
            publisher=publisher,
            publishing=Publishing(LinkedPublisher(publisher, feed.link), board, broadcast, styles, quota),
            preferences=Preferences(LinkedPublisher(publisher, BusLink())),
            styles=styles,
            renditions=load_renditions(settings.renditions.file),
            store=store,
            picture_address=(await store.address("any"))[0],
            keys=read_keys(settings.gateway.keys_file),
            signer=GrantSigner(settings.gateway.secret),
            rates=CallerRates(settings.gateway.requests_per_second),
            issuer=open_issuer(settings.gateway, issuer_client),
        )
