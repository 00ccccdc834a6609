"""One settings tree: `LEADART_*` in the environment, nested with `__`, or the same names in an `--env-file`.

The configuration reference in `docs/configuration.md` is generated from the descriptions.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from consumer.settings.disclosure import DisclosureSettings
from consumer.settings.engine import (
    EngineKind,
    EngineSettings,
    ForwardKind,
    KernelKind,
    MemoryPolicy,
    QuantizationKind,
)
from consumer.settings.gateway import GatewaySettings
from consumer.settings.kafka import (
    DEFAULT_GROUP,
    PUBLISHED,
    KafkaSettings,
    SaslMechanism,
    SecurityProtocol,
    TopicSettings,
)
from consumer.settings.policy import PolicySettings
from consumer.settings.renditions import FocalPointChoice, RenditionSettings
from consumer.settings.storage import StorageSettings
from consumer.settings.worker import HttpSettings, LogFormat, LogSettings, OnRevoke, StyleSettings, WorkerSettings

if TYPE_CHECKING:
    from consumer.settings.tree import Settings, given_variables, load_settings, unknown_variables

__all__ = [
    "DEFAULT_GROUP",
    "PUBLISHED",
    "DisclosureSettings",
    "EngineKind",
    "EngineSettings",
    "FocalPointChoice",
    "ForwardKind",
    "GatewaySettings",
    "HttpSettings",
    "KafkaSettings",
    "KernelKind",
    "LogFormat",
    "LogSettings",
    "MemoryPolicy",
    "OnRevoke",
    "PolicySettings",
    "QuantizationKind",
    "RenditionSettings",
    "SaslMechanism",
    "SecurityProtocol",
    "Settings",
    "StorageSettings",
    "StyleSettings",
    "TopicSettings",
    "WorkerSettings",
    "given_variables",
    "load_settings",
    "unknown_variables",
]

_TREE = frozenset({"Settings", "given_variables", "load_settings", "unknown_variables"})


def __getattr__(name: str) -> Any:
    """Load the tree when it is asked for: the engine's process and its benchmark do without pydantic-settings."""
    if name not in _TREE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("consumer.settings.tree"), name)
