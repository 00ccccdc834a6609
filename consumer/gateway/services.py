"""What the endpoints work with: opened once, handed to each request."""

from dataclasses import dataclass

from fastapi import Request

from consumer.gateway.access.grants import GrantSigner
from consumer.gateway.access.key_file import KeyFile
from consumer.gateway.access.oidc import OidcIssuer
from consumer.gateway.access.rates import CallerRates
from consumer.gateway.board.board import Board
from consumer.gateway.broadcast import Broadcast
from consumer.gateway.feed import Feed
from consumer.gateway.preferences import Preferences
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

    def use_keys(self, keys: KeyFile) -> None:
        """Go by these keys from now on."""
        self.keys = keys


async def gateway_of(request: Request) -> Gateway:
    """Return the gateway, as a dependency. Not awaiting anything: FastAPI runs plain functions in threads."""
    gateway: Gateway = request.app.state.gateway
    return gateway
