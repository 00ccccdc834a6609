"""Which forward pass a transformer gets."""

from collections.abc import Sequence
from typing import Any, Protocol

import torch

from consumer.engine.runtime.forward.kernels import Kernels
from consumer.engine.runtime.forward.packed import PackedForward
from consumer.engine.runtime.forward.stock import StockForward
from consumer.errors import Fatal
from consumer.settings import ForwardKind
from schemas import Reason

_KNOWN = {
    "all_patch_size": [2],
    "all_f_patch_size": [1],
    "qk_norm": True,
    "siglip_feat_dim": None,
}
_PARTS = frozenset(
    {
        "all_final_layer",
        "all_x_embedder",
        "cap_embedder",
        "context_refiner",
        "layers",
        "noise_refiner",
        "t_embedder",
    }
)
_BLOCK = frozenset(
    {"attention", "feed_forward", "attention_norm1", "attention_norm2", "ffn_norm1", "ffn_norm2", "adaLN_modulation"}
)


class Forward(Protocol):
    """Computes flows of pictures; what `condition` returns belongs to the forward that made it."""

    def condition(self, embedding: torch.Tensor, rows: int, columns: int) -> Any:
        """Return what a prompt's embedding (tokens x width) and a size in tokens mean for every step."""

    def flows(
        self, latents: Sequence[torch.Tensor], times: torch.Tensor, conditionings: Sequence[Any]
    ) -> list[torch.Tensor]:
        """Return the flow of each picture's latents (channels x rows x columns) at its time (0 noise, 1 picture).

        Latents and flows are in the transformer's dtype.
        """


def choose_forward(transformer: Any, kind: ForwardKind, kernels: Kernels, *, resident: bool, movable: bool) -> Forward:
    """Return our forward pass, or the stock one if told so or if weights are moved layer by layer (not `movable`).

    `resident` weights stay on the device, so that products can be joined. Raises Fatal for a transformer that ours does
    not know.
    """
    if kind is ForwardKind.STOCK or not movable:
        return StockForward(transformer)
    if unknown := what_is_unknown(transformer):
        raise Fatal(
            Reason.MODEL_UNAVAILABLE,
            f"The model's transformer is none that leadart's own forward pass knows ({unknown}): set "
            "LEADART_ENGINE__FORWARD=stock to paint with the one of diffusers, more slowly.",
        )
    return PackedForward(transformer, kernels, fused=resident)


def what_is_unknown(transformer: Any) -> str:
    """Return what about a transformer differs from the Z-Image that our forward pass computes; "" if nothing."""
    config = transformer.config
    for name, known in _KNOWN.items():
        value = config.get(name)
        if (list(value) if isinstance(value, tuple) else value) != known:
            return f"{name} is {value!r}, not {known!r}"
    if config.n_kv_heads != config.n_heads:
        return f"n_kv_heads is {config.n_kv_heads}, not n_heads, {config.n_heads}"
    if extra := {name for name, _ in transformer.named_children()} ^ _PARTS:
        return f"its parts differ: {', '.join(sorted(extra))}"
    for block in (*transformer.noise_refiner, *transformer.layers):
        if extra := {name for name, _ in block.named_children()} ^ _BLOCK:
            return f"the parts of a block differ: {', '.join(sorted(extra))}"
    return ""
