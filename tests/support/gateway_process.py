"""A real `leadart gateway` beside real servers, with keys for a test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from consumer.gateway.access.key_file import KeyFile, make_key, write_keys
from consumer.gateway.access.principal import Scope
from tests.support.harness import Site, SiteProcess

SOURCE = "/cms/test"
"""The source of `Cms.ask`, whose articles the usual key may see."""
ALL_SCOPES = tuple(scope for scope in Scope if scope is not Scope.ADMIN)
SECRET = "0123456789abcdef" * 2


@dataclass
class GatewayProcess:
    """The process, and an API key of each source by its name. It can be killed, and started again on its port."""

    site: Site
    folder: Path
    keys: Mapping[str, str]
    running: SiteProcess

    @property
    def url(self) -> str:
        """Its address."""
        return self.running.address

    @property
    def key(self) -> str:
        """The key of the usual source."""
        return self.keys[SOURCE]

    def kill(self) -> None:
        """End it as kill -9 does."""
        self.running.kill()

    def start_again(self) -> None:
        """Start it once more, on the same port."""
        port = self.url.rpartition(":")[2]
        self.running = _started(self.site.changed(GATEWAY__PORT=port), self.folder)


def _started(site: Site, folder: Path) -> SiteProcess:
    log = folder / "gateway.log"
    log.unlink(missing_ok=True)  # its address is looked up there
    return SiteProcess(site, log, "gateway").wait_ready()


@contextmanager
def gateway_process(
    site: Site, folder: Path, sources: Sequence[str] = (SOURCE,), scopes: Sequence[Scope] = ALL_SCOPES, name: str = ""
) -> Iterator[GatewayProcess]:
    """Run a gateway, ready on entry and ended on exit, with a key for each source, whose holder has the name."""
    made = {source: make_key(source, scopes, name) for source in sources}
    file = folder / "gateway-keys.json"
    write_keys(file, KeyFile(keys=tuple(key for key, _ in made.values())))
    settings = {"GATEWAY__PORT": "0", "GATEWAY__KEYS_FILE": str(file), "GATEWAY__SECRET": SECRET}
    its_site = site.changed(
        **{**settings, **{name.removeprefix("LEADART_"): value for name, value in _own(site).items()}}
    )
    gateway = GatewayProcess(
        its_site, folder, {source: token for source, (_, token) in made.items()}, _started(its_site, folder)
    )
    try:
        yield gateway
        assert gateway.running.stop() == 0
    finally:
        if gateway.running.process.poll() is None:
            gateway.kill()


def _own(site: Site) -> dict[str, str]:
    """Return the gateway's settings that the test gave."""
    return {name: value for name, value in site.env.items() if name.startswith("LEADART_GATEWAY__")}
