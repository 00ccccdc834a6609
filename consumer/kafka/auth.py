"""Authentication at Kafka: TLS and SASL credentials, and a sentence that says what to check when a broker rejects them.

aiokafka logs why it could not connect and then raises only that it could not. A wrong password would look like a broker
that is down, and be waited for without end; so after a failed first contact (`contact`) we probe the brokers ourselves.
"""

import asyncio
import socket
import ssl
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import aiokafka.conn
from aiokafka.abc import AbstractTokenProvider
from aiokafka.conn import OAuthAuthenticator, create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    IllegalSaslStateError,
    KafkaError,
    RequestTimedOutError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.helpers import create_ssl_context
from aiokafka.protocol.metadata import MetadataRequest

from consumer.errors import Fatal
from consumer.settings import KafkaSettings, SaslMechanism
from consumer.settings.secrets import SecretMissing, read_secret
from schemas import Reason

CREDENTIALS_REJECTED = (AuthenticationFailedError, SaslAuthenticationFailed)
"""The broker rejects the credentials."""

MECHANISM_REJECTED = (IllegalSaslStateError, UnsupportedSaslMechanismError)
"""The listener expects another mechanism, or no authentication."""

_WRONG_HOST = 62
"""OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH."""


def credentials(settings: KafkaSettings) -> dict[str, Any]:
    """Return the security arguments of every aiokafka client. Raises `Fatal` that names a bad file."""
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
    """An OAUTHBEARER token from a file that is kept fresh by others: read for each connection."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def token(self) -> str:
        """Return the token. Raises `AuthenticationFailedError` when there is none."""
        try:
            return await asyncio.to_thread(read_secret, self._path)
        except SecretMissing as missing:
            raise AuthenticationFailedError(str(missing)) from missing


class _RejectableOAuth(OAuthAuthenticator):  # type: ignore[misc]  # aiokafka's base class is untyped
    """Recognizes a rejection, and asks for its reason as RFC 7628 says; aiokafka takes any answer for a yes."""

    async def step(self, payload: bytes | None) -> tuple[bytes, bool] | None:
        if payload:
            return b"\x01", True
        step: tuple[bytes, bool] | None = await super().step(payload)
        return step


aiokafka.conn.OAuthAuthenticator = _RejectableOAuth


async def probe_brokers(settings: KafkaSettings, addresses: Iterable[tuple[str, int]]) -> list[str]:
    """Connect to each address once and raise `Fatal`, with what to check, if a broker rejects us.

    Returns what else is wrong, a clause for each address that cannot be used. Takes at most two request timeouts for
    each.
    """
    problems = []
    for host, port in addresses:
        try:
            async with asyncio.timeout(2 * settings.request_timeout_seconds):
                problem = await _probe(host, port, settings)
        except (TimeoutError, KafkaError, OSError) as error:
            if sentence := _rejection(error, settings):
                raise Fatal(Reason.MISCONFIGURED, f"{host}:{port} {sentence}") from error
            problem = _absence(error)
        if problem:
            problems.append(f"{host}:{port} {problem}")
    return problems


def _absence(error: BaseException) -> str:
    """Return the predicate of a sentence about a broker that is not there."""
    if isinstance(error, TimeoutError | RequestTimedOutError):
        return "does not answer"
    if isinstance(error, socket.gaierror):
        return "is no host name that is known here"
    if isinstance(error, ConnectionRefusedError):
        return "refuses the connection"
    return f"cannot be reached ({(isinstance(error, OSError) and error.strerror) or error})"


async def _probe(host: str, port: int, settings: KafkaSettings) -> str | None:
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
            "closes the connection: does LEADART_KAFKA__SECURITY_PROTOCOL "
            f"({settings.security_protocol}) match that port?"
        )
    finally:
        if connection is not None:
            connection.close()
    return None


def _rejection(error: BaseException, settings: KafkaSettings) -> str | None:
    """Return the predicate of a sentence about a rejection; None for a broker that is just down."""
    reason = error.__cause__ if isinstance(error.__cause__, ssl.SSLError) else error
    if isinstance(reason, CREDENTIALS_REJECTED):
        return rejected_credentials(reason, settings.sasl_mechanism)
    if isinstance(reason, MECHANISM_REJECTED):
        names = "LEADART_KAFKA__SECURITY_PROTOCOL and LEADART_KAFKA__SASL_MECHANISM"
        return f"does not accept {settings.security_protocol} with {settings.sasl_mechanism} ({reason}): check {names}"
    if isinstance(reason, ssl.SSLCertVerificationError):
        return _untrusted(reason)
    if isinstance(reason, ssl.SSLError):
        return _broken_tls(reason)
    return None


def rejected_credentials(error: BaseException, mechanism: SaslMechanism) -> str:
    """Return the predicate of a sentence about rejected credentials."""
    names = "LEADART_KAFKA__SASL_USERNAME and LEADART_KAFKA__SASL_PASSWORD (or ..._FILE)"
    if mechanism is SaslMechanism.OAUTHBEARER:
        names = "LEADART_KAFKA__SASL_OAUTH_TOKEN_FILE"
    return f"rejects this worker's credentials ({error.args[0] if error.args else error!r}): check {names}"


def _untrusted(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code == _WRONG_HOST:
        return f"has a certificate for another host ({error.verify_message}): check LEADART_KAFKA__BOOTSTRAP_SERVERS"
    return f"has a certificate that is not trusted ({error.verify_message}): check LEADART_KAFKA__SSL_CAFILE"


def _broken_tls(error: ssl.SSLError) -> str | None:
    reason = error.reason or ""
    if "ALERT" in reason:
        names = "LEADART_KAFKA__SSL_CERTFILE and LEADART_KAFKA__SSL_KEYFILE"
        return f"rejects this worker's certificate, or requires one ({reason}): check {names}"
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
    """Return the context for files and their mtimes: loading all authorities for each of many clients takes long."""
    cafile_path, certfile_path, keyfile_path = (file and file[0] for file in (cafile, certfile, keyfile))
    # Always a password, even an empty one: without it OpenSSL asks at the terminal and waits.
    context: ssl.SSLContext = create_ssl_context(
        cafile=cafile_path, certfile=certfile_path, keyfile=keyfile_path, password=password
    )
    return context
