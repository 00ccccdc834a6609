"""Weights at a path as one set of tensors: a file, a folder, or shards with an index."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from consumer.engine.weights.folder import incomplete, read_json, unavailable, visible
from consumer.engine.weights.header import HEADER_CAP, TensorInfo, read_header, require_regular
from consumer.engine.weights.refusal import PICKLED, refused, shown, some
from consumer.engine.weights.shapes import expected_shapes

_INDEX = ".safetensors.index.json"
_COPY_AGAIN = "Copy the index and all its shards again."
_NAME_ONE = "Name the file, or the index of its shards."


@dataclass(frozen=True, slots=True)
class WeightsSource:
    """All tensors at a path, and their files sorted by name."""

    path: Path
    files: tuple[Path, ...]
    tensors: Mapping[str, TensorInfo]
    metadata: Mapping[str, str]


def read_source(path: Path) -> WeightsSource:
    """Read the headers of the weights at `path`. Raises Fatal, also for shards that do not match their index."""
    if path.is_dir():
        path = _only_entry(path)
    if path.name.endswith(_INDEX):
        return _sharded(path)
    header = read_header(path)
    return WeightsSource(path, (path,), header.tensors, header.metadata)


def model_shapes(model: Path) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor that a pipeline folder's transformer must have. Raises Fatal.

    Derived from its configuration; only if that lacks a field, from the headers of the folder's own weights.
    """
    config = read_json(model / "transformer", "config.json")
    try:
        expected = expected_shapes(config or {})
    except ValueError as error:
        raise unavailable(model, f"has a transformer/config.json with values that no model has ({error})") from error
    return _own_shapes(model) if expected is None else expected


def check_own_weights(model: Path) -> None:
    """Raise Fatal unless the pipeline folder's own weights have every tensor of its transformer in its shape.

    Reads headers only. A checkpoint does not replace missing tensors: the folder is loaded first.
    """
    expected, own = model_shapes(model), _own_shapes(model)
    if missing := sorted(expected.keys() - own.keys()):
        raise incomplete(model, "transformer", missing)
    if wrong := sorted(name for name, shape in expected.items() if own[name] != shape):
        raise unavailable(model, f"has other shapes in its transformer than its config.json says: {some(wrong)}")


def own_source(model: Path) -> WeightsSource:
    """Return a pipeline folder's own weights of its transformer: the index is preferred to the single file."""
    folder = model / "transformer"
    single = folder / "diffusion_pytorch_model.safetensors"
    index = single.with_name(f"{single.name}.index.json")
    return read_source(next((file for file in (index, single) if file.is_file()), folder))


def parameters_of(model: Path) -> dict[str, int]:
    """Return how many numbers the files of each part of a pipeline folder hold, by their headers. Raises Fatal.

    Files that are not loaded, such as a second copy beside shards, count too.
    """
    return {
        part: sum(
            math.prod(tensor.shape)
            for file in visible(model / part)
            if file.suffix == ".safetensors"
            for tensor in read_header(file).tensors.values()
        )
        for part in ("text_encoder", "transformer", "vae")
    }


def _own_shapes(model: Path) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the tensors that a pipeline folder's transformer has."""
    return {name: tensor.shape for name, tensor in own_source(model).tensors.items()}


def _only_entry(folder: Path) -> Path:
    """Return the only index or the only file in a folder."""
    entries = visible(folder)
    indices = [file for file in entries if file.name.endswith(_INDEX)]
    files = [file for file in entries if file.suffix == ".safetensors"]
    if len(indices) == 1:
        return indices[0]
    if not indices and len(files) == 1:
        return files[0]
    if indices or files:
        names = some(file.name for file in indices or files)
        raise refused(folder, f"holds several checkpoints: {names}", _NAME_ONE)
    if any(file.suffix in PICKLED for file in folder.iterdir()):
        raise refused(folder, "has only pickled weights, which may run code: they were not read", "Use safetensors.")
    if (folder / "transformer").is_dir():
        raise refused(folder, "is a whole pipeline", "Name the folder `transformer` in it.")
    raise refused(folder, "is a folder without weights", _NAME_ONE)


def _sharded(index: Path) -> WeightsSource:
    shards = weight_map(index)
    if stray := stray_shard(shards):
        raise refused(index, f"names {stray}, which is not a .safetensors file beside it", _COPY_AGAIN)
    files = tuple(sorted({index.parent / name for name in shards.values()}))
    headers = [read_header(file) for file in files]
    tensors: dict[str, TensorInfo] = {}
    for header in headers:
        _require_none(index, "names in more than one shard", tensors.keys() & header.tensors.keys())
        tensors |= header.tensors
    _require_none(index, "tensors that no shard has", shards.keys() - tensors.keys())
    _require_none(index, "no place for tensors of its shards", tensors.keys() - shards.keys())
    _require_none(index, "another shard for", {name for name in tensors if tensors[name].file.name != shards[name]})
    return WeightsSource(index, files, tensors, headers[0].metadata)


def _require_none(index: Path, what: str, names: Iterable[str]) -> None:
    """Raise Fatal if there are such names."""
    if found := sorted(names):
        raise refused(index, f"has {what}: {some(found)}", _COPY_AGAIN)


def weight_map(index: Path) -> dict[str, Any]:
    """Return what an index says: the shard of each tensor, unchecked. Raises Fatal unless it is an index."""
    try:
        if require_regular(index) > HEADER_CAP:
            raise refused(index, "is too large for an index", _COPY_AGAIN)
        shards: dict[str, Any] = json.loads(index.read_bytes())["weight_map"]
        names = set(shards.values())
    except OSError as error:
        raise refused(index, f"cannot be read: {error.strerror}", "Check the path and its rights.") from error
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise refused(index, "is not an index of shards", _COPY_AGAIN) from error
    if not names:
        raise refused(index, "names no shard", _COPY_AGAIN)
    return shards


def stray_shard(shards: Mapping[str, Any]) -> str | None:
    """Return the first shard that is not a visible .safetensors file beside its index, printable; None without one."""
    return next((shown(str(shard)) for shard in shards.values() if not _is_plain(shard)), None)


def _is_plain(name: object) -> bool:
    plain = isinstance(name, str) and name.endswith(".safetensors") and not {"/", "\\", "\0"} & set(name)
    return plain and not str(name).startswith(".")
