"""The gateway of `leadart dev`, with a key for whoever tries it."""

import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from consumer.dev.demo.processes import LeadartProcess, running
from consumer.dev.embedded.server import are_free
from consumer.gateway.access.key_file import KeyFile, make_key, write_keys
from consumer.gateway.access.principal import Scope
from consumer.kafka.cms_client import SOURCE
from consumer.settings import GatewaySettings

KEYS = "gateway-keys.json"
START_SECONDS = 60.0


class GatewayProcess(LeadartProcess):
    """`leadart gateway` on its usual port, to which the demo's page links, or on any if that is taken."""

    _listen_on: int | None = None

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        super().__init__(folder, "gateway", environment)

    def _choose_ports(self) -> None:
        first, usual = self._listen_on is None, GatewaySettings.model_fields["port"].default
        self._listen_on = usual if first and are_free([usual]) else 0

    def _command(self) -> tuple[list[str], dict[str, str]]:
        command, environment = super()._command()
        return command, {**environment, "LEADART_GATEWAY__PORT": str(self._listen_on)}


@dataclass(frozen=True, slots=True)
class DevGateway:
    """A running gateway, and the settings with which programs find it."""

    process: GatewayProcess
    settings: Mapping[str, str]

    @property
    def desk(self) -> str:
        """The desk's address, which signs in by itself: the part after `#` is never sent to a server."""
        return f"{self.settings['LEADART_GATEWAY__URL']}/desk/#key={self.settings['LEADART_GATEWAY__KEY']}"


@asynccontextmanager
async def open_dev_gateway(
    folder: Path, environment: Mapping[str, str], report: Callable[[str], None]
) -> AsyncIterator[DevGateway | None]:
    """Start the gateway with a new key; None where its extra is not installed. Raises `Fatal` if it does not start."""
    if find_spec("fastapi") is None:
        report("no gateway and no desk: they need pip install 'leadart[gateway]'")
        yield None
        return
    key, token = make_key(SOURCE, list(Scope), "leadart dev")
    write_keys(folder / KEYS, KeyFile(keys=(key,)))
    own = {
        "LEADART_GATEWAY__HOST": "127.0.0.1",
        "LEADART_GATEWAY__KEYS_FILE": str((folder / KEYS).absolute()),
        "LEADART_GATEWAY__TASK_API_SOURCE": SOURCE,  # it listens on this machine only
        "LEADART_GATEWAY__SECRET": secrets.token_urlsafe(32),
    }
    process = GatewayProcess(folder, {**environment, **own})
    process.log.unlink(missing_ok=True)
    async with running(process, process.stop, START_SECONDS):
        own |= {"LEADART_GATEWAY__PORT": process.port, "LEADART_GATEWAY__URL": str(process.address)}
        yield DevGateway(process, {**own, "LEADART_GATEWAY__KEY": token})
