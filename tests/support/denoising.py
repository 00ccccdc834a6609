"""The denoiser under test, the stock pipeline to compare with, and a corpus of pictures for both."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from consumer.engine.protocol import Failed, Paint, Painted, Running, StepDone
from consumer.engine.runtime.decoder import decode
from consumer.engine.runtime.denoiser import Denoiser
from consumer.engine.runtime.prompts import PromptEncoder
from consumer.engine.runtime.sample import Sample
from consumer.jobs import Lane
from consumer.settings import EngineSettings
from tests.support.samples import recipe_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pytest

    from consumer.engine.protocol import Reply
    from consumer.engine.runtime.model import Model
    from consumer.jobs import Focus, Recipe


CORPUS = (
    *(recipe_of(width=width, height=height) for width, height in ((64, 64), (96, 64), (64, 160), (128, 128))),
    *(recipe_of(steps=steps, seed=steps) for steps in (1, 3, 6)),
    *(recipe_of(guidance_scale=scale, steps=3) for scale in (0.0, 2.0, 5.0)),
    *(recipe_of(negative_prompt=text, steps=3) for text in ("", "blurry, watermark", "文字、水印、低质量")),
    *(recipe_of(prompt="清晨安静的图书馆", seed=seed) for seed in range(9)),
    recipe_of(prompt="港口上空的暴风雨，渡轮停航。", negative_prompt="", guidance_scale=5.0, seed=2**53 - 1),
    recipe_of(prompt="a quiet library at dawn, " * 9, steps=4),
    recipe_of(prompt="a quiet library " * 200),
)
"""Sizes, steps, guidance, negative prompts, variants, both languages, a long prompt and one that is cut."""


@dataclass(repr=False)
class DenoiserSession:
    """A denoiser and all its replies."""

    model: Model
    settings: EngineSettings = field(default_factory=EngineSettings)
    replies: list[Reply] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.denoiser = Denoiser(self.model, self.settings, self.replies.append)

    def take(self, *recipes: Recipe, lane: Lane = Lane.LIVE, first: int = 0, alone: bool = False) -> None:
        """Send pictures, numbered from `first`."""
        for number, recipe in enumerate(recipes, first):
            self.denoiser.take(Paint(number, recipe, lane, alone))

    def work(self, units: int) -> None:
        """Do n units of work."""
        for _ in range(units):
            self.denoiser.work()

    def finish(self, most: int = 2000) -> DenoiserSession:
        """Work until no picture is left, for a limited number of units."""
        for _ in range(most):
            if not self.denoiser.busy:
                return self
            self.denoiser.work()
        raise AssertionError(f"still busy after {most} units")

    def of(self, kind: type[Any]) -> list[Any]:
        """Return the replies of one kind, in order."""
        return [reply for reply in self.replies if isinstance(reply, kind)]

    @property
    def pictures(self) -> dict[int, Any]:
        """The pictures by number, rows x columns x 3."""
        return {
            reply.number: np.frombuffer(reply.rgb, np.uint8).reshape(reply.height, reply.width, 3)
            for reply in self.of(Painted)
        }

    @property
    def focuses(self) -> dict[int, Focus | None]:
        """Where guidance acted in the pictures, by number."""
        return {reply.number: reply.focus for reply in self.of(Painted)}

    def numbered(self, latents: Sequence[torch.Tensor]) -> dict[int, torch.Tensor]:
        """Return latents kept by `keeping_latents`, by picture number."""
        return dict(zip((reply.number for reply in self.of(Painted)), latents, strict=True))

    @property
    def failures(self) -> dict[int, Failed]:
        """The failures by number."""
        return {reply.number: reply for reply in self.of(Failed)}

    @property
    def batches(self) -> list[tuple[int, ...]]:
        """The pictures that stepped together, whenever that changed."""
        return [reply.numbers for reply in self.of(Running)]

    def steps_of(self, number: int) -> list[int]:
        """Return the reported steps of a picture, in order."""
        return [reply.done for reply in self.of(StepDone) if reply.number == number]


def begun(model: Model, recipe: Recipe) -> Sample:
    """Return a picture of the recipe that has its noise and no step yet."""
    encoder = PromptEncoder(model.pipeline, 2**20)
    negative = encoder.read(recipe.negative_prompt) if recipe.guidance_scale > 0 else None
    sample = Sample(Paint(0, recipe, Lane.LIVE), encoder.read(recipe.prompt), negative, model.geometry)
    with torch.no_grad():
        sample.begin(model, encoder.embed(sample.prompts, model.device))
    return sample


@contextmanager
def keeping_latents(patch: pytest.MonkeyPatch) -> Iterator[list[torch.Tensor]]:
    """Keep the final latents of every picture decoded in the context, in the order of completion."""
    kept: list[torch.Tensor] = []

    def keeping(vae: Any, latents: Sequence[torch.Tensor], **how: Any) -> Any:
        kept.extend(held.cpu() for held in latents)
        return decode(vae, latents, **how)

    with patch.context() as patched:
        patched.setattr("consumer.engine.runtime.denoiser.decode", keeping)
        yield kept


def stock(model: Model, recipe: Recipe, output: str = "latent") -> Any:
    """Paint the recipe with the library's pipeline alone."""
    image = model.pipeline(
        prompt=recipe.prompt,
        negative_prompt=recipe.negative_prompt,
        width=recipe.width,
        height=recipe.height,
        num_inference_steps=recipe.steps,
        guidance_scale=recipe.guidance_scale,
        generator=torch.Generator("cpu").manual_seed(recipe.seed),
        output_type=output,
    ).images[0]
    return image.cpu() if output == "latent" else np.asarray(image)


def psnr(one: Any, other: Any) -> float:
    """Return the peak signal-to-noise ratio of two 8-bit pictures in dB."""
    error = float(np.mean((one.astype(float) - other.astype(float)) ** 2))
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


SAME_FOCUS = 1e-4
"""Most that a focus may move by rounding."""


def apart(one: Focus | None, other: Focus | None) -> float:
    """Return the largest difference of two focuses' fields: 0 if there is neither, infinite if there is one."""
    if one is None or other is None:
        return 0.0 if one is other else float("inf")
    return max(abs(one.x - other.x), abs(one.y - other.y), abs(one.spread - other.spread))


def spread_over_lanes(corpus: Sequence[Recipe]) -> Iterator[tuple[int, Recipe, Lane]]:
    """Number the corpus and spread it over the lanes."""
    for number, recipe in enumerate(corpus):
        yield number, recipe, list(Lane)[number % len(Lane)]
