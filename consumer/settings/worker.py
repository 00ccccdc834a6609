"""Settings of the worker process: its limits, retries and shutdown, its pages, log and styles."""

from enum import StrEnum
from pathlib import Path
from typing import Final

from pydantic import BaseModel, Field
from pydantic.config import JsonDict

TESTS_ONLY: Final[JsonDict] = {"tests_only": True}
"""Marks a setting that no operator should touch; the reference lists it apart."""


class OnRevoke(StrEnum):
    """What happens to running jobs of a shard that moved to another worker."""

    FINISH = "finish"
    CANCEL = "cancel"


class LogFormat(StrEnum):
    """Format of log lines: `auto` is console on a terminal, JSON elsewhere."""

    AUTO = "auto"
    JSON = "json"
    CONSOLE = "console"


class WorkerSettings(BaseModel):
    """Worker."""

    source: str | None = Field(
        None, description="CloudEvents source of the worker's events; default: `/leadart/<group>`."
    )
    jobs_in_hand: int = Field(
        256,
        ge=1,
        le=4096,
        description="Maximum requests in flight in each lane, shared equally by its assigned partitions.",
    )
    pictures_unstored: int = Field(
        64, ge=1, le=4096, description="Maximum painted pictures held in memory while the store is slow or down."
    )
    encode_threads: int = Field(2, ge=1, le=64, description="Threads that encode pictures.")
    attempts: int = Field(4, ge=1, le=20, description="Attempts at a request, retries included, before it fails.")
    retry_age_seconds: float = Field(
        21_600.0, ge=0, le=604_800, description="A request first tried this long ago fails instead of being retried."
    )
    retry_delay_scale: float = Field(
        1.0,
        gt=0,
        le=10,
        description="Multiplies the delays of the retry topics (1 min, 10 min, 1 h).",
        json_schema_extra=TESTS_ONLY,
    )
    store_retry_seconds: float = Field(
        1.0, ge=0, le=60, description="Wait before a failed store is tried again; doubles up to 5 s."
    )
    poison_deaths: int = Field(
        2, ge=1, le=100, description="A request in the engine at this many worker deaths goes to a retry lane."
    )
    breaker_probe_seconds: float = Field(
        5.0, gt=0, le=600, description="Wait before an open circuit breaker tries one request; doubles up to a minute."
    )
    leave_seconds: float = Field(
        15.0,
        ge=1,
        le=3600,
        description="A worker that cannot work leaves the group this long after the store's timeout, if others can "
        "work; it joins again when it can.",
    )
    shutdown_grace_seconds: float = Field(
        25.0,
        ge=0,
        le=3600,
        description="Time from SIGTERM to the worker's end, whatever is down; at least 5 s. Running jobs get all but "
        "the last 5 s.",
    )
    on_revoke: OnRevoke = Field(
        OnRevoke.FINISH,
        description="Running jobs of a shard that moved to another worker: `finish` into the store, or `cancel`.",
    )
    progress: bool = Field(True, description="Publish progress events (best effort).")
    failpoints: Path | None = Field(
        None,
        description="Folder in which a test arms the points where it wants to stop the worker.",
        json_schema_extra=TESTS_ONLY,
    )


class HttpSettings(BaseModel):
    """Metrics and health."""

    host: str = Field(
        "127.0.0.1", description="Address that serves /metrics, /healthz and /readyz; `0.0.0.0`: all interfaces."
    )
    port: int = Field(9464, ge=0, le=65_535, description="Port of /metrics, /healthz and /readyz; 0: any free port.")


class LogSettings(BaseModel):
    """Logging."""

    level: str = Field("info", pattern=r"^(debug|info|warning|error)$", description="Minimum level.")
    format: LogFormat = Field(
        LogFormat.AUTO, description="`json`, `console`, or `auto`: console if stdout is a terminal, else JSON."
    )


class StyleSettings(BaseModel):
    """Style presets."""

    file: Path | None = Field(None, description="Your styles.toml; default: the five presets that leadart ships.")
