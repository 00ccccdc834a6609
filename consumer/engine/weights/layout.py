"""Tensor names of checkpoints translated to the model's names.

Two layouts: diffusers' own, and that of the original release and ComfyUI (one fused `qkv`); bare or under a prefix.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

PREFIXES = (
    "model.diffusion_model.",
    "diffusion_model.",
    "transformer.",
    "_orig_mod.",
    "pipe.dit.",
    "module.",
    "model.",
    "dit.",
)
"""Prefixes that tools put before every name, longest first: one is stripped, so `model.` must not match first."""

JUNK = frozenset({"norm_final.weight"})
"""Tensors that fine-tunes carry and no model uses; they may even hold NaN."""

_HEADS = (("x_embedder.", "all_x_embedder.2-1."), ("final_layer.", "all_final_layer.2-1."))
_INNER = (
    (".attention.out.", ".attention.to_out.0."),
    (".attention.q_norm.", ".attention.norm_q."),
    (".attention.k_norm.", ".attention.norm_k."),
)
_FUSED = ".attention.qkv."
_SPLIT = (".attention.to_q.", ".attention.to_k.", ".attention.to_v.")
_FAMILIES = (
    ("Z-Image ControlNet", ("control_layers.",)),
    ("Flux", ("double_blocks.", "single_blocks.", "single_transformer_blocks.")),
    ("Qwen-Image or Stable Diffusion 3", ("transformer_blocks.", "joint_blocks.")),
    ("Wan", ("blocks.0.self_attn.",)),
    ("Stable Diffusion (U-Net)", ("input_blocks.", "down_blocks.")),
    ("VAE", ("encoder.", "decoder.")),
    ("text encoder", ("layers.0.self_attn.", "embed_tokens.")),
)
_MARKERS = ("noise_refiner.", "context_refiner.", "cap_embedder.", "x_pad_token", "layers.0.attention.")


@dataclass(frozen=True, slots=True)
class TensorSlice:
    """Where a file has a tensor of the model: a whole tensor, or one third (0, 1, 2) of a tensor's rows."""

    source: str
    third: int | None = None


@dataclass(frozen=True, slots=True)
class TensorMapping:
    """The slices that claim each name of the model, the names that are ignored, and the layouts and prefixes found."""

    slices: Mapping[str, tuple[TensorSlice, ...]]
    junk: tuple[str, ...]
    layout: str
    prefixes: tuple[str, ...]


def map_tensors(names: Iterable[str]) -> TensorMapping:
    """Translate every name of a file; an unknown name is kept, without its prefix."""
    slices: dict[str, tuple[TensorSlice, ...]] = {}
    junk, prefixes, styles = [], set(), set()
    for name in names:
        prefix, bare = split_prefix(name)
        prefixes.add(prefix)
        if bare in JUNK:
            junk.append(name)
            continue
        targets = to_model_names(bare)
        if targets != ((bare, None),):
            styles.add("original")
        elif bare.startswith("all_") or any(split in bare for split in _SPLIT):
            styles.add("diffusers")
        for target, third in targets:
            slices[target] = (*slices.get(target, ()), TensorSlice(name, third))
    return TensorMapping(slices, tuple(junk), " and ".join(sorted(styles)) or "unknown", tuple(sorted(prefixes)))


def split_prefix(name: str) -> tuple[str, str]:
    """Return a name's prefix ("" if it has none) and the rest."""
    for prefix in PREFIXES:
        if name.startswith(prefix):
            return prefix, name.removeprefix(prefix)
    return "", name


def to_model_names(bare: str) -> tuple[tuple[str, int | None], ...]:
    """Return the model's names for a name without prefix: with the third of its rows if it is fused, else None."""
    name = bare
    for original, ours in _HEADS:
        if name.startswith(original):
            name = ours + name.removeprefix(original)
    for original, ours in _INNER:
        name = name.replace(original, ours)
    if _FUSED not in name:
        return ((name, None),)
    return tuple((name.replace(_FUSED, split), third) for third, split in enumerate(_SPLIT))


def to_original_name(name: str) -> str:
    """Return the original release's name of a tensor of the model: for `to_q`, `to_k` and `to_v` the fused one."""
    for original, ours in _HEADS:
        if name.startswith(ours):
            name = original + name.removeprefix(ours)
    for original, ours in _INNER:
        name = name.replace(ours, original)
    for split in _SPLIT:
        name = name.replace(split, _FUSED)
    return name


def family(names: Iterable[str]) -> str | None:
    """Return which other model these weights belong to; None if they look like Z-Image's or are unknown."""
    bare = [split_prefix(name)[1] for name in names]
    ours = any(name.startswith(_MARKERS) for name in bare)
    for other, markers in _FAMILIES:
        if any(name.startswith(markers) for name in bare) and (not ours or other.startswith("Z-Image")):
            return other
    return None


def block_of(name: str) -> str:
    """Return the block of the model that a tensor belongs to, such as `layers.7`."""
    parts = name.split(".")
    if parts[0] in {"layers", "noise_refiner", "context_refiner", "siglip_refiner"}:
        return ".".join(parts[:2])
    if parts[0] == "all_final_layer":
        return "final layer"
    return "embedders" if parts[0].endswith(("_embedder", "_pad_token")) else "other"
