"""A picture on its way from noise to latents: what it wants, what it holds, how far it is."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from diffusers.pipelines.z_image.pipeline_z_image import calculate_shift, get_default_z_image_sigmas
from diffusers.utils.torch_utils import randn_tensor

if TYPE_CHECKING:
    from collections.abc import Hashable

    from consumer.engine.protocol import Paint
    from consumer.engine.runtime.model import Model
    from consumer.engine.runtime.prompts import Prompt, PromptEncoder

SEQUENCE_MULTIPLE = 32
"""The transformer fills pictures and prompts up to multiples of this many tokens, with tokens that it attends to."""


def padded(tokens: int) -> int:
    """Return how many tokens the transformer makes of so many."""
    return -(-tokens // SEQUENCE_MULTIPLE) * SEQUENCE_MULTIPLE


@dataclass(frozen=True, slots=True)
class LatentGeometry:
    """A model's measures: pixels of a latent's side, and latents of a token's side."""

    pixels: int
    patch: int

    def latents(self, width: int, height: int) -> tuple[int, int]:
        """Return rows and columns of the latents of a picture of so many pixels."""
        return height // self.pixels, width // self.pixels

    def tokens(self, width: int, height: int) -> tuple[int, int]:
        """Return rows and columns of the tokens of a picture of so many pixels."""
        rows, columns = self.latents(width, height)
        return rows // self.patch, columns // self.patch


class Sample:
    """A picture in the making; implements `consumer.engine.runtime.step_scheduler.Candidate`.

    Nothing is held on the device before `begin`, and after it the embeddings of its prompts and the latents, fp32,
    channels x rows x columns, which only `advance` changes.
    """

    def __init__(self, order: Paint, prompt: Prompt, negative: Prompt | None, canvas: LatentGeometry) -> None:
        self.order = order
        self.prompt = prompt
        self.negative = negative
        self.passed_over = 0
        self.alone = order.alone
        self.done = 0
        self._spared = False
        self._canvas = canvas
        self.embedding = torch.empty(0)
        self.negative_embedding: torch.Tensor | None = None
        self._latents: torch.Tensor | None = None
        self._scheduler: Any = None
        self._begun_at = 0.0
        rows, columns = canvas.tokens(order.recipe.width, order.recipe.height)
        self._tokens = rows * columns
        self.length = padded(self._tokens) + padded(len(prompt.tokens))
        self.negative_length = padded(self._tokens) + padded(len(negative.tokens)) if negative else 0

    @property
    def number(self) -> int:
        """Its age: smaller is older."""
        return self.order.number

    @property
    def rank(self) -> int:
        """Its lane, 0 for the most urgent."""
        return self.order.lane.rank

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        """What has to be embedded before it begins."""
        return (self.prompt, self.negative) if self.negative else (self.prompt,)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.order.recipe.width, self.order.recipe.height

    @property
    def group(self) -> Hashable:
        """The weights that it needs."""
        return self.order.recipe.adapters

    @property
    def begun(self) -> bool:
        """True once its noise is drawn."""
        return self._latents is not None

    @property
    def finished(self) -> bool:
        """True once all its steps are done."""
        return self.done == self.order.recipe.steps

    @property
    def seconds(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._begun_at

    @property
    def latents(self) -> torch.Tensor:
        """The latents as they are, fp32, channels x rows x columns. Raises RuntimeError before `begin`."""
        if self._latents is None:
            raise RuntimeError("The picture has not begun")
        return self._latents

    @property
    def time(self) -> torch.Tensor:
        """How far the flow has come, 0 for noise and 1 for the picture: what the transformer is told, a scalar."""
        flow: torch.Tensor = (1000 - self._scheduler.timesteps[self.done]) / 1000
        return flow

    def spared(self) -> bool:
        """Return True once: memory may have been short for a moment only, through somebody else on the device."""
        first, self._spared = not self._spared, True
        return first

    def begin(self, model: Model, encoder: PromptEncoder) -> None:
        """Embed the prompts, lay out the schedule and draw the noise, as the stock pipeline does. All of it or nothing.

        Noise from a CPU generator is the same on any device and in any company.
        """
        recipe = self.order.recipe
        self.embedding = encoder.embed(self.prompt, model.device)
        self.negative_embedding = encoder.embed(self.negative, model.device) if self.negative else None
        self._scheduler = _schedule(model.scheduler, recipe.steps, self._tokens, model.device)
        shape = (1, model.channels, *self._canvas.latents(recipe.width, recipe.height))
        generator = torch.Generator("cpu").manual_seed(recipe.seed)
        self._latents = randn_tensor(shape, generator=generator, device=model.device, dtype=torch.float32)[0]
        self._begun_at = time.monotonic()

    def advance(self, velocity: torch.Tensor) -> None:
        """Take one step along `velocity` (fp32, of the latents' shape, from noise to picture)."""
        timestep = self._scheduler.timesteps[self.done]
        self._latents = self._scheduler.step(-velocity, timestep, self.latents, return_dict=False)[0]
        self.done += 1


def _schedule(scheduler: Any, steps: int, tokens: int, device: torch.device) -> Any:
    """Return a scheduler of the picture's own, set as the stock pipeline sets the model's."""
    own = copy.deepcopy(scheduler)
    shift = calculate_shift(
        tokens,
        own.config.get("base_image_seq_len", 256),
        own.config.get("max_image_seq_len", 4096),
        own.config.get("base_shift", 0.5),
        own.config.get("max_shift", 1.15),
    )
    own.set_timesteps(sigmas=get_default_z_image_sigmas(steps), device=device, mu=shift)
    own.set_begin_index(0)
    return own
