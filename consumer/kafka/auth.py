"""Who gets in: how this worker proves who it is to Kafka, how it checks who answers, and what is said when that fails.

aiokafka logs why it could not connect and then raises only that it could not. A wrong password would look like a broker
that is away, and be waited for without end; so after a failed first contact we `knock` ourselves.
"""

from __future__ import annotations

import asyncio
import ssl
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import aiokafka.conn
from aiokafka.abc import AbstractTokenProvider
from aiokafka.conn import OAuthAuthenticator, collect_hosts, create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.helpers import create_ssl_context
from aiokafka.protocol.metadata import MetadataRequest

from consumer.errors import Fatal
from consumer.settings import SaslMechanism
from consumer.settings.secrets import SecretMissing, read_secret
from schemas import Reason

if TYPE_CHECKING:
    from pathlib import Path

    from consumer.settings import KafkaSettings

WRONG_CREDENTIALS = (AuthenticationFailedError, SaslAuthenticationFailed)
"""The broker does not believe who we say we are."""

WRONG_MECHANISM = (IllegalSaslStateError, UnsupportedSaslMechanismError)
"""The listener asks in another way, or not at all."""

_WRONG_HOST = 62
"""OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH."""


def credentials(settings: KafkaSettings) -> dict[str, Any]:
    """Return the keyword arguments by which every aiokafka client gets in. Raises `Fatal` that names a bad file."""
    arguments = {
        "security_protocol": settings.security_protocol.value,
        "ssl_context": _tls(settings) if settings.encrypted else None,
    }
    if not settings.authenticated:
        return arguments
    password, token = settings.sasl_password, settings.sasl_oauth_token_file
    return arguments | {
        "sasl_mechanism": settings.sasl_mechanism.value,
        "sasl_plain_username": settings.sasl_username,
        "sasl_plain_password": password.get_secret_value() if password else None,
        "sasl_oauth_token_provider": TokenFile(token) if token else None,
    }


class TokenFile(AbstractTokenProvider):  # type: ignore[misc]  # aiokafka's base class is untyped
    """An OAUTHBEARER token that somebody else keeps fresh: read for each connection."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def token(self) -> str:
        """Return the token. Raises `AuthenticationFailedError` when there is none."""
        try:
            return await asyncio.to_thread(read_secret, self._path)
        except SecretMissing as missing:
            raise AuthenticationFailedError(str(missing)) from missing


class _Refusable(OAuthAuthenticator):  # type: ignore[misc]  # likewise
    """Hears the broker's no, and asks for its reason as RFC 7628 has it; aiokafka takes any answer for a yes."""

    async def step(self, payload: bytes | None) -> tuple[bytes, bool] | None:
        if payload:
            return b"\x01", True
        step: tuple[bytes, bool] | None = await super().step(payload)
        return step


aiokafka.conn.OAuthAuthenticator = _Refusable


async def knock(settings: KafkaSettings) -> str | None:
    """Try each bootstrap server once and raise `Fatal`, with what mends it, if one refuses us.

    Returns what else can be said of a server that is there, None if all are away. Ends within two request timeouts.
    """
    told = None
    for host, port, _ in collect_hosts(settings.bootstrap_servers):
        try:
            async with asyncio.timeout(2 * settings.request_timeout_seconds):
                told = await _knock_at(host, port, settings) or told
        except (TimeoutError, KafkaError, OSError) as error:
            if sentence := _verdict(error, settings):
                raise Fatal(Reason.MISCONFIGURED, f"{host}:{port} {sentence}") from error
    return told


async def _knock_at(host: str, port: int, settings: KafkaSettings) -> str | None:
    connection = None
    try:
        connection = await create_conn(
            host,
            port,
            client_id=settings.client_id,
            request_timeout_ms=int(settings.request_timeout_seconds * 1000),
            **credentials(settings),
        )
        await connection.send(MetadataRequest([]))
    except (KafkaError, ConnectionResetError) as error:
        if not isinstance(error.__cause__ or error, (EOFError, ConnectionResetError)):
            raise
        return (
            f"{host}:{port} hangs up: is LEADART_KAFKA__SECURITY_PROTOCOL ({settings.security_protocol}) that port's?"
        )
    finally:
        if connection is not None:
            connection.close()
    return None


def _verdict(error: BaseException, settings: KafkaSettings) -> str | None:
    """Return what to tell of a refusal; None for a broker that is just away."""
    reason = error.__cause__ if isinstance(error.__cause__, ssl.SSLError) else error
    if isinstance(reason, WRONG_CREDENTIALS):
        return refused_credentials(reason, settings.sasl_mechanism)
    if isinstance(reason, WRONG_MECHANISM):
        names = "LEADART_KAFKA__SECURITY_PROTOCOL and LEADART_KAFKA__SASL_MECHANISM"
        return f"does not ask for {settings.security_protocol} with {settings.sasl_mechanism} ({reason}): check {names}"
    if isinstance(reason, ssl.SSLCertVerificationError):
        return _distrust(reason)
    if isinstance(reason, ssl.SSLError):
        return _broken_tls(reason)
    return None


def refused_credentials(error: BaseException, mechanism: SaslMechanism) -> str:
    """Return what to tell when the broker does not believe who we are."""
    names = "LEADART_KAFKA__SASL_USERNAME and LEADART_KAFKA__SASL_PASSWORD (or ..._FILE)"
    if mechanism is SaslMechanism.OAUTHBEARER:
        names = "LEADART_KAFKA__SASL_OAUTH_TOKEN_FILE"
    return f"does not let this worker in ({error.args[0] if error.args else error!r}): check {names}"


def _distrust(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code == _WRONG_HOST:
        return f"has a certificate for another host ({error.verify_message}): check LEADART_KAFKA__BOOTSTRAP_SERVERS"
    return f"has a certificate that is not trusted ({error.verify_message}): check LEADART_KAFKA__SSL_CAFILE"


def _broken_tls(error: ssl.SSLError) -> str | None:
    reason = error.reason or ""
    if "ALERT" in reason:
        names = "LEADART_KAFKA__SSL_CERTFILE and LEADART_KAFKA__SSL_KEYFILE"
        return f"does not accept this worker's certificate, or misses it ({reason}): check {names}"
    if reason in {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"}:
        return f"does not speak TLS ({reason}): check LEADART_KAFKA__SECURITY_PROTOCOL"
    return None


def _tls(settings: KafkaSettings) -> ssl.SSLContext:
    password = settings.ssl_key_password
    try:
        files = [path and (str(path), path.stat().st_mtime_ns) for path in _files(settings)]
        return _context(*files, password.get_secret_value() if password else "")
    except OSError as error:  # ssl.SSLError is one
        names = "LEADART_KAFKA__SSL_CAFILE, _SSL_CERTFILE, _SSL_KEYFILE and _SSL_KEY_PASSWORD"
        what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        raise Fatal(Reason.MISCONFIGURED, f"The TLS files cannot be used ({what}): check {names}.") from error


def _files(settings: KafkaSettings) -> tuple[Path | None, Path | None, Path | None]:
    return settings.ssl_cafile, settings.ssl_certfile, settings.ssl_keyfile


@lru_cache(maxsize=4)
def _context(
    cafile: tuple[str, int] | None, certfile: tuple[str, int] | None, keyfile: tuple[str, int] | None, password: str
) -> ssl.SSLContext:
    """Return the context for files of that age: reading all authorities anew for each of many clients takes long."""
    cafile_path, certfile_path, keyfile_path = (file and file[0] for file in (cafile, certfile, keyfile))
    # Always a password, be it empty: without one OpenSSL would ask for it at the terminal, and wait.
    context: ssl.SSLContext = create_ssl_context(
        cafile=cafile_path, certfile=certfile_path, keyfile=keyfile_path, password=password
    )
    return context
