"""Copies of the tiny model as they are found in the field, and as an attacker would lay them out."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

STEMS = {"transformer": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model", "text_encoder": "model"}


def edit(file: Path, **values: object) -> None:
    """Set values in a JSON object on disk."""
    file.write_text(json.dumps({**(json.loads(file.read_text()) if file.exists() else {}), **values}))


def shard(model: Path, component: str, *names: str, keep: bool = False) -> None:
    """Split a component's weights into files of these names, with other values, behind an index."""
    single = model / component / f"{STEMS[component]}.safetensors"
    state = {name: tensor + 0.01 for name, tensor in load_file(single).items()}
    places = {tensor: names[number % len(names)] for number, tensor in enumerate(state)}
    for name in names:
        part = {tensor: state[tensor].clone() for tensor, place in places.items() if place == name}
        file = model / component / name
        torch.save(part, file) if name.endswith(".bin") else save_file(part, file, {"format": "pt"})
    edit(single.with_name(f"{single.name}.index.json"), metadata={}, weight_map=places)
    if not keep:
        single.rename(single.with_name("unrelated.safetensors"))


def as_in_the_cache(model: Path) -> None:
    """Lay the folder out like a snapshot in a Hugging Face cache: links to files named by their hashes."""
    blobs = model.parent / "blobs"
    blobs.mkdir()
    for number, file in enumerate(sorted(file for file in model.rglob("*") if file.is_file())):
        shutil.move(file, blobs / f"{number:064x}")
        file.symlink_to(os.path.relpath(blobs / f"{number:064x}", file.parent))


def with_neighbours(model: Path) -> None:
    """Add what lies about in real folders and must not be read."""
    for component in STEMS:
        torch.save({}, model / component / "pytorch_model.bin")
        (model / component / "._config.json").write_bytes(b"\0\5\x16\7")
        (model / component / ".gitattributes").touch()
        (model / component / "evil.py").write_text("raise SystemExit")


def with_templates(model: Path) -> None:
    """Add further chat templates, and settings for generation, as newer downloads have them."""
    (model / "tokenizer" / "additional_chat_templates").mkdir()
    (model / "tokenizer" / "additional_chat_templates" / "tools.jinja").write_text("tools")
    edit(model / "text_encoder" / "generation_config.json", do_sample=True)


def with_older_tokenizer_files(model: Path) -> None:
    """Replace the tokenizer's one file by the several ones of older downloads."""
    folder = model / "tokenizer"
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    (folder / "tokenizer.json").unlink()
    edit(folder / "vocab.json", **tokenizer["model"]["vocab"])
    merges = (pair if isinstance(pair, str) else " ".join(pair) for pair in tokenizer["model"]["merges"])
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]))
    edit(folder / "added_tokens.json", **{"<|im_start|>": 600})
    edit(folder / "special_tokens_map.json", additional_special_tokens=["<|im_start|>"])


def _sharded(model: Path) -> None:
    for component, stem in STEMS.items():
        shard(model, component, f"{stem}-1.safetensors", f"{stem}-2.safetensors")


SOUND: dict[str, Callable[[Path], None]] = {
    "single files": lambda _: None,
    "sharded": _sharded,
    "both, sharded and single": lambda model: shard(model, "transformer", "1.safetensors", keep=True),
    "links into a cache": as_in_the_cache,
    "pickles, code and hidden files beside": with_neighbours,
    "chat templates": with_templates,
    "older tokenizer files": with_older_tokenizer_files,
}


def _other_weights(name: str) -> Callable[[Path], None]:
    def change(model: Path) -> None:
        encoder = model / "text_encoder"
        state = {tensor: value + 0.01 for tensor, value in load_file(encoder / "model.safetensors").items()}
        (encoder / name).parent.mkdir(exist_ok=True)
        torch.save(state, encoder / name) if name.endswith(".bin") else save_file(state, encoder / name)
        edit(encoder / "config.json", transformers_weights=name)

    return change


def _other_file(component: str, config: str, setting: str, name: str, original: str) -> Callable[[Path], None]:
    def change(model: Path) -> None:
        shutil.copy(model / component / original, model / component / name)
        edit(model / component / config, **{setting: [name]})

    return change


def _vocabulary_outside(config: str, *settings: str) -> Callable[[Path], None]:
    """Have the tokenizer's settings name its vocabulary, which lies outside the folder."""

    def change(model: Path) -> None:
        with_older_tokenizer_files(model)
        files = [str(shutil.move(model / "tokenizer" / name, model.parent)) for name in ("vocab.json", "merges.txt")]
        named = {"init_inputs": files} if settings == ("init_inputs",) else dict(zip(settings, files, strict=True))
        edit(model / "tokenizer" / config, **named)

    return change


def _stray_vocabulary(model: Path) -> None:
    with_older_tokenizer_files(model)
    shutil.copy(model / "tokenizer" / "vocab.json", model / "tokenizer" / "tokenizer.model.")


def _setting(file: str, **values: Any) -> Callable[[Path], None]:
    return lambda model: edit(model / file, **values)


def _adapter(model: Path) -> None:
    edit(model / "text_encoder" / "adapter_config.json", peft_type="LORA", r=2, target_modules=["q_proj"])
    matrices = {"A": torch.ones(2, 64), "B": torch.ones(64, 2)}
    name = "base_model.model.layers.0.self_attn.q_proj.lora_{}.weight"
    named = {name.format(role): matrix for role, matrix in matrices.items()}
    save_file(named, model / "text_encoder" / "adapter_model.safetensors")


def _hidden_template(model: Path) -> None:
    with_templates(model)
    (model / "tokenizer" / "additional_chat_templates" / ".tools.jinja").write_text("tools")


def _pipe(model: Path) -> None:
    (model / "tokenizer" / "vocab.json").unlink(missing_ok=True)
    os.mkfifo(model / "tokenizer" / "vocab.json")


def _nested(model: Path) -> None:
    shutil.copy(model / "model_index.json", model / "vae")
    edit(model / "model_index.json", vae=["diffusers", "DiffusionPipeline"])


def _nested_beside_the_scheduler(model: Path) -> None:
    """Make the scheduler a whole pipeline of its own, with a pickle in it."""
    inner = model / "scheduler"
    for component in ("transformer", "text_encoder", "vae", "tokenizer"):
        shutil.copytree(model / component, inner / component)
    (inner / "scheduler").mkdir()
    shutil.copy(inner / "scheduler_config.json", inner / "scheduler")
    shutil.copy(model / "model_index.json", inner)
    weights = inner / "vae" / "diffusion_pytorch_model.safetensors"
    torch.save(load_file(weights), weights.with_suffix(".bin"))
    weights.unlink()
    edit(model / "model_index.json", scheduler=["diffusers", "DiffusionPipeline"])


def _distributed(model: Path) -> None:
    encoder = model / "text_encoder"
    (encoder / "model.safetensors").rename(encoder / "shard-00001-model-00001-of-00001.safetensors")


def _shards(component: str, *names: str, keep: bool = False) -> Callable[[Path], None]:
    return lambda model: shard(model, component, *names, keep=keep)


REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {
    **{
        f"{what}, {component}": (_shards(component, name, keep=keep), f"names {name}, which is not")
        for component in STEMS
        for what, name, keep in (
            ("a pickle in the index", "pytorch_model.bin", False),
            ("a pickle in the index beside weights", "pytorch_model.bin", True),
            ("a file outside", "../../outside.safetensors", False),
            ("a hidden shard", ".hidden.safetensors", False),
        )
    },
    "weights by setting, a pickle": (_other_weights("adapter_model.bin"), "has a setting transformers_weights"),
    "weights by setting, hidden": (_other_weights(".x.safetensors"), "has a setting transformers_weights"),
    "weights by setting, deeper": (_other_weights("sub/x.safetensors"), "has a setting transformers_weights"),
    "tokenizer outside": (
        _other_file(
            "tokenizer", "tokenizer_config.json", "fast_tokenizer_files", "../../tokenizer.1.0.json", "tokenizer.json"
        ),
        "has a setting fast_tokenizer_files in tokenizer/tokenizer_config.json",
    ),
    "configuration outside": (
        _other_file("text_encoder", "config.json", "configuration_files", "../../config.1.0.json", "config.json"),
        "has a setting configuration_files in text_encoder/config.json",
    ),
    "code of its own": (_setting("vae/config.json", auto_map={"AutoModel": "evil.Vae"}), "has a setting auto_map"),
    "tokenizer with code": (
        _setting("tokenizer/tokenizer_config.json", auto_map={"AutoTokenizer": ["evil.Tokenizer", None]}),
        "has a setting auto_map in tokenizer/tokenizer_config.json, which asks for code",
    ),
    "code from a hub": (
        _setting("text_encoder/config.json", attn_implementation="someone/kernel"),
        "has a setting attn_implementation",
    ),
    "an adapter": (_adapter, "has an adapter in its text_encoder (adapter_config.json)"),
    "a distributed checkpoint": (_distributed, "has a distributed checkpoint for its text_encoder"),
    "a hidden template": (_hidden_template, "has hidden files in tokenizer/additional_chat_templates"),
    "a pipe": (_pipe, "has tokenizer/vocab.json, neither a file nor a folder"),
    "a nested pipeline": (_nested, "has the class DiffusionPipeline for its vae, not AutoencoderKL"),
    "a pipeline for a scheduler": (_nested_beside_the_scheduler, "has the class DiffusionPipeline for its scheduler"),
    "a class that reads other files": (
        _setting("model_index.json", tokenizer=["transformers", "BertTokenizer"]),
        "has the class BertTokenizer for its tokenizer, not Qwen2Tokenizer",
    ),
    "a class that is a list": (_setting("model_index.json", vae=["diffusers", []]), "has the class [] for its vae"),
    "words outside": (
        _vocabulary_outside("tokenizer_config.json", "vocab", "merges"),
        "has a setting merges in tokenizer/tokenizer_config.json",
    ),
    "words outside, by position": (
        _vocabulary_outside("tokenizer_config.json", "init_inputs"),
        "has a setting init_inputs in tokenizer/tokenizer_config.json",
    ),
    "words outside, by the map of tokens": (
        _vocabulary_outside("special_tokens_map.json", "vocab", "merges"),
        "has a setting merges in tokenizer/special_tokens_map.json",
    ),
    "words of a GGUF file": (
        _setting("tokenizer/tokenizer_config.json", gguf_file="../../words.gguf"),
        "has a setting gguf_file in tokenizer/tokenizer_config.json",
    ),
    "words of a stray file": (_stray_vocabulary, "has a file tokenizer/tokenizer.model with dots at its end"),
    "a word for a class": (_setting("model_index.json", vae="os"), "wants its vae from None"),
    "no class": (_setting("model_index.json", vae=[]), "wants its vae from None"),
}
"""Folders of which the libraries would read more than the identity covers, or not safetensors; with the refusal."""
