"""Values of the worker's language that several tests use."""

from __future__ import annotations

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
