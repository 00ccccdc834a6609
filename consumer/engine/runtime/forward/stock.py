"""The forward pass of diffusers: for transformers that ours does not know, and weights moved layer by layer."""

from collections.abc import Sequence
from typing import Any

import torch


class StockForward:
    """Calls the stock module, which pads all sequences to the longest one."""

    def __init__(self, transformer: Any) -> None:
        self._transformer = transformer

    def condition(self, embedding: torch.Tensor, rows: int, columns: int) -> torch.Tensor:
        """Return the embedding: the module works the rest out in every step."""
        del rows, columns
        return embedding

    def flows(
        self, latents: Sequence[torch.Tensor], times: torch.Tensor, conditionings: Sequence[torch.Tensor]
    ) -> list[torch.Tensor]:
        """Return the flow of each picture's latents, which it takes as a film of one frame; in its dtype."""
        dtype = self._transformer.x_pad_token.dtype
        frames = [picture.to(dtype).unsqueeze(1) for picture in latents]
        (flows,) = self._transformer(frames, times, list(conditionings), return_dict=False)
        return [flow.squeeze(1) for flow in flows]
