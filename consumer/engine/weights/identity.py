"""Identity of the weights: a name for people, and a digest that changes with every file that determines pixels."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from consumer.engine.weights.folder import CARD, read_json
from consumer.engine.weights.refusal import refused
from consumer.engine.weights.source import read_source
from consumer.jobs import ModelIdentity
from consumer.settings import EngineSettings, QuantizationKind

_PIXEL_SUFFIXES = {".safetensors", ".json", ".txt", ".jinja", ".model"}


def identify_folder(folder: Path) -> ModelIdentity:
    """Name the model and hash every file that determines pixels; takes seconds for gigabytes, on several threads.

    The hash covers each file's path in the folder, size and SHA-256, in the order of the paths: the folder's location
    does not matter, nor does a readme in it. Raises OSError.
    """
    files = sorted(_pixel_files(folder), key=lambda file: file.relative_to(folder).as_posix())
    whole = hashlib.sha256()
    for file, digest in zip(files, _hashed(files), strict=True):
        whole.update(json.dumps([file.relative_to(folder).as_posix(), file.stat().st_size, digest]).encode() + b"\n")
    card = read_json(folder, CARD) or {}
    return ModelIdentity(name=str(card.get("name") or folder.resolve().name), sha256=whole.hexdigest())


def identify_model(settings: EngineSettings) -> ModelIdentity:
    """Identify the configured model, including the checkpoint over it if there is one.

    A checkpoint gives the name, and the digest then covers both and `overlay`; `coverage` is unknown until it is
    loaded. `quantization` is not in the digest, which is of files. Raises OSError, and Fatal for a checkpoint whose
    SHA-256 is not `weights_sha256`.
    """
    if settings.model is None:
        raise ValueError("there is no model to identify")
    quantization = None if settings.quantization is QuantizationKind.NONE else settings.quantization.value
    base = replace(identify_folder(settings.model), quantization=quantization)
    if settings.weights is None:
        return base
    digest = verified_sha256(settings.weights, settings.weights_sha256)
    whole = hashlib.sha256(json.dumps([base.sha256, digest, settings.overlay]).encode())
    return replace(base, name=checkpoint_name(settings.weights), sha256=whole.hexdigest())


def verified_sha256(path: Path, expected: str | None) -> str:
    """Return a checkpoint's SHA-256. Raises Fatal if it is not the expected one (None: any), and OSError."""
    digest = checkpoint_sha256(path)
    if expected not in {None, digest}:
        remedy = "Put the right file there, or correct LEADART_ENGINE__WEIGHTS_SHA256."
        raise refused(path, f"has SHA-256 {digest}, not {expected}", remedy)
    return digest


def checkpoint_name(path: Path) -> str:
    """Return a checkpoint's name for people: its file's without suffix; for shards or a folder, the folder's.

    A link has its own name: its target may lie in a cache, where files are named by their hashes.
    """
    path = Path(os.path.normpath(path.absolute()))
    if path.is_dir():
        return path.name
    return path.parent.name if path.suffix == ".json" else path.stem


def checkpoint_sha256(path: Path) -> str:
    """Return a checkpoint's SHA-256 (hex); for shards, that of the output of `sha256sum` for them, sorted by name.

    Raises OSError and Fatal.
    """
    files = read_source(path).files
    digests = _hashed(files)
    if len(files) == 1:
        return digests[0]
    lines = "".join(f"{digest}  {file.name}\n" for file, digest in zip(files, digests, strict=True))
    return hashlib.sha256(lines.encode()).hexdigest()


def _pixel_files(folder: Path) -> Iterator[Path]:
    """Walk the folder and the folders it links to, once each; hidden files and folders do not count."""
    seen = set()
    for where, folders, names in os.walk(folder, followlinks=True):
        inode = Path(where).stat()
        if (inode.st_dev, inode.st_ino) in seen:
            folders.clear()
            continue
        seen.add((inode.st_dev, inode.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        files = (Path(where, name) for name in names if not name.startswith("."))
        yield from (file for file in files if file.suffix in _PIXEL_SUFFIXES and file.is_file())


def _hashed(files: Iterable[Path]) -> list[str]:
    with ThreadPoolExecutor(4, thread_name_prefix="hash") as pool:
        return list(pool.map(_sha256, files))


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
