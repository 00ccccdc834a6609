"""Values of the worker's language that several tests use."""

from __future__ import annotations

from typing import Any

from consumer.jobs import ModelIdentity, Recipe

RECIPE = Recipe(
    prompt="Ferries in port",
    negative_prompt="",
    model=ModelIdentity(name="swatch", sha256="0" * 64),
    adapters=(),
    width=512,
    height=512,
    steps=12,
    guidance_scale=2.0,
    seed=42,
    style="default",
    style_version=3,
)


def recipe_of(**fields: Any) -> Recipe:
    """Return a small recipe with these fields."""
    usual = {
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
    }
    return Recipe(**{**usual, **fields})
