"""Settings of the connection to Kafka, and of the topics' names."""

import re
import socket
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field, SecretStr, StringConstraints

from consumer.settings.secrets import WithSecrets
from schemas import names

DEFAULT_GROUP = "leadart"
"""Consumer group of a fleet without topic prefixes."""

PUBLISHED = frozenset({names.REQUESTED, names.BACKFILL})
"""Base names of the topics that others write to, and every group of workers reads."""

_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:\[\]/]+)(?::(?P<port>[0-9]{1,5}))?")
_LAST_PORT = 65_535

TopicPrefix = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]*$", max_length=64)]


class SecurityProtocol(StrEnum):
    """Listener security."""

    PLAINTEXT = "PLAINTEXT"
    SSL = "SSL"
    SASL_PLAINTEXT = "SASL_PLAINTEXT"
    SASL_SSL = "SASL_SSL"


class SaslMechanism(StrEnum):
    """SASL mechanism."""

    PLAIN = "PLAIN"
    SCRAM_SHA_256 = "SCRAM-SHA-256"
    SCRAM_SHA_512 = "SCRAM-SHA-512"
    OAUTHBEARER = "OAUTHBEARER"


class KafkaSettings(WithSecrets):
    """Kafka."""

    bootstrap_servers: str = Field("127.0.0.1:9092", description="Kafka brokers: host:port, comma-separated.")
    group_id: str = Field(
        DEFAULT_GROUP,
        pattern=r"^[A-Za-z0-9._-]{1,128}$",
        description="Consumer group; also part of every transactional id. Default: both topic prefixes, if any, and "
        "`leadart`, so that fleets on one cluster keep apart.",
    )
    client_id: str = Field(
        default_factory=lambda: f"leadart-{socket.gethostname()}",
        description="Name in broker logs and group listings; default: `leadart-` and the host name.",
    )
    security_protocol: SecurityProtocol = Field(
        SecurityProtocol.PLAINTEXT, description="Listener security: TLS (`SSL`) and/or SASL authentication (`SASL`)."
    )
    sasl_mechanism: SaslMechanism = Field(SaslMechanism.SCRAM_SHA_512, description="SASL mechanism.")
    sasl_username: str | None = Field(None, min_length=1, description="User name for PLAIN and SCRAM.")
    sasl_password: SecretStr | None = Field(None, description="Password for PLAIN and SCRAM.")
    sasl_password_file: Path | None = Field(None, description="File with the password, instead of the variable.")
    sasl_oauth_token_file: Path | None = Field(
        None, description="File with the OAUTHBEARER token; read again for each connection."
    )
    ssl_cafile: Path | None = Field(
        None, description="PEM file of the CA that signed the brokers' certificates; default: the system's CAs."
    )
    ssl_certfile: Path | None = Field(
        None, description="PEM file of the client certificate with its chain, for brokers that require one."
    )
    ssl_keyfile: Path | None = Field(
        None, description="PEM file of the client certificate's private key; default: the certificate's file."
    )
    ssl_key_password: SecretStr | None = Field(None, description="Password of the private key.")
    ssl_key_password_file: Path | None = Field(
        None, description="File with the private key's password, instead of the variable."
    )
    session_timeout_seconds: float = Field(
        30.0, ge=1, le=300, description="A worker without heartbeats for this long loses its partitions."
    )
    request_timeout_seconds: float = Field(20.0, ge=1, le=300, description="Timeout of every call to the brokers.")
    transaction_timeout_seconds: float = Field(
        10.0, ge=1, le=60, description="The broker aborts a transaction left open for this long."
    )
    max_batch_bytes: int = Field(
        32 * 1024 * 1024,
        ge=1024 * 1024,
        le=1024 * 1024 * 1024,
        description="Most bytes that a batch of records may unpack to; a larger one is not read and becomes one dead "
        "letter. A worker may hold one such batch for each of its partitions.",
    )

    @property
    def encrypted(self) -> bool:
        """Whether the listener uses TLS."""
        return self.security_protocol in {SecurityProtocol.SSL, SecurityProtocol.SASL_SSL}

    @property
    def authenticated(self) -> bool:
        """Whether the listener authenticates clients by SASL."""
        return self.security_protocol in {SecurityProtocol.SASL_PLAINTEXT, SecurityProtocol.SASL_SSL}

    def problems(self) -> dict[str, str]:
        """Return what is missing, and what would silently not be used."""
        missing = self._missing_credentials() if self.authenticated else {}
        return {**self._bad_addresses(), **self._unused_credentials(), **missing, **self._missing_certificate()}

    def _bad_addresses(self) -> dict[str, str]:
        for address in map(str.strip, self.bootstrap_servers.split(",")):
            match = _ADDRESS.fullmatch(address)
            if not match or int(match["port"] or 1) not in range(1, _LAST_PORT + 1):
                return {"bootstrap_servers": f"{address!r} is not host:port"}
        return {}

    def _unused_credentials(self) -> dict[str, str]:
        """Without a protocol, a password or a CA would be ignored, and its owner would believe to be safe."""
        if "security_protocol" in self.model_fields_set:
            return {}
        given = {name for name in self.model_fields_set - {"sasl_mechanism"} if name.startswith(("sasl_", "ssl_"))}
        unused = sorted(name for name in given if getattr(self, name) is not None)
        if not unused:
            return {}
        variables = ", ".join(f"LEADART_KAFKA__{name.upper()}" for name in unused)
        return {"security_protocol": f"is not set, so these would not be used: {variables}"}

    def _missing_credentials(self) -> dict[str, str]:
        needed = {"sasl_username": "a user name", "sasl_password": "a password, here or in a file (..._PASSWORD_FILE)"}
        if self.sasl_mechanism is SaslMechanism.OAUTHBEARER:
            needed = {"sasl_oauth_token_file": "a token file"}
        method = f"{self.security_protocol} with {self.sasl_mechanism}"
        return {name: f"{method} needs {what}" for name, what in needed.items() if getattr(self, name) is None}

    def _missing_certificate(self) -> dict[str, str]:
        if self.ssl_certfile or not (self.ssl_keyfile or self.ssl_key_password):
            return {}
        return {"ssl_certfile": "a private key is set, but not the certificate it belongs to"}


class TopicSettings(BaseModel):
    """Topics."""

    prefix: TopicPrefix = Field(
        "", description="Prefix of every topic name, so that staging and production can share a cluster."
    )
    own_prefix: TopicPrefix = Field(
        "",
        description="Second prefix, behind the first, of every topic except the two that the CMS publishes to: another "
        "group of workers then reads the same requests and writes to its own topics.",
    )
    partitions: int = Field(12, ge=1, le=1000, description="Partitions of every topic that `topics apply` creates.")
    replication_factor: int = Field(
        -1, ge=-1, le=9, description="Replicas of every topic that `topics apply` creates; -1: the broker's default."
    )

    @property
    def default_group(self) -> str:
        """The consumer group of a fleet that reads and writes these topics, unless it is set."""
        return self.prefix + self.own_prefix + DEFAULT_GROUP

    def named(self, base: str) -> str:
        """Return the topic's full name."""
        return self.prefix + ("" if base in PUBLISHED else self.own_prefix) + base
