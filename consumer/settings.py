"""One settings tree: `LEADART_*` in the environment, nested with `__`, or the same names in an `--env-file`.

The configuration reference in `docs/configuration.md` is generated from these descriptions.
"""

from __future__ import annotations

import socket
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field, HttpUrl, SecretStr, StringConstraints
from pydantic_settings import BaseSettings, SettingsConfigDict

TopicPrefix = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]*$", max_length=64)]


class SecurityProtocol(StrEnum):
    """How the worker speaks to Kafka."""

    PLAINTEXT = "PLAINTEXT"
    SSL = "SSL"
    SASL_PLAINTEXT = "SASL_PLAINTEXT"
    SASL_SSL = "SASL_SSL"


class EngineKind(StrEnum):
    """Which engine paints."""

    ZIMAGE = "zimage"
    SWATCH = "swatch"


class OnRevoke(StrEnum):
    """What happens to running jobs of a shard that went to another worker."""

    FINISH = "finish"
    CANCEL = "cancel"


class LogFormat(StrEnum):
    """How log lines look: `auto` is console on a terminal, JSON elsewhere."""

    AUTO = "auto"
    JSON = "json"
    CONSOLE = "console"


class KafkaSettings(BaseModel):
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
    security_protocol: SecurityProtocol = Field(SecurityProtocol.PLAINTEXT, description="Transport security.")
    sasl_mechanism: str = Field("SCRAM-SHA-512", description="SASL mechanism: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.")
    sasl_username: str | None = Field(None, description="SASL user name.")
    sasl_password: SecretStr | None = Field(None, description="SASL password.")
    ssl_cafile: Path | None = Field(
        None, description="PEM file of the authority that signed the brokers' certificates."
    )
    session_timeout_seconds: float = Field(
        30.0, ge=1, le=300, description="A worker silent for this long loses its shards."
    )
    request_timeout_seconds: float = Field(20.0, ge=1, le=300, description="Bound on every call to the brokers.")
    transaction_timeout_seconds: float = Field(
        10.0, ge=1, le=60, description="The broker aborts a transaction left open for this long."
    )


class TopicSettings(BaseModel):
    """Names on the bus."""

    prefix: TopicPrefix = Field("", description="Put before every topic name, so that staging lives beside production.")
    partitions: int = Field(
        12, ge=1, le=1000, description="Partition count of every topic that `topics apply` creates."
    )
    replication_factor: int = Field(
        -1, ge=-1, le=9, description="Replicas of every topic that `topics apply` creates; -1 is the broker's default."
    )

    def named(self, base: str) -> str:
        """Return the topic's full name."""
        return self.prefix + base


class StorageSettings(BaseModel):
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
    public_base_url: HttpUrl | None = Field(
        None, description="Where the picture objects are public, e.g. a CDN; none: presigned addresses are announced."
    )
    presigned_seconds: int = Field(604_800, ge=60, le=604_800, description="How long a presigned address is valid.")
    timeout_seconds: float = Field(20.0, ge=1, le=300, description="Bound on every call to the store.")
    connections: int = Field(32, ge=1, le=1024, description="Connections kept to the store.")


class EngineSettings(BaseModel):
    """What paints."""

    kind: EngineKind = Field(
        EngineKind.ZIMAGE, description="`zimage` paints; `swatch` makes labelled colour cards without torch."
    )
    model: Path | None = Field(None, description="Folder of the Z-Image pipeline (safetensors); required for `zimage`.")
    device: str = Field("auto", description="`auto`, `cpu`, or a CUDA device such as `cuda:0`.")
    batch_size: int = Field(4, ge=1, le=64, description="Most pictures painted together.")
    window: int = Field(
        8, ge=1, le=256, description="Most pictures handed to the engine at a time; the rest wait in lanes."
    )
    threads: int = Field(0, ge=0, le=256, description="CPU threads of the engine; 0 leaves it to torch.")
    load_timeout_seconds: float = Field(600.0, ge=1, le=7200, description="Bound on loading the model.")
    step_timeout_seconds: float = Field(
        300.0, ge=0.1, le=7200, description="An engine silent for this long while painting is killed and started again."
    )
    swatch_seconds: float = Field(0.0, ge=0, le=600, description="How long the swatch engine takes for a picture.")


class WorkerSettings(BaseModel):
    """The worker's own pace."""

    source: str | None = Field(
        None, description="CloudEvents source of what the worker says; none: `/leadart/<group>`."
    )
    jobs_in_hand: int = Field(
        256,
        ge=1,
        le=4096,
        description="Most requests in hand at a time in each lane, over all its partitions; a full lane is paused.",
    )
    pictures_unstored: int = Field(
        64, ge=1, le=4096, description="Most painted pictures held in memory while the store is slow or down."
    )
    encode_threads: int = Field(2, ge=1, le=64, description="Threads that encode pictures.")
    attempts: int = Field(3, ge=1, le=20, description="Attempts at a job before a transient failure is final.")
    retry_seconds: float = Field(1.0, ge=0, le=60, description="Wait before the second attempt; doubles after each.")
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

    host: str = Field("0.0.0.0", description="Address of /metrics, /healthz and /readyz.")  # noqa: S104 - scraped from outside
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
        env_prefix="LEADART_", env_nested_delimiter="__", extra="ignore", frozen=True, env_ignore_empty=True
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
