"""One picture's state between noise and finished latents."""

import copy
import time
from collections.abc import Hashable
from typing import Any, NamedTuple

import torch
from diffusers.pipelines.z_image.pipeline_z_image import calculate_shift, get_default_z_image_sigmas
from diffusers.utils.torch_utils import randn_tensor

from consumer.engine import protocol
from consumer.engine.runtime.focus import counts_for_focus
from consumer.engine.runtime.forward.choice import Forward
from consumer.engine.runtime.geometry import LatentGeometry, padded
from consumer.engine.runtime.model import Model
from consumer.engine.runtime.prompts import Embeddings, Prompt


class Flow(NamedTuple):
    """What the transformer says of one picture in one step: both fp32, channels x rows x columns.

    `velocity` leads from noise to picture; `difference` is the prompt's velocity minus the negative prompt's, None
    without guidance.
    """

    velocity: torch.Tensor
    difference: torch.Tensor | None = None


class Sample:
    """A picture being painted; implements `consumer.engine.runtime.step_scheduler.StepCandidate`.

    `decoding` once its decode is launched.

    Holds nothing on the device before `begin`; after it the embeddings of its prompts and what they mean to the forward
    pass, the latents (fp32, channels x rows x columns) and where guidance acted (a number for each position). Only
    `advance` changes the last two.
    """

    def __init__(
        self, command: protocol.Paint, prompt: Prompt, negative: Prompt | None, geometry: LatentGeometry
    ) -> None:
        self.command = command
        self.prompt = prompt
        self.negative = negative
        self.passed_over = 0
        self.alone = command.alone
        self.done = 0
        self.decoding = False
        self._retried = False
        self._geometry = geometry
        self._embeddings: dict[bool, torch.Tensor] = {}  # of the prompt, and of the negative one under True
        self._conditioned: dict[bool, Any] = {}
        self._conditioned_by: Forward | None = None
        self._latents: torch.Tensor | None = None
        self._acted: torch.Tensor | None = None
        self._scheduler: Any = None
        self._times = torch.empty(0)
        self._begun_at = 0.0
        rows, columns = geometry.tokens(command.recipe.width, command.recipe.height)
        self._tokens = rows * columns
        self.length = padded(self._tokens) + padded(len(prompt.tokens))
        self.negative_length = padded(self._tokens) + padded(len(negative.tokens)) if negative else 0

    @property
    def number(self) -> int:
        """Its order of arrival: smaller is older."""
        return self.command.number

    @property
    def rank(self) -> int:
        """Its lane's rank, 0 for the most urgent."""
        return self.command.lane.rank

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        """The prompts to embed before it begins."""
        return (self.prompt, self.negative) if self.negative else (self.prompt,)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.command.recipe.width, self.command.recipe.height

    @property
    def group(self) -> Hashable:
        """The adapters that it needs."""
        return self.command.recipe.adapters

    @property
    def begun(self) -> bool:
        """True once its noise is drawn."""
        return self._latents is not None

    @property
    def finished(self) -> bool:
        """True once all its steps are done."""
        return self.done == self.command.recipe.steps

    @property
    def seconds(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._begun_at

    @property
    def latents(self) -> torch.Tensor:
        """The current latents, fp32, channels x rows x columns. Raises RuntimeError before `begin`."""
        if self._latents is None:
            raise RuntimeError("The picture has not begun")
        return self._latents

    @property
    def acted(self) -> torch.Tensor | None:
        """Where guidance acted, rows x columns; None before its middle steps and without guidance."""
        return self._acted

    @property
    def tensors(self) -> tuple[torch.Tensor, ...]:
        """What `begin` put on the device."""
        schedule = (value for value in vars(self._scheduler).values() if isinstance(value, torch.Tensor))
        return (*self._embeddings.values(), *schedule, self._times, self.latents)

    @property
    def time(self) -> torch.Tensor:
        """The transformer's time input, a scalar: 0 for noise, 1 for the picture."""
        return self._times[self.done]

    def retry_once(self) -> bool:
        """Return True the first time: another process on the device may have taken the memory for a moment."""
        first, self._retried = not self._retried, True
        return first

    def begin(self, model: Model, embeddings: Embeddings) -> None:
        """Take the prompts' embeddings, set the schedule and draw the noise, as the stock pipeline does.

        All of it or nothing. The noise comes from a CPU generator, so it is the same on any device and in any batch.
        """
        recipe = self.command.recipe
        self._embeddings = {bool(negative): embeddings[prompt.tokens] for negative, prompt in enumerate(self.prompts)}
        self._scheduler = _schedule(model.scheduler, recipe.steps, self._tokens, model.device)
        self._times = (1000 - self._scheduler.timesteps) / 1000
        shape = (1, model.channels, *self._geometry.latents(recipe.width, recipe.height))
        generator = torch.Generator("cpu").manual_seed(recipe.seed)
        self._latents = randn_tensor(shape, generator=generator, device=model.device, dtype=torch.float32)[0]
        self._begun_at = time.monotonic()

    def conditioned(self, forward: Forward, *, negative: bool) -> Any:
        """Return what the prompt means to a forward pass, worked out once; its adapters must be active."""
        if self._conditioned_by is not forward:
            self._conditioned, self._conditioned_by = {}, forward
        if negative not in self._conditioned:
            grid = self._geometry.tokens(*self.size)
            self._conditioned[negative] = forward.condition(self._embeddings[negative], *grid)
        return self._conditioned[negative]

    def advance(self, flow: Flow) -> None:
        """Take one step along the flow. All of it or nothing."""
        timestep = self._scheduler.timesteps[self.done]
        acted = self._acted_after(flow)
        # The scheduler counts its steps, so nothing that can fail may follow it.
        self._latents = self._scheduler.step(-flow.velocity, timestep, self.latents, return_dict=False)[0]
        self._acted = acted
        self.done += 1

    def _acted_after(self, flow: Flow) -> torch.Tensor | None:
        """Return where guidance acted, with this step's part: the mean over channels of the difference's size."""
        if flow.difference is None or not counts_for_focus(self.done, self.command.recipe.steps):
            return self._acted
        acted = flow.difference.abs().mean(dim=0)
        return acted if self._acted is None else acted + self._acted


def _schedule(scheduler: Any, steps: int, tokens: int, device: torch.device) -> Any:
    """Return the picture's own scheduler, set the way the stock pipeline sets the model's."""
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
