"""The settings tree, how it is loaded, and variables that look like settings."""

import difflib
import os
from pathlib import Path
from typing import Self, get_args

from dotenv import dotenv_values
from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from consumer.settings.disclosure import DisclosureSettings
from consumer.settings.engine import EngineSettings
from consumer.settings.gateway import GatewaySettings
from consumer.settings.kafka import KafkaSettings, TopicSettings
from consumer.settings.policy import PolicySettings
from consumer.settings.renditions import RenditionSettings
from consumer.settings.storage import StorageSettings
from consumer.settings.worker import HttpSettings, LogSettings, StyleSettings, WorkerSettings

_ENCODING = "utf-8-sig"
"""UTF-8; a byte order mark, as Windows editors write it, is no part of the first name."""

_SIMILARITY = 0.8
"""Share of equal letters from which on a name may be a misspelling of another."""


class Settings(BaseSettings):
    """Everything an operator can set."""

    model_config = SettingsConfigDict(
        env_prefix="LEADART_",
        env_nested_delimiter="__",
        env_file_encoding=_ENCODING,
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
    renditions: RenditionSettings = Field(default_factory=RenditionSettings)
    policy: PolicySettings = Field(default_factory=PolicySettings)
    disclosure: DisclosureSettings = Field(default_factory=DisclosureSettings)
    gateway: GatewaySettings = Field(default_factory=GatewaySettings)

    @model_validator(mode="after")
    def _complete_group(self) -> Self:
        if not self.group_is_set:
            self.kafka.group_id = self.topics.default_group
            self.kafka.model_fields_set.discard("group_id")  # it is still a default
        return self

    @property
    def group_is_set(self) -> bool:
        """Whether the operator named the consumer group."""
        return "group_id" in self.kafka.model_fields_set

    @property
    def source(self) -> str:
        """CloudEvents source of what this group of workers announces."""
        return self.worker.source or f"/leadart/{self.kafka.group_id}"


def load_settings(env_file: Path | None = None) -> Settings:
    """Read the environment, and `env_file` for what it lacks. Raises pydantic's ValidationError, naming each field."""
    return Settings(_env_file=env_file)


def given_variables() -> dict[str, str]:
    """Return the settings that the environment itself gives, as variables; secrets are left out."""
    named = {
        f"LEADART_{group}__{name}".upper(): inner.annotation
        for group, field in Settings.model_fields.items()
        for name, inner in getattr(field.annotation, "model_fields", {}).items()
    }
    open_names = {name for name, annotation in named.items() if SecretStr not in {annotation, *get_args(annotation)}}
    return {name.upper(): value for name, value in os.environ.items() if value and name.upper() in open_names}


def unknown_variables(env_file: Path | None = None) -> dict[str, str]:
    """Return variables that look like settings but are none, each with the setting of the most similar name, or "".

    They are not refused: an older worker must start with the settings of a newer one.
    """
    known = sorted(
        f"LEADART_{group}__{name}".upper()
        for group, field in Settings.model_fields.items()
        for name in getattr(field.annotation, "model_fields", {})
    )
    given = {**os.environ, **(dotenv_values(env_file, encoding=_ENCODING) if env_file else {})}
    unknown = sorted(name for name in given if name.upper().startswith("LEADART_") and name.upper() not in known)
    nearest = {name: next(iter(difflib.get_close_matches(name.upper(), known, 1, _SIMILARITY)), "") for name in unknown}
    # Kubernetes makes variables out of services, such as LEADART_KAFKA_SERVICE_HOST for one called leadart-kafka.
    missed = {name for name, near in nearest.items() if near.replace("__", "_") == name.upper()}
    from_services = {name for name in unknown if (given[name] or "").startswith("tcp://")}
    return {name: near for name, near in nearest.items() if "__" in name or name in missed - from_services}
