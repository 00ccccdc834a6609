"""Pictures by leadart's own engine, kept in pieces: an evaluation that was stopped goes on behind its last piece."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from consumer.engine import open_engine
from consumer.jobs import Lane, Recipe
from schemas import defaults

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from consumer.jobs import Picture
    from consumer.ports import Engine
    from consumer.settings import EngineSettings

_PIECE = 40


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be painted, width and height in pixels; the seed decides the noise."""

    prompt: str
    negative: str
    guidance: float
    width: int
    height: int
    seed: int


def paint(
    settings: EngineSettings, orders: Sequence[Order], folder: Path, say: Callable[[str], None]
) -> list[Image.Image]:
    """Return the pictures in the order of their orders, those out of `folder` that an earlier run left there.

    The folder has to be of these orders and these weights alone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pieces = {folder / f"{start:04}.npy": orders[start : start + _PIECE] for start in range(0, len(orders), _PIECE)}
    missing = {file: piece for file, piece in pieces.items() if not file.exists()}
    if missing:
        asyncio.run(_paint(settings, missing, say))
    return [Image.fromarray(picture) for file in pieces for picture in np.load(file)]


def found_points(
    settings: EngineSettings, orders: Sequence[Order], say: Callable[[str], None]
) -> list[tuple[float, float] | None]:
    """Return the focus that the engine finds in each order's picture, as fractions of width and height."""
    found: list[tuple[float, float] | None] = []

    async def find() -> None:
        async with open_engine(settings) as engine:
            for start in range(0, len(orders), _PIECE):
                pictures = await _pictures(engine, orders[start : start + _PIECE])
                found.extend((one.focus.x, one.focus.y) if one.focus else None for one in pictures)
                say(f"{len(found)} of {len(orders)}")

    asyncio.run(find())
    return found


async def _paint(settings: EngineSettings, pieces: Mapping[Path, Sequence[Order]], say: Callable[[str], None]) -> None:
    async with open_engine(settings) as engine:
        for number, (file, orders) in enumerate(pieces.items(), 1):
            _keep(await _pictures(engine, orders), file)
            say(f"{file.parent.name}: {number} of {len(pieces)} pieces")


async def _pictures(engine: Engine, orders: Sequence[Order]) -> list[Picture]:
    recipes = [_recipe(order, engine) for order in orders]
    async with asyncio.TaskGroup() as tasks:
        painting = [tasks.create_task(engine.paint(recipe, Lane.BACKFILL, _pass_over)) for recipe in recipes]
    return [task.result() for task in painting]


def _pass_over(_done: int, _of: int) -> None:
    """Steps are not told."""


def _keep(pictures: Sequence[Picture], file: Path) -> None:
    pixels = [np.frombuffer(one.rgb, np.uint8).reshape(one.height, one.width, 3) for one in pictures]
    with file.with_suffix(".new").open("wb") as whole:
        np.save(whole, np.stack(pixels))
    file.with_suffix(".new").replace(file)


def _recipe(order: Order, engine: Engine) -> Recipe:
    return Recipe(
        prompt=order.prompt,
        negative_prompt=order.negative,
        model=engine.paintable.model,
        adapters=(),
        width=order.width,
        height=order.height,
        steps=defaults.STEPS,
        guidance_scale=order.guidance,
        seed=order.seed,
        style="default",
        style_version=1,
    )
