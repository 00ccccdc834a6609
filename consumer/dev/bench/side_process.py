"""One side of a benchmark as a child process that ends with its parent."""

import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from consumer.dev.bench.delivery_result import DeliverySide
from consumer.dev.embedded import Server
from consumer.errors import Fatal
from schemas import Reason

_MODULES = {DeliverySide.LEADART: "consumer.dev.bench.ours", DeliverySide.FASTSTREAM: "consumer.dev.bench.theirs"}


def require_faststream() -> None:
    """Raise `Fatal`, saying what to install, when FastStream is missing."""
    if find_spec("faststream") is None:
        raise Fatal(
            Reason.MISCONFIGURED, "This benchmark runs FastStream beside the worker: pip install 'leadart[bench]'."
        )


class SideProcess(Server):
    """One side; its log is `<side>.log` in `folder`. It counts as up as soon as its process runs."""

    def __init__(self, folder: Path, side: DeliverySide, environment: Mapping[str, str]) -> None:
        super().__init__(folder, side)
        self._side = side
        self._environment = dict(environment)

    def _command(self) -> tuple[list[str], dict[str, str]]:
        return [sys.executable, "-P", "-m", _MODULES[self._side]], self._environment

    def _answers(self) -> bool:
        return self.running
