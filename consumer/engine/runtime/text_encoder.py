"""The text encoder without its last layer, whose result the model does not use."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

_PADDING = 0
"""Any token will do: a causal encoder's tokens do not see what follows them."""


def encode(encoder: Any, texts: Sequence[Sequence[int]], device: torch.device) -> list[torch.Tensor]:
    """Return each text's embedding, tokens x width, of one call: the state that the last layer would get.

    The stock pipeline takes the same, but computes the last layer as well and pads each text to 512 tokens.
    """
    longest = max(map(len, texts))
    ids = torch.tensor([[*text, *[_PADDING] * (longest - len(text))] for text in texts], device=device)
    decoder = encoder.base_model
    options = {} if decoder is encoder else {"logits_to_keep": 1}
    with _without_last_layer(decoder) as end:
        encoder(input_ids=ids, use_cache=False, **options)
    # No views: they would keep the texts that were encoded together in memory.
    return [state[: len(text)].clone() for state, text in zip(end.taken(), texts, strict=True)]


class _End(torch.nn.Module):
    """Takes the last layer's place and keeps what it gets."""

    _state: torch.Tensor | None = None

    def forward(self, state: torch.Tensor, **_options: Any) -> torch.Tensor:
        self._state = state
        return state

    def taken(self) -> torch.Tensor:
        """Return the state and forget it."""
        state, self._state = self._state, None
        if state is None:
            raise RuntimeError("The text encoder did not run to its last layer")
        return state


@contextmanager
def _without_last_layer(decoder: Any) -> Iterator[_End]:
    """For one call: the stock pipeline runs the same module whole."""
    layers, end = decoder.layers, _End()
    decoder.layers = torch.nn.ModuleList([*layers[:-1], end])
    try:
        yield end
    finally:
        decoder.layers = layers
