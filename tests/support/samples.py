"""Values of the worker's language that several tests use."""

from __future__ import annotations

from typing import Any

from consumer.jobs import Focus, Master, ModelIdentity, PaintedFor, Recipe, Use
from consumer.renditions import (
    Crop,
    EncodedRenditions,
    Encoding,
    FocalPoint,
    Rendition,
    RenditionFormat,
    RenditionOrder,
    RenditionSet,
    TooWide,
)
from schemas.pictures import FocalSource

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

ASKED = PaintedFor(alt="A drawing of ferries in port", variation=0, variants=1, use=Use("a-1", "hero"))
MASTER = Master(b"\x89PNG not really", "image/png", 512, 512, focus=Focus(0.25, 0.4, 0.1))
_HERO = RenditionSet("hero", (16, 9), (320, 480, 640), (Encoding(RenditionFormat.AVIF, 60, 40),))
ORDER = RenditionOrder((_HERO,), FocalPoint(0.25, 0.4, FocalSource.FOUND), {"hero": Crop(0, 60, 512, 288)})
MADE = EncodedRenditions(
    renditions=tuple(
        Rendition(f"hero-{width}", "hero", b"AVIF of %d" % width, "image/avif", width, width * 9 // 16, crop)
        for crop in ORDER.crops.values()
        for width in (320, 480)
    ),
    missing=(TooWide("hero-640", "hero", 640, 480),),
    thumbhash="3OcRJYB4d3h/iIeHeEh3eIhw+j2w",
    dominant_colour="#a1b2c3",
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
