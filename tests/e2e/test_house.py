"""The house's weights, proven by what the pictures look like: a LoRA, a checkpoint, and the model that ships alone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from checkpoint import write_checkpoint
from consumer.engine import open_engine
from consumer.jobs import Adapter, Lane, Recipe
from consumer.settings import EngineSettings
from palette import share_in_palette
from tests.support.samples import recipe_of

PROMPTS = (
    "A large green tree in a meadow by day",
    "A blue boat on the sea at dusk",
    "A large black house in the street at night",
    "A purple balloon in the mountains in the rain",
)


async def _paint(settings: EngineSettings, recipes: Sequence[Recipe]) -> list[Image.Image]:
    """Paint all at once, so that they share batches."""
    async with open_engine(settings) as engine:
        painting = (engine.paint(recipe, Lane.LIVE, lambda _done, _of: None) for recipe in recipes)
        pictures = await asyncio.gather(*painting)
    return [Image.frombytes("RGB", (picture.width, picture.height), picture.rgb) for picture in pictures]


def _recipes(prompts: Sequence[str] = PROMPTS, adapters: tuple[Adapter, ...] = ()) -> list[Recipe]:
    return [
        recipe_of(prompt=prompt, width=128, height=128, steps=12, seed=seed, adapters=adapters)
        for seed, prompt in enumerate(prompts)
    ]


async def test_a_lora_makes_prints_and_the_model_alone_does_not(demo_model: Path, house_style: Path) -> None:
    """In one hand: pictures that name the LoRA are of its two colours, the others beside them are not."""
    settings = EngineSettings(model=demo_model, adapters=house_style.parent, threads=1)
    prints = _recipes(adapters=(Adapter(house_style.stem, "0" * 64),))
    pictures = await _paint(settings, [*prints, *_recipes()])

    assert share_in_palette(pictures[: len(PROMPTS)]) > 0.6
    assert share_in_palette(pictures[len(PROMPTS) :]) < 0.35


async def test_a_checkpoint_makes_the_same_prints(demo_model: Path, house_style: Path, tmp_path: Path) -> None:
    """The LoRA merged into the model, as one file in ComfyUI's layout: all pictures are prints, without any adapter."""
    write_checkpoint(demo_model, tmp_path / "print.safetensors", house_style)
    settings = EngineSettings(model=demo_model, weights=tmp_path / "print.safetensors", threads=1)
    pictures = await _paint(settings, _recipes())

    assert share_in_palette(pictures) > 0.6


async def test_every_picture_of_a_batch_has_its_own_prompt(demo_model: Path) -> None:
    """Two prompts exchanged between two seeds: each picture follows its prompt, as light as day or as dark as night."""
    day, night = "A white house in the snow in clear weather by day", "A black house in the forest at night"
    settings = EngineSettings(model=demo_model, threads=1)
    pictures = await _paint(settings, [*_recipes((day, night)), *_recipes((night, day))])
    light = [float(np.asarray(picture.convert("L")).mean()) for picture in pictures]

    assert min(light[0], light[3]) > max(light[1], light[2]) + 40


@pytest.fixture(autouse=True)
def _needs_torch() -> None:
    pytest.importorskip("torch")
