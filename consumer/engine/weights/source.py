"""Where weights lie: a file, a folder, or shards with an index, as one set of tensors."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumer.engine.weights.folder import incomplete, read_json, unavailable, visible
from consumer.engine.weights.header import HEADER_CAP, read_header, require_regular
from consumer.engine.weights.refusal import PICKLED, refused, shown, some
from consumer.engine.weights.wanted import expected_shapes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from consumer.engine.weights.header import TensorInfo

_INDEX = ".safetensors.index.json"
_NAME_ONE = "Name the file, or the index of its shards."


@dataclass(frozen=True, slots=True)
class WeightsSource:
    """All tensors at a path, whose file they name, and the files in the order of their names."""

    path: Path
    files: tuple[Path, ...]
    tensors: Mapping[str, TensorInfo]
    metadata: Mapping[str, str]


def read_source(path: Path) -> WeightsSource:
    """Read the headers of what lies at `path`. Raises Fatal, also for shards that do not fit their index."""
    if path.is_dir():
        path = _inside(path)
    if path.name.endswith(_INDEX):
        return _sharded(path)
    header = read_header(path)
    return WeightsSource(path, (path,), header.tensors, header.metadata)


def model_shapes(model: Path) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor that a pipeline folder's transformer is to have. Raises Fatal.

    Its configuration says it; only if that lacks a field, the headers of the folder's own weights.
    """
    config = read_json(model / "transformer", "config.json")
    try:
        wanted = expected_shapes(config or {})
    except ValueError as error:
        raise unavailable(model, f"has a transformer/config.json with values that no model has ({error})") from error
    return _own_shapes(model) if wanted is None else wanted


def check_own_weights(model: Path) -> None:
    """Raise Fatal unless the pipeline folder's own weights hold every tensor of its transformer in its shape.

    Reads headers alone. A checkpoint does not make up for it: the folder is loaded first.
    """
    wanted, own = model_shapes(model), _own_shapes(model)
    if missing := sorted(wanted.keys() - own.keys()):
        raise incomplete(model, "transformer", missing)
    if wrong := sorted(name for name, shape in wanted.items() if own[name] != shape):
        raise unavailable(model, f"has other shapes in its transformer than its config.json says: {some(wrong)}")


def _own_shapes(model: Path) -> dict[str, tuple[int, ...]]:
    folder = model / "transformer"
    plain = folder / "diffusion_pytorch_model.safetensors"
    source = read_source(plain if plain.is_file() else folder)
    return {name: tensor.shape for name, tensor in source.tensors.items()}


def _inside(folder: Path) -> Path:
    """Return the one index or the one file in a folder."""
    seen = visible(folder)
    indices = [file for file in seen if file.name.endswith(_INDEX)]
    files = [file for file in seen if file.suffix == ".safetensors"]
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
    places = _weight_map(index)
    files = tuple(sorted({index.parent / name for name in places.values()}))
    headers = [read_header(file) for file in files]
    tensors: dict[str, TensorInfo] = {}
    for header in headers:
        _demand(index, "names in more than one shard", tensors.keys() & header.tensors.keys())
        tensors |= header.tensors
    _demand(index, "tensors that no shard has", places.keys() - tensors.keys())
    _demand(index, "no place for tensors of its shards", tensors.keys() - places.keys())
    _demand(index, "another shard for", {name for name in tensors if tensors[name].file.name != places[name]})
    return WeightsSource(index, files, tensors, headers[0].metadata)


def _demand(index: Path, what: str, names: Iterable[str]) -> None:
    """Raise unless there are no such names."""
    if found := sorted(names):
        raise refused(index, f"has {what}: {some(found)}", "Copy the index and all its shards again.")


def _weight_map(index: Path) -> dict[str, str]:
    remedy = "Copy the index and all its shards again."
    try:
        if require_regular(index) > HEADER_CAP:
            raise refused(index, "is too large for an index", remedy)
        places = json.loads(index.read_bytes())["weight_map"]
        names = {shard: _is_plain(shard) for shard in places.values()}
    except OSError as error:
        raise refused(index, f"cannot be read: {error.strerror}", "Check the path and its rights.") from error
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise refused(index, "is no index of shards", remedy) from error
    if not names:
        raise refused(index, "names no shard", remedy)
    for shard, plain in names.items():
        if not plain:
            raise refused(index, f"names {shown(str(shard))}, which is no .safetensors file beside it", remedy)
    return dict(places)


def _is_plain(name: object) -> bool:
    return isinstance(name, str) and name.endswith(".safetensors") and not {"/", "\\", "\0"} & set(name)
