"""The HTTP server: its socket, its limits, TLS, and which proxies it believes."""

import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from consumer.errors import Fatal
from consumer.gateway.app import make_app
from consumer.gateway.certificate_watch import WatchedCertificate
from consumer.gateway.connections import ConnectionLimits, guarded
from consumer.gateway.services import Gateway
from consumer.settings import GatewaySettings
from schemas import Reason

GRACE_SECONDS = 3
"""Time for open answers when it stops; streams are ended at once, and go on elsewhere from their last event."""


class GatewayServer(uvicorn.Server):
    """Leaves signals to the command, which stops everything in order; uvicorn's own would raise them once more."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Change no signal's handler."""
        yield


def make_server(gateway: Gateway, limits: ConnectionLimits | None = None) -> GatewayServer:
    """Return the HTTP server. Raises `Fatal` if the files for TLS cannot be used."""
    http = gateway.settings.gateway
    limits = limits or ConnectionLimits(http.connections)
    config = uvicorn.Config(
        make_app(gateway),
        log_config=None,
        access_log=False,
        lifespan="off",
        http=guarded(limits),
        ws="none",
        server_header=False,
        timeout_keep_alive=int(limits.idle_seconds),
        timeout_graceful_shutdown=GRACE_SECONDS,
        proxy_headers=bool(http.trusted_proxies),
        forwarded_allow_ips=http.trusted_proxies,
        ssl_certfile=http.tls_certfile,
        ssl_keyfile=http.tls_keyfile,
    )
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        raise Fatal(
            Reason.MISCONFIGURED,
            f"TLS cannot be used with {http.tls_certfile} and {http.tls_keyfile}: {error}. Set "
            "LEADART_GATEWAY__TLS_CERTFILE and LEADART_GATEWAY__TLS_KEYFILE.",
        ) from error
    return GatewayServer(config)


def certificate(server: GatewayServer) -> Sequence[WatchedCertificate]:
    """Return the files of the server's certificate, to be watched; none without TLS."""
    config = server.config
    if config.ssl is None or config.ssl_certfile is None or config.ssl_keyfile is None:
        return ()
    return (WatchedCertificate(config.ssl, Path(config.ssl_certfile), Path(config.ssl_keyfile)),)


def listen(settings: GatewaySettings) -> socket.socket:
    """Return the listening socket. Raises `Fatal`."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=1024)
    except OSError as error:
        raise Fatal(
            Reason.MISCONFIGURED,
            f"The gateway cannot listen on {settings.host}:{settings.port}: {error.strerror}. Set "
            "LEADART_GATEWAY__HOST and LEADART_GATEWAY__PORT.",
        ) from error
