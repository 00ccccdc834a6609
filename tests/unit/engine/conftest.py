"""One tiny model for the run, and recipes to paint with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from consumer.jobs import ModelIdentity, Recipe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from consumer.engine.tiny import build_tiny_model  # noqa: PLC0415 - torch, only for the tests that need it

    folder = tmp_path_factory.mktemp("model") / "tiny"
    build_tiny_model(folder)
    return folder


@pytest.fixture(scope="session")
def recipe_of() -> Callable[..., Recipe]:
    def make(**fields: Any) -> Recipe:
        return Recipe(
            **{
                "prompt": "a storm over the harbour",
                "negative_prompt": "low quality",
                "model": ModelIdentity("tiny-random", "0" * 64),
                "adapters": (),
                "width": 64,
                "height": 64,
                "steps": 2,
                "guidance_scale": 2.0,
                "seed": 7,
                "style": "default",
                "style_version": 1,
                **fields,
            }
        )

    return make
