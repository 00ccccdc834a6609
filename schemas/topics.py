"""The topics, read from `schemas/topics/*.yaml`, one file each."""

from functools import cache
from importlib.resources import files
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

TopicName = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,200}$")]
"""No dots or underscores: Kafka's metrics cannot tell them apart."""


class TopicSpec(BaseModel):
    """One topic. `name` is without the site's prefix."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    name: TopicName
    kind: Literal["lane", "outcome", "progress", "dead_letter", "state"]
    description: str
    producers: tuple[str, ...] = Field(min_length=1)
    consumers: tuple[str, ...] = Field(min_length=1)
    key: str
    types: tuple[str, ...]
    """CloudEvents types on the topic; empty for records that are not events."""
    config: dict[str, str] = Field(min_length=1)
    """Kafka's topic configuration, valid for any cluster."""
    optional: bool = False
    """Workers do without it: only what names it as its own asks for it."""
    min_insync_replicas: int = Field(ge=1)
    """For three replicas; not part of `config`, because with fewer replicas it would block all writes."""

    def config_for(self, replicas: int) -> dict[str, str]:
        """Return the configuration for a number of replicas: writes continue with one of them down."""
        return {**self.config, "min.insync.replicas": str(min(self.min_insync_replicas, max(1, replicas - 1)))}


def required_topics() -> tuple[TopicSpec, ...]:
    """Return the topics that a worker needs, in order of name."""
    return tuple(spec for spec in load_topics() if not spec.optional)


@cache
def load_topics() -> tuple[TopicSpec, ...]:
    """Return all topics in order of name. Raises pydantic's ValidationError for an invalid file."""
    sources = (source for source in files("schemas").joinpath("topics").iterdir() if source.name.endswith(".yaml"))
    specs = (TopicSpec.model_validate(yaml.safe_load(source.read_text(encoding="utf-8"))) for source in sources)
    return tuple(sorted(specs, key=lambda spec: spec.name))
