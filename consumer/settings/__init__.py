"""One settings tree: `LEADART_*` in the environment, nested with `__`, or the same names in an `--env-file`.

The configuration reference in `docs/configuration.md` is generated from the descriptions.
"""

from consumer.settings.disclosure import DisclosureSettings
from consumer.settings.engine import EngineKind, EngineSettings, ForwardKind, KernelKind, MemoryPolicy
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
from consumer.settings.tree import Settings, load_settings, unknown_variables
from consumer.settings.worker import HttpSettings, LogFormat, LogSettings, OnRevoke, StyleSettings, WorkerSettings

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
    "RenditionSettings",
    "SaslMechanism",
    "SecurityProtocol",
    "Settings",
    "StorageSettings",
    "StyleSettings",
    "TopicSettings",
    "WorkerSettings",
    "load_settings",
    "unknown_variables",
]
