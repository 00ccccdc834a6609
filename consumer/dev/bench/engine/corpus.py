"""The pictures to paint: of one shape, or mixed as in a newsroom's day. Imports no torch."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from consumer.dev.bench.engine.plan import PictureShape
from consumer.jobs import ModelIdentity, Recipe

_SEED = 20_261_124
_PROMPTS = (
    "A storm over the harbour: ferries stay in port as winds pass one hundred kilometres per hour, editorial picture",
    "A quiet library at dawn, oil painting",
    "The city council votes on the new tram line, wide shot of the chamber, late afternoon light",
    "港口上空的暴风雨，渡轮停航，新闻配图",
    "清晨安静的图书馆",
    "A portrait of the winner of the regional chess championship after six hours of play",
    "Wheat fields under an empty sky, drought, seen from the air",
    "Anime illustration of a night market in the rain",
)
_NEGATIVES = ("", "low quality, blurry, text, watermark", "文字、水印、低质量")
_SMALL_SIDES = ((64, 64), (96, 64), (64, 96), (96, 96), (64, 160), (160, 96), (128, 128), (160, 160))
_FULL_SIDES = ((512, 512), (768, 512), (512, 768), (640, 480), (1024, 576), (576, 1024), (768, 768), (1024, 1024))
_STEPS = (8, 10, 12, 16, 20)
_GUIDANCES = (0.0, 0.0, 2.0, 3.5, 5.0)
_VARIANTS = (1, 1, 1, 1, 1, 1, 2, 3)
_NOBODY = ModelIdentity("bench", "0" * 64)


@dataclass(frozen=True, slots=True)
class BenchRequest:
    """Pictures requested together: they differ only in their seeds."""

    variants: tuple[Recipe, ...]


def requests_of(shape: PictureShape, count: int) -> tuple[BenchRequest, ...]:
    """Return `count` requests for one picture each, of one shape; prompts differ, the negative prompt does not."""
    return tuple(
        BenchRequest((_recipe(_PROMPTS[number % len(_PROMPTS)], _NEGATIVES[1], shape, number),))
        for number in range(count)
    )


def mixed_requests(count: int, *, full_size: bool) -> tuple[BenchRequest, ...]:
    """Return `count` requests that differ in size, steps, guidance, prompts and variants; always the same ones."""
    draw = random.Random(_SEED)
    requests = []
    for number in range(count):
        width, height = draw.choice(_FULL_SIDES if full_size else _SMALL_SIDES)
        shape = PictureShape(width, height, draw.choice(_STEPS), draw.choice(_GUIDANCES))
        first = _recipe(draw.choice(_PROMPTS), draw.choice(_NEGATIVES), shape, 100 * number)
        variants = range(draw.choice(_VARIANTS))
        requests.append(BenchRequest(tuple(replace(first, seed=first.seed + variant) for variant in variants)))
    return tuple(requests)


def pictures(requests: Sequence[BenchRequest]) -> list[Recipe]:
    """Return every picture of the requests."""
    return [recipe for request in requests for recipe in request.variants]


def _recipe(prompt: str, negative: str, shape: PictureShape, seed: int) -> Recipe:
    return Recipe(
        prompt=prompt,
        negative_prompt=negative,
        model=_NOBODY,
        adapters=(),
        width=shape.width,
        height=shape.height,
        steps=shape.steps,
        guidance_scale=shape.guidance,
        seed=seed,
        style="default",
        style_version=1,
    )
