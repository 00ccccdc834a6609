"""What the endpoints work with: opened once, handed to each request."""

from dataclasses import dataclass

from fastapi import Request

from consumer.gateway.access.grants import GrantSigner
from consumer.gateway.access.key_file import KeyFile
from consumer.gateway.access.oidc import OidcIssuer
from consumer.gateway.access.rates import CallerRates
from consumer.gateway.board.board import Board
from consumer.gateway.broadcast import Broadcast
from consumer.gateway.bus_link import BusLink
from consumer.gateway.bus_publisher import BusPublisher
from consumer.gateway.feed import Feed
from consumer.gateway.preferences import Preferences
from consumer.gateway.problems import Problem
from consumer.gateway.publishing import Publishing
from consumer.pictures.rendition_file import RenditionFile
from consumer.processing.styles import Styles
from consumer.settings import Settings
from consumer.storage import S3Store


@dataclass(slots=True)
class Gateway:
    """The open gateway. `keys` is replaced when their file changes; `picture_address` is that of any picture."""

    settings: Settings
    board: Board
    broadcast: Broadcast
    feed: Feed
    publisher: BusPublisher
    publishing: Publishing
    preferences: Preferences
    styles: Styles
    renditions: RenditionFile
    store: S3Store
    picture_address: str
    keys: KeyFile
    signer: GrantSigner
    rates: CallerRates
    issuer: OidcIssuer | None = None

    @property
    def is_begun(self) -> bool:
        """Whether the board was read up to now once, and Kafka takes what is published: before, nothing is known."""
        return self.feed.link.begun and self.publisher.link.begun

    async def until_begun(self) -> None:
        """Wait until it is."""
        for link in (self.feed.link, self.publisher.link):
            if not link.begun:
                await link.ready.wait()

    @property
    def links(self) -> tuple[BusLink, ...]:
        """The links that it needs to be ready."""
        return self.feed.link, self.preferences.link, self.publisher.link

    @property
    def waits_for(self) -> str | None:
        """What is missing before it is ready, in sentences for people; None if nothing is."""
        return " ".join(dict.fromkeys(link.waits_for for link in self.links if link.waits_for)) or None

    def use_keys(self, keys: KeyFile) -> None:
        """Go by these keys from now on."""
        self.keys = keys


async def gateway_of(request: Request) -> Gateway:
    """Return the gateway, as a dependency. Not awaiting anything: FastAPI runs plain functions in threads."""
    gateway: Gateway = request.app.state.gateway
    return gateway


async def begun_gateway(request: Request) -> Gateway:
    """Return the gateway, as a dependency. Raises `Problem` 503 while it does not know yet whose articles are whose."""
    gateway = await gateway_of(request)
    if not gateway.is_begun:
        raise Problem(503, "starting", "The gateway is starting: its log and /readyz say what it waits for.")
    return gateway
