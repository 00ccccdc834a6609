"""How many files and sockets a worker or a gateway may need, and whether the system grants them."""

import resource

from consumer.errors import Fatal
from consumer.settings.tree import Settings
from schemas import Reason

_PER_PARTITION = 4
"""Sockets of a shard's producer: its coordinator's, and those of the brokers it writes to."""

_OTHERS = 160
"""At most 64 connections to the pages, and libraries, logs, the group's consumer, the engines' pipes."""

_ENOUGH = 65_536


def raise_open_files_limit(settings: Settings, partitions: int) -> None:
    """Raise this process's limit on open files as far as it is allowed to. Raises `Fatal` if that is too low to work.

    Beyond the limit no socket to Kafka or the store can be opened: the worker would stand still, and say so in as many
    ways as there are libraries.
    """
    needed = _OTHERS + settings.storage.connections + _PER_PARTITION * partitions
    _raise_to(needed, f"this worker may need {needed} ({partitions} partitions)", "LEADART_STORAGE__CONNECTIONS")


def raise_gateway_files_limit(settings: Settings) -> None:
    """Raise the limit for a gateway with all its connections. Raises `Fatal` if that is too low."""
    needed = _OTHERS + settings.storage.connections + settings.gateway.connections
    connections = f"{settings.gateway.connections} connections"
    _raise_to(needed, f"this gateway may need {needed} ({connections})", "LEADART_GATEWAY__CONNECTIONS")


def _raise_to(needed: int, who_needs: str, setting: str) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        soft = most
    if soft != resource.RLIM_INFINITY and soft < needed:
        raise Fatal(
            Reason.MISCONFIGURED,
            f"The limit on open files is {soft}, and {who_needs}: raise it "
            f"(ulimit -n, systemd's LimitNOFILE, a container's nofile), or lower {setting}.",
        )
