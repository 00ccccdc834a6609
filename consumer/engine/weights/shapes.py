"""Names and shapes of the tensors of Z-Image's transformer, derived from its configuration without torch.

The model's own weights cannot tell: a tensor that they lack would be missing from the expectation too.
"""

from collections.abc import Iterable, Mapping
from typing import Any

Shapes = dict[str, tuple[int, ...]]

CAP = 65_536
"""Limit of layers, heads or channels in a configuration: the full model has at most 10,240 of anything."""

_SIZES = ("in_channels", "dim", "n_layers", "n_refiner_layers", "n_heads", "cap_feat_dim")
_LISTS = ("all_patch_size", "all_f_patch_size")
_MODULATION, _FREQUENCIES, _TIME = 256, 256, 1024


def expected_shapes(config: Mapping[str, Any]) -> Shapes | None:
    """Return the shape of every tensor of a transformer with this configuration; None if it lacks a required field.

    `qk_norm` and `siglip_feat_dim` may be absent, as in the original release; that means true and none. Raises
    ValueError for values that no model has.
    """
    if any(config.get(field) is None for field in (*_SIZES, *_LISTS)):
        return None
    size = {field: _natural(field, config[field]) for field in _SIZES}
    patches, depths = (_naturals(field, config[field]) for field in _LISTS)
    siglip = config.get("siglip_feat_dim")
    dim, refiners, heads = size["dim"], range(size["n_refiner_layers"]), size["n_heads"]
    if not dim or not heads or len(patches) != len(depths):
        raise ValueError("dim, n_heads or the patch sizes")
    plain = _block(dim, heads, normed=bool(config.get("qk_norm", True)))
    modulated = plain | _linear("adaLN_modulation.0", 4 * dim, min(dim, _MODULATION))
    shapes = _ends(size, zip(patches, depths, strict=True))
    shapes |= _under((f"noise_refiner.{number}" for number in refiners), modulated)
    shapes |= _under((f"context_refiner.{number}" for number in refiners), plain)
    shapes |= _under((f"layers.{number}" for number in range(size["n_layers"])), modulated)
    if siglip is not None:
        shapes |= _embedder("siglip", _natural("siglip_feat_dim", siglip), dim)
        shapes |= _under((f"siglip_refiner.{number}" for number in refiners), plain)
    return shapes


def _ends(size: Mapping[str, int], patches: Iterable[tuple[int, int]]) -> Shapes:
    """Return the tensors before and after the layers."""
    dim, narrow = size["dim"], min(size["dim"], _MODULATION)
    shapes = _linear("t_embedder.mlp.0", _TIME, _FREQUENCIES) | _linear("t_embedder.mlp.2", narrow, _TIME)
    shapes |= _embedder("cap", size["cap_feat_dim"], dim) | {"x_pad_token": (1, dim)}
    for side, depth in patches:
        pixels = depth * side * side * size["in_channels"]
        shapes |= _linear(f"all_x_embedder.{side}-{depth}", dim, pixels)
        shapes |= _linear(f"all_final_layer.{side}-{depth}.linear", pixels, dim)
        shapes |= _linear(f"all_final_layer.{side}-{depth}.adaLN_modulation.1", dim, narrow)
    return shapes


def _block(dim: int, heads: int, *, normed: bool) -> Shapes:
    """Return the tensors of a block without modulation."""
    head = dim // heads
    inner, hidden = head * heads, int(dim / 3 * 8)
    shapes: Shapes = {f"attention.to_{name}.weight": (inner, dim) for name in "qkv"}
    shapes |= {"attention.to_out.0.weight": (dim, inner)}
    if normed:
        shapes |= {f"attention.norm_{name}.weight": (head,) for name in "qk"}
    shapes |= {f"feed_forward.{name}.weight": (hidden, dim) for name in ("w1", "w3")}
    shapes |= {"feed_forward.w2.weight": (dim, hidden)}
    return shapes | {f"{name}_norm{number}.weight": (dim,) for name in ("attention", "ffn") for number in (1, 2)}


def _embedder(what: str, inputs: int, dim: int) -> Shapes:
    norm, pad = {f"{what}_embedder.0.weight": (inputs,)}, {f"{what}_pad_token": (1, dim)}
    return norm | _linear(f"{what}_embedder.1", dim, inputs) | pad


def _linear(name: str, outputs: int, inputs: int) -> Shapes:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def _under(prefixes: Iterable[str], shapes: Shapes) -> Shapes:
    return {f"{prefix}.{name}": shape for prefix in prefixes for name, shape in shapes.items()}


def _naturals(field: str, values: object) -> list[int]:
    if not isinstance(values, list | tuple):
        raise ValueError(field)  # noqa: TRY004 - the value is from a file, whatever its type
    return [_natural(field, value) for value in values]


def _natural(field: str, value: object) -> int:
    if type(value) is not int or not 0 <= value <= CAP:
        raise ValueError(field)
    return value
