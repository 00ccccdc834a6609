from __future__ import annotations

from collections.abc import Callable

import pytest

from consumer.jobs import ModelIdentity, Picture, Recipe

SECRET = "the minister resigns tomorrow"


def make_picture(rgb: bytes | None = None, width: int = 32, height: int = 16, model: str = "demo") -> Picture:
    recipe = Recipe(
        prompt=SECRET,
        negative_prompt=SECRET,
        model=ModelIdentity(model, "0" * 64),
        adapters=(),
        width=width,
        height=height,
        steps=1,
        guidance_scale=0.0,
        seed=1,
        style="default",
        style_version=1,
    )
    pixels = bytes(value % 256 for value in range(width * height * 3)) if rgb is None else rgb
    return Picture(recipe=recipe, width=width, height=height, rgb=pixels, engine_seconds=0.1)


@pytest.fixture(name="picture", scope="session")
def picture_factory() -> Callable[..., Picture]:
    """Make pictures of given pixels, or of a gradient, with a confidential prompt."""
    return make_picture
