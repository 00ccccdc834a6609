"""The model's folder before anything is loaded from it: is it one, is it safe, which one is it."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from consumer.errors import Fatal
from consumer.jobs import ModelIdentity
from schemas import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CARD = "leadart.json"
"""A file of ours in a model's folder: its `name`, and whether it was `trained` or has random weights."""

_PIPELINE = "ZImagePipeline"
_WEIGHTED = ("transformer", "text_encoder", "vae")
_LIBRARIES = {"diffusers", "transformers"}
_PICKLED = {".bin", ".pt", ".pth", ".ckpt", ".pkl"}
_DECIDES_PIXELS = {".safetensors", ".json", ".txt", ".jinja", ".model"}


def check_folder(folder: Path) -> None:
    """Raise Fatal unless `folder` holds a Z-Image pipeline whose weights are all safetensors.

    Reads names and the pipeline's index, not the weights. Pickled weights are refused because reading them runs code.
    """
    if not folder.is_dir():
        raise unavailable(folder, "is not a folder")
    index = _read_json(folder, "model_index.json")
    if index is None:
        raise unavailable(folder, "has no model_index.json, so it is no diffusers pipeline")
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
    if suffixes & _PICKLED:
        raise unavailable(folder, f"has pickled weights for its {part}, which may run code: convert to safetensors")
    raise unavailable(folder, f"has no weights for its {part}")


def identify(folder: Path) -> ModelIdentity:
    """Name the model and hash every file that decides pixels; seconds for gigabytes, on several threads.

    The hash is over each file's path inside the folder, size and SHA-256 in the order of the paths, so that neither
    where the folder lies nor a readme in it matters. Raises OSError.
    """
    files = sorted(_deciding(folder), key=lambda file: file.relative_to(folder).as_posix())
    with ThreadPoolExecutor(4, thread_name_prefix="hash") as pool:
        digests = list(pool.map(_sha256, files))
    whole = hashlib.sha256()
    for file, digest in zip(files, digests, strict=True):
        whole.update(json.dumps([file.relative_to(folder).as_posix(), file.stat().st_size, digest]).encode() + b"\n")
    card = _read_json(folder, CARD) or {}
    return ModelIdentity(name=str(card.get("name") or folder.resolve().name), sha256=whole.hexdigest())


def unavailable(folder: Path, what: str) -> Fatal:
    """Return the error that says what is wrong with the folder and how to mend it."""
    remedy = "Set LEADART_ENGINE__MODEL to the folder of a Z-Image pipeline saved as safetensors."
    return Fatal(Reason.MODEL_UNAVAILABLE, f"The model folder {folder} {what}. {remedy}")


def _deciding(folder: Path) -> Iterator[Path]:
    for file in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
        if file.suffix in _DECIDES_PIXELS and not hidden and file.is_file():
            yield file


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _read_json(folder: Path, name: str) -> dict[str, Any] | None:
    try:
        content = json.loads((folder / name).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise unavailable(folder, f"has an unreadable {name}: {error}") from error
    return content if isinstance(content, dict) else {}
