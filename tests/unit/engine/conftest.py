"""The tiny model's transformer, for tests that change it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from consumer.engine.weights.source import model_shapes


@pytest.fixture(scope="session")
def _loaded(tiny_model: Path) -> Any:
    from diffusers import ZImageTransformer2DModel  # noqa: PLC0415 - only for the tests that need it

    return ZImageTransformer2DModel.from_pretrained(tiny_model / "transformer", use_safetensors=True)


@pytest.fixture
def transformer(_loaded: Any) -> Any:
    """A copy of the tiny transformer."""
    return copy.deepcopy(_loaded)


@pytest.fixture(scope="session")
def shapes(tiny_model: Path) -> dict[str, tuple[int, ...]]:
    return model_shapes(tiny_model)
