from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from consumer.engine.weights.source import model_shapes, read_source
from consumer.errors import Fatal
from tests.support.checkpoints import base_state, entry, raw, write

ONE = entry("F32", [1], 0, 4)


def refusal(path: Path) -> str:
    """Return the message with which the path is refused."""
    with pytest.raises(Fatal) as refused:
        read_source(path)
    return refused.value.message


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """The index of two shards with one tensor each."""
    raw(tmp_path / "1.safetensors", {"a": ONE}, bytes(4))
    raw(tmp_path / "2.safetensors", {"b": ONE}, bytes(4))
    return wrote(tmp_path, {"a": "1.safetensors", "b": "2.safetensors"})


def wrote(folder: Path, places: object) -> Path:
    """Overwrite an index."""
    path = folder / "model.safetensors.index.json"
    path.write_text(json.dumps({"weight_map": places}))
    return path


def test_a_folder_stands_for_what_is_in_it(index: Path, tmp_path: Path) -> None:
    """A folder stands for its index, or else its only file; both name the files that were read."""
    assert read_source(tmp_path) == read_source(index)
    assert read_source(index).tensors.keys() == {"a", "b"}
    assert [file.name for file in read_source(index).files] == ["1.safetensors", "2.safetensors"]
    index.unlink()
    (tmp_path / "2.safetensors").unlink()
    assert read_source(tmp_path).tensors.keys() == {"a"}


def test_a_folder_that_names_nothing_is_refused(index: Path, tmp_path: Path) -> None:
    """Several files without an index, no files, pickles and a whole pipeline each have their own message."""
    index.unlink()
    assert "holds several checkpoints: 1.safetensors, 2.safetensors" in refusal(tmp_path)
    for file in tmp_path.iterdir():
        file.unlink()
    assert "is a folder without weights" in refusal(tmp_path)
    (tmp_path / "transformer").mkdir()
    assert "is a whole pipeline. Name the folder `transformer` in it." in refusal(tmp_path)
    (tmp_path / "model.bin").touch()
    assert "has only pickled weights" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("places", "complaint"),
    [
        ({"a": "1.safetensors", "b": "1.safetensors"}, "has tensors that no shard has: b"),
        ({"a": "1.safetensors"}, None),
        ({"b": "2.safetensors", "c": "2.safetensors"}, "has tensors that no shard has: c"),
        ({"b": "1.safetensors", "a": "2.safetensors"}, "has another shard for: a, b"),
        ({"a": "1.safetensors", "b": "3.safetensors"}, "3.safetensors cannot be read"),
        ({"a": "../1.safetensors"}, "not a .safetensors file beside it"),
        ({"a": "1.bin"}, "names 1.bin, which is not a .safetensors file beside it"),
        ({"a": 1}, "names 1, which is not a .safetensors file beside it"),
        ({"a": ["1.safetensors"]}, "is not an index of shards"),
        ({}, "names no shard"),
        ([], "is not an index of shards"),
    ],
)
def test_an_index_must_fit_its_shards(index: Path, places: object, complaint: str | None) -> None:
    """Every tensor has one shard, every shard lies beside the index, and both agree."""
    assert wrote(index.parent, places) == index
    if complaint is None:
        assert read_source(index).tensors.keys() == {"a"}
    else:
        assert complaint in refusal(index)


def test_a_shard_with_more_than_its_index_is_refused(index: Path) -> None:
    """The error names a tensor that the index does not list, and one that two shards have."""
    two = {"b": ONE, "c": entry("F32", [1], 4, 8)}
    raw(index.parent / "2.safetensors", two, bytes(8))
    assert "has no place for tensors of its shards: c" in refusal(index)
    raw(index.parent / "2.safetensors", {"a": ONE, "b": entry("F32", [1], 4, 8)}, bytes(8))
    assert "has names in more than one shard: a" in refusal(index)


def test_an_index_that_is_none_is_refused(index: Path) -> None:
    """A missing index, one that is no JSON, and one that is far too large are refused."""
    index.write_text("{")
    assert "is not an index of shards" in refusal(index)
    index.write_text(" " * (8 * 1024 * 1024 + 1))
    assert "is too large for an index" in refusal(index)
    index.unlink()
    assert "cannot be read" in refusal(index)


def test_the_models_shapes_come_from_its_headers(tiny_model: Path, tmp_path: Path) -> None:
    """A pipeline's transformer is read from one file or from shards."""
    shapes = {name: tuple(tensor.shape) for name, tensor in base_state(tiny_model).items()}
    assert model_shapes(tiny_model) == shapes
    (tmp_path / "transformer").mkdir()
    write(tmp_path / "transformer", base_state(tiny_model), shards=3)
    assert model_shapes(tmp_path) == shapes


def test_an_index_that_is_a_pipe_is_refused_unread(tmp_path: Path) -> None:
    """An index is opened only if it is a file."""
    os.mkfifo(tmp_path / "model.safetensors.index.json")
    assert "is not a regular file" in refusal(tmp_path / "model.safetensors.index.json")
