"""One tiny model for the run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from consumer.engine.runtime.model import Model
from consumer.jobs import Recipe
from consumer.settings import EngineSettings
from tests.support.samples import recipe_of


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch  # noqa: PLC0415 - only for the tests that need it

    from consumer.engine.runtime.tiny import build_tiny_model  # noqa: PLC0415 - likewise

    torch.set_num_threads(1)  # for networks this small a second thread only waits, on a busy machine for long
    folder = tmp_path_factory.mktemp("model") / "tiny"
    build_tiny_model(folder)
    return folder


@pytest.fixture(scope="session")
def tiny(tiny_model: Path) -> Model:
    """The tiny model on the CPU."""
    import torch  # noqa: PLC0415 - likewise

    from consumer.engine.runtime.model import Model, load_pipeline  # noqa: PLC0415 - likewise

    cpu = torch.device("cpu")
    return Model(load_pipeline(tiny_model, cpu), cpu, EngineSettings())


@pytest.fixture(scope="session", name="recipe_of")
def _recipe_of() -> Callable[..., Recipe]:
    return recipe_of
