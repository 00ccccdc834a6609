"""One settings tree: `LEADART_*` in the environment, nested with `__`, or the same names in an `--env-file`.

The configuration reference in `docs/configuration.md` is generated from these descriptions.
"""

from __future__ import annotations

import difflib
import os
import re
import socket
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from dotenv import dotenv_values
from pydantic import BaseModel, Field, HttpUrl, SecretStr, StringConstraints
from pydantic_settings import BaseSettings, SettingsConfigDict

from consumer.settings.engine import EngineKind, EngineSettings, MemoryPolicy
from consumer.settings.secrets import WithSecrets
from schemas import names

__all__ = [
    "PUBLISHED",
    "EngineKind",
    "EngineSettings",
    "HttpSettings",
    "KafkaSettings",
    "LogFormat",
    "LogSettings",
    "MemoryPolicy",
    "OnRevoke",
    "SaslMechanism",
    "SecurityProtocol",
    "Settings",
    "StorageSettings",
    "StyleSettings",
    "TopicSettings",
    "WorkerSettings",
    "load_settings",
    "strangers",
]

PUBLISHED = frozenset({names.REQUESTED, names.BACKFILL})
"""Base names of the topics that others write to, and every group of workers reads."""

_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:\[\]/]+)(?::(?P<port>[0-9]{1,5}))?")
_LAST_PORT = 65_535

_ALIKE = 0.8
"""Of two names, the share of equal letters from which one may be a misspelling of the other."""

TopicPrefix = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]*$", max_length=64)]


class SecurityProtocol(StrEnum):
    """How the worker speaks to Kafka."""

    PLAINTEXT = "PLAINTEXT"
    SSL = "SSL"
    SASL_PLAINTEXT = "SASL_PLAINTEXT"
    SASL_SSL = "SASL_SSL"


class SaslMechanism(StrEnum):
    """How the worker says who it is."""

    PLAIN = "PLAIN"
    SCRAM_SHA_256 = "SCRAM-SHA-256"
    SCRAM_SHA_512 = "SCRAM-SHA-512"
    OAUTHBEARER = "OAUTHBEARER"


class OnRevoke(StrEnum):
    """What happens to running jobs of a shard that went to another worker."""

    FINISH = "finish"
    CANCEL = "cancel"


class LogFormat(StrEnum):
    """How log lines look: `auto` is console on a terminal, JSON elsewhere."""

    AUTO = "auto"
    JSON = "json"
    CONSOLE = "console"


class KafkaSettings(WithSecrets):
    """The bus."""

    bootstrap_servers: str = Field("127.0.0.1:9092", description="Kafka brokers, host:port, comma-separated.")
    group_id: str = Field(
        "leadart",
        pattern=r"^[A-Za-z0-9._-]{1,128}$",
        description="Consumer group; also part of every transactional id.",
    )
    client_id: str = Field(
        default_factory=lambda: f"leadart-{socket.gethostname()}",
        description="Name shown in broker logs and group listings; made of `leadart-` and the host's name.",
    )
    security_protocol: SecurityProtocol = Field(
        SecurityProtocol.PLAINTEXT, description="Whether the listener speaks TLS (`SSL`) and asks who comes (`SASL`)."
    )
    sasl_mechanism: SaslMechanism = Field(
        SaslMechanism.SCRAM_SHA_512, description="How the worker says who it is, where the listener asks."
    )
    sasl_username: str | None = Field(None, min_length=1, description="User name for PLAIN and SCRAM.")
    sasl_password: SecretStr | None = Field(None, description="Password for PLAIN and SCRAM.")
    sasl_password_file: Path | None = Field(None, description="File that holds the password instead.")
    sasl_oauth_token_file: Path | None = Field(
        None, description="File that holds the token for OAUTHBEARER; read again for each connection."
    )
    ssl_cafile: Path | None = Field(
        None, description="PEM file of the authority that signed the brokers' certificates; none: the system's."
    )
    ssl_certfile: Path | None = Field(
        None, description="PEM file of the worker's own certificate, with its chain, for brokers that ask for one."
    )
    ssl_keyfile: Path | None = Field(None, description="PEM file of its private key; none: it is in the same file.")
    ssl_key_password: SecretStr | None = Field(None, description="Password of the private key.")
    ssl_key_password_file: Path | None = Field(None, description="File that holds the private key's password instead.")
    session_timeout_seconds: float = Field(
        30.0, ge=1, le=300, description="A worker silent for this long loses its shards."
    )
    request_timeout_seconds: float = Field(20.0, ge=1, le=300, description="Bound on every call to the brokers.")
    transaction_timeout_seconds: float = Field(
        10.0, ge=1, le=60, description="The broker aborts a transaction left open for this long."
    )

    @property
    def encrypted(self) -> bool:
        """True if the listener speaks TLS."""
        return self.security_protocol in {SecurityProtocol.SSL, SecurityProtocol.SASL_SSL}

    @property
    def authenticated(self) -> bool:
        """True if the listener asks who comes, by SASL."""
        return self.security_protocol in {SecurityProtocol.SASL_PLAINTEXT, SecurityProtocol.SASL_SSL}

    def problems(self) -> dict[str, str]:
        """Say what is missing, and what would silently not be used."""
        wanted = self._without_credentials() if self.authenticated else {}
        return {**self._addresses(), **self._unused(), **wanted, **self._half_a_pair()}

    def _addresses(self) -> dict[str, str]:
        for one in map(str.strip, self.bootstrap_servers.split(",")):
            found = _ADDRESS.fullmatch(one)
            if not found or int(found["port"] or 1) not in range(1, _LAST_PORT + 1):
                return {"bootstrap_servers": f"{one!r} is not host:port"}
        return {}

    def _unused(self) -> dict[str, str]:
        """Who says nothing of the protocol but gives a password or an authority believes to be safe, and is not."""
        if "security_protocol" in self.model_fields_set:
            return {}
        told = {name for name in self.model_fields_set - {"sasl_mechanism"} if name.startswith(("sasl_", "ssl_"))}
        credentials = sorted(name for name in told if getattr(self, name) is not None)
        if not credentials:
            return {}
        names = ", ".join(f"LEADART_KAFKA__{name.upper()}" for name in credentials)
        return {"security_protocol": f"is not set, so these would not be used: {names}"}

    def _without_credentials(self) -> dict[str, str]:
        wanted = {"sasl_username": "a user name", "sasl_password": "a password, here or in a file (..._PASSWORD_FILE)"}
        if self.sasl_mechanism is SaslMechanism.OAUTHBEARER:
            wanted = {"sasl_oauth_token_file": "the file that holds the token"}
        who = f"{self.security_protocol} with {self.sasl_mechanism}"
        return {name: f"{who} wants {what}" for name, what in wanted.items() if getattr(self, name) is None}

    def _half_a_pair(self) -> dict[str, str]:
        if self.ssl_certfile or not (self.ssl_keyfile or self.ssl_key_password):
            return {}
        return {"ssl_certfile": "a private key is set, but not the certificate it belongs to"}


class TopicSettings(BaseModel):
    """Names on the bus."""

    prefix: TopicPrefix = Field("", description="Put before every topic name, so that staging lives beside production.")
    own_prefix: TopicPrefix = Field(
        "",
        description="Put, behind the prefix, before every topic name but the two that the CMS publishes to: a second "
        "group of workers then reads the same requests and writes to topics of its own.",
    )
    partitions: int = Field(
        12, ge=1, le=1000, description="Partition count of every topic that `topics apply` creates."
    )
    replication_factor: int = Field(
        -1, ge=-1, le=9, description="Replicas of every topic that `topics apply` creates; -1 is the broker's default."
    )

    def named(self, base: str) -> str:
        """Return the topic's full name."""
        return self.prefix + ("" if base in PUBLISHED else self.own_prefix) + base


class StorageSettings(WithSecrets):
    """The object store."""

    endpoint_url: HttpUrl | None = Field(None, description="S3 endpoint; none means Amazon's for the region.")
    region: str = Field("us-east-1", description="S3 region.")
    bucket: str = Field("leadart", min_length=3, max_length=63, description="Bucket of the pictures.")
    manifest_bucket: str | None = Field(
        None,
        description="Bucket of the manifests, which hold prompts and are never public; none: that of the pictures.",
    )
    access_key_id: str | None = Field(None, description="S3 access key; none: the usual AWS chain.")
    secret_access_key: SecretStr | None = Field(None, description="S3 secret key.")
    secret_access_key_file: Path | None = Field(None, description="File that holds the S3 secret key instead.")
    public_base_url: HttpUrl | None = Field(
        None, description="Where the picture objects are public, e.g. a CDN; none: presigned addresses are announced."
    )
    presigned_seconds: int = Field(604_800, ge=60, le=604_800, description="How long a presigned address is valid.")
    timeout_seconds: float = Field(20.0, ge=1, le=300, description="Bound on every call to the store.")
    connections: int = Field(32, ge=1, le=1024, description="Connections kept to the store.")


class WorkerSettings(BaseModel):
    """The worker's own pace."""

    source: str | None = Field(
        None, description="CloudEvents source of what the worker says; none: `/leadart/<group>`."
    )
    jobs_in_hand: int = Field(
        256,
        ge=1,
        le=4096,
        description="Most requests in hand at a time in each lane; its partitions have equal shares of it.",
    )
    pictures_unstored: int = Field(
        64, ge=1, le=4096, description="Most painted pictures held in memory while the store is slow or down."
    )
    encode_threads: int = Field(2, ge=1, le=64, description="Threads that encode pictures.")
    attempts: int = Field(
        4,
        ge=1,
        le=20,
        description="Attempts at a request, the first one and those from the retry lanes, before it fails.",
    )
    retry_age_seconds: float = Field(
        21_600.0,
        ge=0,
        le=604_800,
        description="A request first tried this long ago fails instead of waiting once more.",
    )
    retry_delay_scale: float = Field(
        1.0, gt=0, le=10, description="Multiplies the delays of the retry lanes (1 min, 10 min, 1 h); for tests."
    )
    store_retry_seconds: float = Field(
        1.0, ge=0, le=60, description="Wait before a store that is down is asked again; doubles up to 5 s."
    )
    poison_deaths: int = Field(
        2, ge=1, le=100, description="A request in the engine at this many deaths of a worker fails as `engine_poison`."
    )
    breaker_probe_seconds: float = Field(
        5.0, gt=0, le=600, description="Wait before an open breaker lets one request try; doubles up to a minute."
    )
    shutdown_grace_seconds: float = Field(
        25.0, ge=0, le=3600, description="After SIGTERM, how long running jobs may take to finish."
    )
    on_revoke: OnRevoke = Field(
        OnRevoke.FINISH, description="Running jobs of a shard that moved: finished into the store, or cancelled."
    )
    progress: bool = Field(True, description="Publish progress events (best effort).")
    failpoints: Path | None = Field(
        None, description="Tests only: folder in which a test arms the places where it wants to catch the worker."
    )


class HttpSettings(BaseModel):
    """Metrics and health."""

    host: str = Field(
        "127.0.0.1",
        description="Address that /metrics, /healthz and /readyz listen on; `0.0.0.0`: all of this machine's.",
    )
    port: int = Field(9464, ge=0, le=65_535, description="Port of /metrics, /healthz and /readyz; 0 is any free one.")


class LogSettings(BaseModel):
    """Logs."""

    level: str = Field("info", pattern=r"^(debug|info|warning|error)$", description="Lowest level written.")
    format: LogFormat = Field(
        LogFormat.AUTO, description="`json`, `console`, or `auto` by whether stdout is a terminal."
    )


class StyleSettings(BaseModel):
    """Style presets."""

    file: Path | None = Field(None, description="The house's styles.toml; none: the five that leadart ships.")


class Settings(BaseSettings):
    """Everything an operator can set."""

    model_config = SettingsConfigDict(
        env_prefix="LEADART_",
        env_nested_delimiter="__",
        extra="ignore",
        frozen=True,
        env_ignore_empty=True,
        hide_input_in_errors=True,
    )

    kafka: KafkaSettings = Field(default_factory=KafkaSettings)
    topics: TopicSettings = Field(default_factory=TopicSettings)
    storage: StorageSettings = Field(default_factory=StorageSettings)
    engine: EngineSettings = Field(default_factory=EngineSettings)
    worker: WorkerSettings = Field(default_factory=WorkerSettings)
    http: HttpSettings = Field(default_factory=HttpSettings)
    log: LogSettings = Field(default_factory=LogSettings)
    styles: StyleSettings = Field(default_factory=StyleSettings)

    @property
    def source(self) -> str:
        """The CloudEvents source of what this group of workers says."""
        return self.worker.source or f"/leadart/{self.kafka.group_id}"


def load_settings(env_file: Path | None = None) -> Settings:
    """Read the environment, over `env_file` if given. Raises pydantic's ValidationError, which names each field."""
    return Settings(_env_file=env_file)


def strangers(env_file: Path | None = None) -> dict[str, str]:
    """Return the variables that look like settings and are none, each with the setting that its name is nearest to.

    They are not refused: an older worker shall start with the settings of a newer one.
    """
    known = sorted(
        f"LEADART_{group}__{name}".upper()
        for group, field in Settings.model_fields.items()
        for name in getattr(field.annotation, "model_fields", {})
    )
    given = {**os.environ, **(dotenv_values(env_file) if env_file else {})}
    unknown = sorted(name for name in given if name.upper().startswith("LEADART_") and name.upper() not in known)
    nearest = {name: next(iter(difflib.get_close_matches(name.upper(), known, 1, _ALIKE)), "") for name in unknown}
    # Kubernetes makes variables out of services, such as LEADART_KAFKA_SERVICE_HOST for one called leadart-kafka.
    missed = {name for name, near in nearest.items() if near.replace("__", "_") == name.upper()}
    theirs = {name for name in unknown if (given[name] or "").startswith("tcp://")}
    return {name: near for name, near in nearest.items() if "__" in name or name in missed - theirs}
