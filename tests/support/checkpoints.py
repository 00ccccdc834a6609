"""Checkpoints and LoRA files as other tools write them, made from the tiny model without the code under test."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

State = dict[str, torch.Tensor]


def base_state(model: Path) -> State:
    """Return the tensors of a model's transformer as in its folder."""
    return load_file(model / "transformer" / "diffusion_pytorch_model.safetensors")


def fine_tuned(model: Path, dtype: torch.dtype = torch.float32) -> State:
    """Return a fine-tune of the whole transformer: every tensor is changed."""
    generator = torch.Generator().manual_seed(1)
    return {
        name: (tensor + torch.rand(tensor.shape, generator=generator) + 0.1).to(dtype)
        for name, tensor in base_state(model).items()
    }


def original(state: Mapping[str, torch.Tensor]) -> State:
    """Return the state in the layout of the original release, which is ComfyUI's too."""
    made: State = {}
    for name, tensor in state.items():
        block, dot, rest = name.partition(".attention.")
        words = {"norm_q.weight": "q_norm.weight", "norm_k.weight": "k_norm.weight", "to_out.0.weight": "out.weight"}
        if rest == "to_q.weight":
            fused = [state[f"{block}.attention.to_{letter}.weight"] for letter in "qkv"]
            made[f"{block}.attention.qkv.weight"] = torch.cat(fused)
        elif rest not in {"to_k.weight", "to_v.weight"}:
            plain = f"{block}{dot}{words.get(rest, rest)}"
            for ours, theirs in (("all_x_embedder.2-1.", "x_embedder."), ("all_final_layer.2-1.", "final_layer.")):
                plain = theirs + plain.removeprefix(ours) if plain.startswith(ours) else plain
            made[plain] = tensor
    return made


def write(folder: Path, state: Mapping[str, torch.Tensor], prefix: str = "", shards: int = 1) -> Path:
    """Write a checkpoint called `spring` and return its path: with several shards, that of their index."""
    named = {f"{prefix}{name}": tensor.contiguous() for name, tensor in state.items()}
    if shards == 1:
        save_file(named, folder / "spring.safetensors")
        return folder / "spring.safetensors"
    places = {name: f"spring-{number % shards}.safetensors" for number, name in enumerate(named)}
    for shard in set(places.values()):
        save_file({name: named[name] for name in named if places[name] == shard}, folder / shard)
    index = folder / "spring.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": places}))
    return index


def raw(path: Path, header: object, payload: bytes = b"") -> Path:
    """Write a safetensors file by hand; `header` is an object for JSON, or bytes."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + payload)
    return path


def entry(dtype: str, shape: list[int], begin: int, end: int) -> dict[str, Any]:
    """Return a tensor's entry in a header."""
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
