"""Checks of the model's folder before anything is loaded from it: is it a Z-Image pipeline, and is it safe to read.

The libraries follow what the JSON in the folder says: to pickles, to files outside the folder or hidden in it, to code.
The identity would cover none of that, so a folder that says such a thing is refused.
"""

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from consumer.engine.weights.folder import read_json, unavailable, visible
from consumer.engine.weights.refusal import PICKLED, shown
from consumer.engine.weights.source import stray_shard, weight_map

_PIPELINE = "ZImagePipeline"
_LIBRARIES = ("diffusers", "transformers")
_WEIGHTED = ("transformer", "text_encoder", "vae")
_CLASSES = {
    "transformer": ("ZImageTransformer2DModel",),
    "text_encoder": ("Qwen3Model", "Qwen3ForCausalLM"),
    "vae": ("AutoencoderKL",),
    "tokenizer": ("Qwen2Tokenizer", "Qwen2TokenizerFast"),
    "scheduler": ("*Scheduler",),
}
"""Classes that read only the files checked here: another might read a nested pipeline, or formats of its own."""

_CONFIGS = (
    "transformer/config.json",
    "text_encoder/config.json",
    "vae/config.json",
    "tokenizer/tokenizer_config.json",
    "tokenizer/special_tokens_map.json",
    "scheduler/scheduler_config.json",
)
_VOCABULARIES = (("tokenizer.json",), ("vocab.json", "merges.txt"))
_NAMES_CODE = "asks for code that does not come with the library"
_NAMES_FILES = "names files to read instead of the usual ones"
_REFUSED_SETTINGS = {
    "auto_map": _NAMES_CODE,
    "configuration_files": _NAMES_FILES,
    "fast_tokenizer_files": _NAMES_FILES,
    "gguf_file": _NAMES_FILES,
    "init_inputs": _NAMES_FILES,
    "merges": _NAMES_FILES,
    "transformers_weights": _NAMES_FILES,
    "vocab": _NAMES_FILES,
}
_ATTENTION = ("attn_implementation", "_attn_implementation")


def check_folder(folder: Path) -> None:
    """Raise Fatal unless `folder` holds a Z-Image pipeline whose weights are all safetensors.

    Reads file names, indices of shards and settings, not the weights. Pickled weights are refused because reading them
    runs code. What passes is read by names inside the folder only; a link is followed, like a Hugging Face cache's.
    """
    try:
        _check(folder)
    except OSError as error:
        raise unavailable(folder, f"cannot be read: {error}") from error


def _check(folder: Path) -> None:
    if not folder.is_dir():
        raise unavailable(folder, "is not a folder")
    index = read_json(folder, "model_index.json")
    if index is None:
        raise unavailable(folder, "has no model_index.json, so it is not a diffusers pipeline")
    if index.get("_class_name") != _PIPELINE:
        raise unavailable(folder, f"holds a {index.get('_class_name')}, not a {_PIPELINE}")
    for component, described in index.items():
        if isinstance(described, list) or component in _CLASSES:
            _check_class(folder, component, described)
    for component in _WEIGHTED:
        _check_weights(folder, component)
    for name in _CONFIGS:
        _check_settings(folder, name)
    _check_additions(folder)
    _check_vocabulary(folder, folder / "tokenizer")


def _check_class(folder: Path, component: str, described: Any) -> None:
    library, name = described if isinstance(described, list) and len(described) == 2 else (None, None)
    if library not in _LIBRARIES:
        raise unavailable(folder, f"wants its {component} from {library}, not from diffusers or transformers")
    known = _CLASSES.get(component, ("*",))
    if not any(fnmatchcase(str(name), each) for each in known):
        raise unavailable(folder, f"has the class {name} for its {component}, not {' or '.join(known)}")


def _check_weights(folder: Path, component: str) -> None:
    files = visible(folder / component) if (folder / component).is_dir() else []
    suffixes = {file.suffix for file in files}
    if ".safetensors" not in suffixes:
        if suffixes & PICKLED:
            raise unavailable(
                folder, f"has pickled weights for its {component}, which may run code: convert to safetensors"
            )
        raise unavailable(folder, f"has no weights for its {component}")
    for index in (file for file in files if file.name.endswith(".safetensors.index.json")):
        if stray := stray_shard(weight_map(index)):
            what = f"has an index, {component}/{shown(index.name)}, that names {stray}"
            raise unavailable(folder, f"{what}, which is not a .safetensors file beside it")


def _check_settings(folder: Path, name: str) -> None:
    settings = read_json(folder, name) or {}
    for setting, what in _REFUSED_SETTINGS.items():
        if settings.get(setting):
            raise unavailable(folder, f"has a setting {setting} in {name}, which {what}: remove it")
    for setting in _ATTENTION:
        if "/" in str(settings.get(setting)):
            raise unavailable(folder, f"has a setting {setting} in {name}, which {_NAMES_CODE}: remove it")


def _check_vocabulary(folder: Path, tokenizer: Path) -> None:
    """Refuse a tokenizer without words, with which every prompt would be ignored, or with words from a stray file."""
    if not any(all((tokenizer / name).is_file() for name in names) for names in _VOCABULARIES):
        needs = " or ".join(" with ".join(names) for names in _VOCABULARIES)
        raise unavailable(folder, f"has no vocabulary for its tokenizer ({needs}): copy it again")
    if any(tokenizer.glob("tokenizer.model*.")):
        raise unavailable(folder, "has a file tokenizer/tokenizer.model with dots at its end: remove it")


def _check_additions(folder: Path) -> None:
    """Refuse what transformers reads although nothing names it, and what would block it for ever."""
    encoder, templates = folder / "text_encoder", folder / "tokenizer" / "additional_chat_templates"
    if (encoder / "adapter_config.json").exists():
        what = "has an adapter in its text_encoder (adapter_config.json), which is not loaded: merge it, or remove it"
        raise unavailable(folder, what)
    if any(encoder.glob("shard-*.safetensors")):
        raise unavailable(folder, "has a distributed checkpoint for its text_encoder: save it with an index")
    if any(templates.glob(".*.jinja")):
        raise unavailable(folder, "has hidden files in tokenizer/additional_chat_templates: remove them")
    for component in _CLASSES:
        for entry in visible(folder / component) if (folder / component).is_dir() else []:
            if not (entry.is_file() or entry.is_dir()):
                raise unavailable(
                    folder, f"has {component}/{shown(entry.name)}, neither a file nor a folder: replace it"
                )
