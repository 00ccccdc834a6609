"""Runs the gateway: bus, store and HTTP server in one task group, stopped in order."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog
import uvicorn

from consumer.errors import Fatal
from consumer.gateway.access.grants import GrantSigner
from consumer.gateway.access.key_file import read_keys
from consumer.gateway.app import make_app
from consumer.gateway.board.board import Board
from consumer.gateway.broadcast import Broadcast
from consumer.gateway.feed import FOLLOWED, Feed
from consumer.gateway.publishing import Publishing
from consumer.gateway.services import Gateway
from consumer.kafka.cms_client import open_publisher
from consumer.pictures.rendition_file import load_renditions
from consumer.processing.styles import load_styles
from consumer.settings import GatewaySettings, Settings
from consumer.storage import S3Store
from schemas import Reason

log = structlog.get_logger(__name__)

GRACE_SECONDS = 5
"""Time for open answers when it stops; streams are ended at once, and go on elsewhere from their last event."""


async def run_gateway(settings: Settings, stopping: asyncio.Event, on_ready: Callable[[str, int], None]) -> None:
    """Serve until `stopping` is set. `on_ready` is called with host and port once the topics are read up to now.

    Raises `Fatal` (possibly in an exception group) with a message that names the remedy.
    """
    async with open_gateway(settings) as gateway, asyncio.TaskGroup() as tasks:
        following = tasks.create_task(gateway.feed.run())
        await gateway.feed.ready.wait()
        listening = listen(settings.gateway)
        server = make_server(gateway)
        serving = tasks.create_task(server.serve(sockets=[listening]))
        on_ready(settings.gateway.host, listening.getsockname()[1])
        await stopping.wait()
        gateway.broadcast.end()
        server.should_exit = True
        await serving
        following.cancel()


@asynccontextmanager
async def open_gateway(settings: Settings) -> AsyncIterator[Gateway]:
    """Open everything the endpoints work with. Raises `Fatal` or `BusError`."""
    topics = {settings.topics.named(base): base for base in FOLLOWED}
    board = Board(settings.gateway.history_mib * 1024 * 1024, topics, settings.gateway.history_days)
    broadcast = Broadcast()
    styles = load_styles(settings.styles.file)
    async with open_publisher(settings) as publisher, S3Store(settings.storage) as store:
        yield Gateway(
            settings=settings,
            board=board,
            broadcast=broadcast,
            feed=Feed(settings, board, broadcast),
            publishing=Publishing(publisher, board, broadcast, styles),
            styles=styles,
            renditions=load_renditions(settings.renditions.file),
            store=store,
            keys=read_keys(settings.gateway.keys_file),
            signer=GrantSigner(settings.gateway.secret),
        )


def listen(settings: GatewaySettings) -> socket.socket:
    """Return the listening socket. Raises `Fatal`."""
    try:
        return socket.create_server((settings.host, settings.port), backlog=1024)
    except OSError as error:
        raise Fatal(
            Reason.MISCONFIGURED,
            f"The gateway cannot listen on {settings.host}:{settings.port}: {error.strerror}. Set "
            "LEADART_GATEWAY__HOST and LEADART_GATEWAY__PORT.",
        ) from error


def make_server(gateway: Gateway) -> uvicorn.Server:
    """Return the HTTP server."""
    return uvicorn.Server(
        uvicorn.Config(
            make_app(gateway),
            log_config=None,
            access_log=False,
            lifespan="off",
            loop="uvloop",
            http="httptools",
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    )
