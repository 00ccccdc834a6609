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
_ANY = frozenset(
    {
        *("axes_dims", "axes_lens", "cap_feat_dim", "dim", "in_channels", "n_heads", "n_kv_heads", "n_layers"),
        *("n_refiner_layers", "norm_eps", "rope_theta", "t_scale"),
    }
)
"""What may have any value, as our forward pass takes it from the transformer."""

_AXES = 3
"""Text, row, column: what `conditioning.positions` returns."""

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
_ATTENTION = frozenset({"norm_k", "norm_q", "to_k", "to_out", "to_q", "to_v"})
_FEED_FORWARD = frozenset({"w1", "w2", "w3"})


class Forward(Protocol):
    """Computes flows of pictures; what `condition` returns belongs to the forward that made it."""

    def condition(self, embedding: torch.Tensor, rows: int, columns: int) -> Any:
        """Return what a prompt's embedding (tokens x width) and a size in tokens mean for every step."""

    def flows(
        self, latents: Sequence[torch.Tensor], times: torch.Tensor, conditionings: Sequence[Any]
    ) -> list[torch.Tensor]:
        """Return the flow of each picture's latents (channels x rows x columns) at its time (0 noise, 1 picture).

        Latents are in any dtype, flows in fp32 or the transformer's.
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
    return _unknown_setting(transformer.config) or _unknown_part(transformer)


def _unknown_setting(config: Any) -> str:
    for name, known in _KNOWN.items():
        value = config.get(name)
        if (list(value) if isinstance(value, tuple) else value) != known:
            return f"{name} is {value!r}, not {known!r}"
    if config.n_kv_heads != config.n_heads:
        return f"n_kv_heads is {config.n_kv_heads}, not n_heads, {config.n_heads}"
    if len(config.axes_dims) != _AXES:
        return f"axes_dims has {len(config.axes_dims)} axes, not {_AXES}"
    new = {name: value for name, value in config.items() if not (name.startswith("_") or name in _KNOWN.keys() | _ANY)}
    if switched_on := [f"{name} is {value!r}" for name, value in sorted(new.items()) if value not in (None, False)]:
        return f"it has settings of a later diffusers: {', '.join(switched_on)}"
    return ""


def _unknown_part(transformer: Any) -> str:
    modulated, plain = (*transformer.noise_refiner, *transformer.layers), transformer.context_refiner
    expected = [(transformer, "its parts", _PARTS)]
    expected += [(block, "the parts of a block", _BLOCK) for block in modulated]
    expected += [(block, "the parts of a refiner of prompts", _BLOCK - {"adaLN_modulation"}) for block in plain]
    for block in (*modulated, *plain):
        expected += [(block.attention, "the parts of attention", _ATTENTION)]
        expected += [(block.feed_forward, "the parts of a feed-forward", _FEED_FORWARD)]
    for module, what, known in expected:
        if extra := {name for name, _ in module.named_children()} ^ known:
            return f"{what} differ: {', '.join(sorted(extra))}"
    return ""
