"""LoRA files in the dialects of different trainers, as pairs of matrices for the model's modules.

Dialects: PEFT (`lora_A`, `lora_B`, with or without the adapter's name), `down` and `up` with `alpha`, kohya's
`lora_unet_` and VideoX-Fun's `lora_unet__` with underscores for dots; each with single or fused `qkv`. Underscores are
ambiguous, so a name is never taken apart: it is looked up among the model's own modules.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from consumer.engine.weights.layout import PREFIXES, to_original_name

_ROLE = re.compile(r"(?P<module>.+)\.(?:lora[_.](?P<role>A|B|down|up)(?:\.[^.]+)?\.weight|(?P<alpha>alpha))")
_ROLES = {"A": "down", "down": "down", "B": "up", "up": "up"}
_KNOWN_PREFIXES = (
    "base_model.model.",
    "lora_unet_",
    "lora_unet__",
    "lora_transformer_",
    "lora_transformer__",
    "lycoris_",
    *PREFIXES,
)
_WRAPPERS = tuple(prefix.replace(".", "_") for prefix in _KNOWN_PREFIXES)
_MAX_WRAPPERS = 4
# torch puts these into the path of a module that is compiled, sharded or checkpointed, anywhere in it.
_RUNTIME = ("__orig_mod_", "__fsdp_wrapped_module_", "__checkpoint_wrapped_module_")
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
        flat = _lookup(role["module"], known) if role else None
        if role is None or flat is None:
            unexpected.append(name)
            continue
        pair = pairs.setdefault(flat, LoraPair(role["module"], known[flat]))
        slot = _ROLES[role["role"]] if role["role"] else "alpha"
        if slot in pair.tensors:
            pair.twice.append(name)
        pair.tensors[slot] = name
    return list(pairs.values()), unexpected


def unknown_prefix(names: Iterable[str], shapes: Mapping[str, tuple[int, ...]]) -> tuple[str, str] | None:
    """Return a prefix before the model's names that no layout has, and the most similar that one has; None without."""
    known = _spellings(shapes)
    for name in names:
        role = _ROLE.fullmatch(name)
        if role and (prefix := _unknown_start(role["module"], known)):
            alike = [each for each in _KNOWN_PREFIXES if each[-1] == prefix[-1]]
            return prefix, get_close_matches(prefix[:40], alike, 1, cutoff=0)[0]
    return None


def _unknown_start(module: str, known: Collection[str]) -> str:
    """Return the start of a file's name for a module after which the rest names one of the model; "" without one."""
    separator = "." if "." in module else "_"
    parts = module.split(separator)
    for count in reversed(range(1, min(len(parts), 10))):
        if _lookup(separator.join(parts[count:]), known):
            return separator.join(parts[:count]) + separator
    return ""


def _lookup(module: str, known: Collection[str]) -> str | None:
    """Return the flat name of a module in `known` that a file names, perhaps after prefixes of tools; None without."""
    flat = "_" + module.replace(".", "_")
    for inner in _RUNTIME:
        while inner in flat:
            flat = flat.replace(inner, "_")
    candidates = {flat[1:]}
    for _ in range(_MAX_WRAPPERS + 1):
        if found := next((name for name in candidates if name in known), None):
            return found
        candidates = {name.removeprefix(each) for name in candidates for each in _WRAPPERS if name.startswith(each)}
    return None


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
