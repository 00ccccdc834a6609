"""Data files that ship with the worker: inside an installed wheel, or in `ops/config` of a checkout."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from consumer.errors import Fatal
from schemas import Reason

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

_CHECKOUT = Path(__file__).resolve().parent.parent / "ops" / "config"


def bundled(name: str) -> Traversable:
    """Return the data file `name`. Raises `Fatal` when neither the wheel nor a checkout has it."""
    for place in (files("consumer") / "bundled", _CHECKOUT):
        file = place / name
        if file.is_file():
            return file
    raise Fatal(Reason.MISCONFIGURED, f"{name} is not in this installation: install the leadart wheel again")
