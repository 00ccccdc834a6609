"""LoRA files in the dialects of different trainers, as pairs of matrices for the model's modules.

Dialects: PEFT (`lora_A`, `lora_B`, with or without the adapter's name), `down` and `up` with `alpha`, kohya's
`lora_unet_` with underscores for dots; each with single or fused `qkv`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from consumer.engine.weights.layout import PREFIXES, to_original_name

_ROLE = re.compile(r"(?P<module>.+)\.(?:lora[_.](?P<role>A|B|down|up)(?:\.[^.]+)?\.weight|(?P<alpha>alpha))")
_ROLES = {"A": "down", "down": "down", "B": "up", "up": "up"}
_WRAPPERS = tuple(
    prefix.replace(".", "_")
    for prefix in ("base_model.model.", "lora_unet_", "lora_transformer_", "lycoris_", *PREFIXES)
)
_SIGNS = re.compile(r"(^lora_unet_|^lora_transformer_|^lycoris_|\.lora[_.](A|B|down|up)\b)")
_OTHERS = (
    ("a LoKr", re.compile(r"\.lokr_")),
    ("a LoHa", re.compile(r"\.hada_")),
    ("a DoRA", re.compile(r"\.(dora_scale|lora_magnitude_vector)\b")),
    ("an OFT adapter", re.compile(r"\.oft_")),
    ("a difference of whole tensors", re.compile(r"\.diff(_b)?$")),  # not the dot before `diffusion_model`
)


@dataclass(frozen=True, slots=True)
class AdapterTarget:
    """A module of the model, and the third of a fused matrix's rows that changes it."""

    module: str
    third: int | None = None


@dataclass(frozen=True, slots=True)
class LoraPair:
    """The tensors of a file for one of its modules: their names by role, `down`, `up` and perhaps `alpha`."""

    module: str
    targets: tuple[AdapterTarget, ...]
    tensors: dict[str, str] = field(default_factory=dict)
    twice: list[str] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """True if both matrices are there."""
        return {"down", "up"} <= self.tensors.keys()


def is_lora(names: Iterable[str]) -> bool:
    """Return whether these are the names of an adapter's tensors, of any kind."""
    return any(_SIGNS.search(name) or any(sign.search(name) for _, sign in _OTHERS) for name in names)


def unsupported(names: Iterable[str]) -> str | None:
    """Return the kind of adapter if it is one that is not loaded, else None."""
    every = list(names)
    return next((kind for kind, sign in _OTHERS if any(sign.search(name) for name in every)), None)


def pair_up(names: Iterable[str], shapes: Mapping[str, tuple[int, ...]]) -> tuple[list[LoraPair], list[str]]:
    """Return the pairs for modules of the model, and the names that belong to no module."""
    known = _spellings(shapes)
    pairs: dict[str, LoraPair] = {}
    unexpected = []
    for name in names:
        role = _ROLE.fullmatch(name)
        flat = _flat(role["module"]) if role else ""
        if role is None or flat not in known:
            unexpected.append(name)
            continue
        pair = pairs.setdefault(flat, LoraPair(role["module"], known[flat]))
        slot = _ROLES[role["role"]] if role["role"] else "alpha"
        if slot in pair.tensors:
            pair.twice.append(name)
        pair.tensors[slot] = name
    return list(pairs.values()), unexpected


def _flat(module: str) -> str:
    """Return a file's name for a module without prefixes of tools, with underscores for dots."""
    flat = module.replace(".", "_")
    while prefix := next((each for each in _WRAPPERS if flat.startswith(each)), ""):
        flat = flat.removeprefix(prefix)
    return flat


def _spellings(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[AdapterTarget, ...]]:
    """Return the targets of every flat module name, of diffusers and of the original; only modules with a matrix."""
    known: dict[str, tuple[AdapterTarget, ...]] = {}
    fused: dict[str, dict[str, int]] = {}
    thirds = {"to_q": 0, "to_k": 1, "to_v": 2}
    for name, shape in shapes.items():
        if not name.endswith(".weight") or len(shape) != 2:
            continue
        module = name.removesuffix(".weight")
        original = to_original_name(name).removesuffix(".weight")
        third = thirds.get(module.rpartition(".")[2])
        if third is None:
            known[original.replace(".", "_")] = (AdapterTarget(module),)
        else:
            fused.setdefault(original, {})[module] = third
        known[module.replace(".", "_")] = (AdapterTarget(module),)
        known[module.replace(".to_out.0", ".to_out").replace(".", "_")] = (AdapterTarget(module),)
    for original, modules in fused.items():
        targets = sorted(modules.items(), key=lambda item: item[1])
        known[original.replace(".", "_")] = tuple(AdapterTarget(module, third) for module, third in targets)
    return known
