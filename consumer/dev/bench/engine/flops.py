"""The operations that pictures need at least, counted."""

from collections.abc import Callable
from functools import cache

import torch
from torch.utils.flop_counter import FlopCounterMode

from consumer.engine.runtime.model import Model
from consumer.engine.runtime.prompts import PromptEncoder
from consumer.jobs import Recipe


class FlopCounter:
    """Counts the least that pictures of a model need: every prompt read once and unpadded, no padding for batches.

    So it is the same for all sides. Each kind of forward runs once and is cached.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._encoder = PromptEncoder(model.pipeline, 1)
        self.transformer = cache(self._transformer)
        self.text_encoder = cache(self._text_encoder)
        self.decoder = cache(self._decoder)

    def picture(self, recipe: Recipe) -> int:
        """Return the operations of one picture: its prompts, its steps, its decoding."""
        total = self.decoder(recipe.width, recipe.height)
        texts = [recipe.prompt, *([recipe.negative_prompt] if recipe.guidance_scale > 0 else [])]
        for text in texts:
            tokens = len(self._encoder.read(text).tokens)
            total += self.text_encoder(tokens)
            total += recipe.steps * self.transformer(recipe.width, recipe.height, tokens)
        return total

    def _transformer(self, width: int, height: int, tokens: int) -> int:
        network = self._model.transformer
        latents = self._latents(network.dtype, width, height).unsqueeze(1)
        embedding = torch.zeros(tokens, network.config.cap_feat_dim, dtype=network.dtype, device=self._model.device)
        moment = torch.zeros(1, dtype=network.dtype, device=self._model.device)
        return _counted(lambda: network([latents], moment, [embedding], return_dict=False))

    def _text_encoder(self, tokens: int) -> int:
        ids = torch.zeros(1, tokens, dtype=torch.long, device=self._model.device)
        mask = torch.ones_like(ids, dtype=torch.bool)
        return _counted(lambda: self._model.pipeline.text_encoder(input_ids=ids, attention_mask=mask))

    def _decoder(self, width: int, height: int) -> int:
        vae = self._model.vae
        vae.use_tiling = False
        latents = self._latents(vae.dtype, width, height).unsqueeze(0)
        return _counted(lambda: vae.decode(latents, return_dict=False))

    def _latents(self, dtype: torch.dtype, width: int, height: int) -> torch.Tensor:
        rows, columns = self._model.geometry.latents(width, height)
        return torch.zeros(self._model.channels, rows, columns, dtype=dtype, device=self._model.device)


@torch.no_grad()
def _counted(forward: Callable[[], object]) -> int:
    with FlopCounterMode(display=False) as counter:
        forward()
    return int(counter.get_total_flops())
