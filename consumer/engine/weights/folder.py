"""Checks of the model's folder before anything is loaded from it: is it a Z-Image pipeline, and is it safe to read."""

import json
from pathlib import Path
from typing import Any

from consumer.engine.weights.refusal import PICKLED, some
from consumer.errors import Fatal
from schemas import Reason

CARD = "leadart.json"
"""Our file in a model's folder: the model's `name`, and a `remark` on what to expect of its pictures."""

_PIPELINE = "ZImagePipeline"
_WEIGHTED = ("transformer", "text_encoder", "vae")
_LIBRARIES = {"diffusers", "transformers"}


def check_folder(folder: Path) -> None:
    """Raise Fatal unless `folder` holds a Z-Image pipeline whose weights are all safetensors.

    Reads file names and the pipeline's index, not the weights. Pickled weights are refused because reading them runs
    code.
    """
    if not folder.is_dir():
        raise unavailable(folder, "is not a folder")
    index = read_json(folder, "model_index.json")
    if index is None:
        raise unavailable(folder, "has no model_index.json, so it is not a diffusers pipeline")
    if index.get("_class_name") != _PIPELINE:
        raise unavailable(folder, f"holds a {index.get('_class_name')}, not a {_PIPELINE}")
    for name, part in index.items():
        if isinstance(part, list) and part[0] not in _LIBRARIES:
            raise unavailable(folder, f"wants its {name} from {part[0]}, not from diffusers or transformers")
    for name in _WEIGHTED:
        _check_weights(folder, name)


def _check_weights(folder: Path, part: str) -> None:
    suffixes = {file.suffix for file in (folder / part).glob("*")}
    if ".safetensors" in suffixes:
        return
    if suffixes & PICKLED:
        raise unavailable(folder, f"has pickled weights for its {part}, which may run code: convert to safetensors")
    raise unavailable(folder, f"has no weights for its {part}")


def unavailable(folder: Path, what: str) -> Fatal:
    """Return the error for a model folder, with the remedy."""
    remedy = "Set LEADART_ENGINE__MODEL to the folder of a Z-Image pipeline saved as safetensors."
    return Fatal(Reason.MODEL_UNAVAILABLE, f"The model folder {folder} {what}. {remedy}")


def incomplete(folder: Path, part: str, missing: list[str]) -> Fatal:
    """Return the error for a folder whose own weights lack tensors of a part."""
    return unavailable(folder, f"lacks {len(missing)} tensors of its {part}: {some(missing)}")


def visible(folder: Path) -> list[Path]:
    """Return the folder's entries by name, without hidden ones, which some systems add."""
    return sorted(file for file in folder.iterdir() if not file.name.startswith("."))


def read_json(folder: Path, name: str) -> dict[str, Any] | None:
    """Return the JSON object in a file of the folder: {} for other JSON, None without the file. Raises Fatal."""
    try:
        content = json.loads((folder / name).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise unavailable(folder, f"has an unreadable {name}: {error}") from error
    return content if isinstance(content, dict) else {}
