"""Write the transformer as one file in ComfyUI's layout, with a LoRA merged in if one is given.

`python ops/demo-model/checkpoint.py --model FOLDER --lora FILE --out FILE` makes what a designer would download: keys
begin with `model.diffusion_model.`, query, key and value are one matrix. It is made when it is needed, not stored.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file, save_file

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "model.diffusion_model."

_RENAMED = (
    ("all_x_embedder.2-1.", "x_embedder."),
    ("all_final_layer.2-1.", "final_layer."),
    (".attention.to_out.0.", ".attention.out."),
    (".attention.norm_q.", ".attention.q_norm."),
    (".attention.norm_k.", ".attention.k_norm."),
)
_QUERY = re.compile(r"(.*\.attention\.)to_q\.(.*)")
_APART = re.compile(r".*\.attention\.to_[kv]\..*")
_EITHER = re.compile(r"\.lora_[AB]\.weight$")
_DOWN = re.compile(r"(?:transformer\.|diffusion_model\.)?(.*)\.lora_A\.weight")


def main() -> None:
    """Read the model's transformer, merge, rename, write."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    asked.add_argument("--model", type=Path, default=Path(__file__).with_name("model"))
    asked.add_argument("--lora", type=Path)
    asked.add_argument("--scale", type=float, default=1.0)
    asked.add_argument("--out", type=Path, required=True)
    options = asked.parse_args()
    write_checkpoint(options.model, options.out, options.lora, options.scale)


def write_checkpoint(model: Path, out: Path, lora: Path | None = None, scale: float = 1.0) -> None:
    """Write the transformer of the pipeline in `model`, with the LoRA merged in at that strength, as one file."""
    weights = load_file(model / "transformer" / "diffusion_pytorch_model.safetensors")
    if lora:
        weights = merged(weights, load_file(lora), scale)
    save_file(comfy_layout(weights), out)


def merged(
    weights: Mapping[str, torch.Tensor], lora: Mapping[str, torch.Tensor], scale: float = 1.0
) -> dict[str, torch.Tensor]:
    """Return the weights with the products of the LoRA's pairs added.

    Raises `KeyError` for a pair without a weight, and for a name that is not PEFT's.
    """
    if strangers := sorted(name for name in lora if not _EITHER.search(name)):
        raise KeyError(strangers[0])
    found = dict(weights)
    for name, down in lora.items():
        if match := _DOWN.fullmatch(name):
            up = lora[name.replace(".lora_A.", ".lora_B.")]
            target = f"{match[1]}.weight"
            change = up.float() @ down.float() * scale
            found[target] = (found[target].float() + change).to(found[target].dtype)
    return found


def comfy_layout(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return diffusers' weights under ComfyUI's names."""
    found: dict[str, torch.Tensor] = {}
    for name, weight in weights.items():
        if _APART.fullmatch(name):
            continue
        value = weight
        key = name
        if match := _QUERY.fullmatch(name):
            parts = (f"{match[1]}to_{part}.{match[2]}" for part in "qkv")
            key, value = f"{match[1]}qkv.{match[2]}", torch.cat([weights[part] for part in parts])
        for ours, theirs in _RENAMED:
            key = key.replace(ours, theirs)
        found[PREFIX + key] = value.contiguous()
    return found


if __name__ == "__main__":
    main()
