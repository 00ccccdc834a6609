"""The rule by which a subscriber knows what a slot shows: that of docs/clients/slot.py, letter by letter."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

_FILE = Path(__file__).parents[2] / "docs" / "clients" / "slot.py"


def _load() -> Any:
    spec = importlib.util.spec_from_file_location("slot", _FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


shown: Callable[[Iterable[tuple[str, dict[str, Any]]]], dict[str, Any] | None] = _load().shown
