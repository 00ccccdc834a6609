"""The tiny model's transformer, to be changed."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
from diffusers import ZImageTransformer2DModel

from consumer.engine.weights.source import model_shapes

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def _loaded(tiny_model: Path) -> Any:
    return ZImageTransformer2DModel.from_pretrained(tiny_model / "transformer", use_safetensors=True)


@pytest.fixture
def transformer(_loaded: Any) -> Any:
    """A transformer with the base's weights, of the test's own."""
    return copy.deepcopy(_loaded)


@pytest.fixture(scope="session")
def shapes(tiny_model: Path) -> dict[str, tuple[int, ...]]:
    return model_shapes(tiny_model)
