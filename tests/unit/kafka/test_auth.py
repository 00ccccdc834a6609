from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from aiokafka.errors import AuthenticationFailedError

from consumer.dev.embedded.server import free_ports
from consumer.errors import Fatal
from consumer.kafka.auth import TokenFile, credentials, probe_brokers
from consumer.settings import KafkaSettings
from tests.support.certificates import Authority


async def test_a_token_is_read_each_time(tmp_path: Path) -> None:
    """The token is what the file holds when a connection opens, without the line break at its end."""
    path = tmp_path / "token"
    provider = TokenFile(path)
    for text in ("first", "second\n"):
        path.write_text(text)
        assert await provider.token() == text.strip()


async def test_a_missing_token_is_an_authentication_error(tmp_path: Path) -> None:
    """Without a token there is no connection, and the error names the file."""
    with pytest.raises(AuthenticationFailedError, match=f"{tmp_path / 'token'} cannot be read"):
        await TokenFile(tmp_path / "token").token()


def test_an_open_listener_needs_no_credentials() -> None:
    """Without SASL and TLS the clients get neither user nor certificates."""
    assert credentials(KafkaSettings()) == {"security_protocol": "PLAINTEXT", "ssl_context": None}


def test_brokers_are_always_checked(tmp_path: Path) -> None:
    """Whatever is set, a broker's certificate must be signed by the authority and name the host."""
    authority = Authority(tmp_path, "authority")
    context = credentials(encrypted(ssl_cafile=authority.certificate))["ssl_context"]

    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_a_renewed_certificate_is_read_again(tmp_path: Path) -> None:
    """Clients share one context, and the next one gets another when a file has changed."""
    settings = encrypted(ssl_cafile=Authority(tmp_path, "authority").certificate)
    first, second = (credentials(settings)["ssl_context"] for _ in range(2))
    Authority(tmp_path, "authority")

    assert first is second
    assert credentials(settings)["ssl_context"] is not first


def test_an_encrypted_key_without_its_password_is_reported(tmp_path: Path) -> None:
    """OpenSSL does not ask for the password at the terminal: the settings are named instead."""
    own = Authority(tmp_path, "authority").issue("worker", password="hush")
    with pytest.raises(Fatal, match=r"TLS files cannot be used .*LEADART_KAFKA__SSL_CAFILE.*_SSL_KEY_PASSWORD"):
        credentials(encrypted(ssl_certfile=own.certificate, ssl_keyfile=own.key))


def encrypted(**files: Path) -> KafkaSettings:
    return KafkaSettings.model_validate({"security_protocol": "SSL", **files})


async def test_brokers_that_are_down_are_not_a_rejection() -> None:
    """Each address that cannot be used is named with the reason; they are waited for."""
    settings = KafkaSettings(request_timeout_seconds=1)
    addresses = [("127.0.0.1", port) for port in free_ports(2)]

    assert await probe_brokers(settings, addresses) == [
        f"{host}:{port} refuses the connection" for host, port in addresses
    ]
