from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from consumer.engine.weights import identify_folder, identify_model
from consumer.engine.weights.identity import checkpoint_name, checkpoint_sha256
from consumer.errors import Fatal
from consumer.settings import EngineSettings, QuantizationKind
from tests.support.checkpoints import fine_tuned, write


@pytest.fixture
def weights(tiny_model: Path, tmp_path: Path) -> Path:
    """A checkpoint of one file."""
    return write(tmp_path, fine_tuned(tiny_model))


def test_without_a_checkpoint_it_is_the_models(tiny_model: Path) -> None:
    """Without a checkpoint the identity is the model's own name and hash."""
    assert identify_model(EngineSettings(model=tiny_model)) == identify_folder(tiny_model)


def test_a_checkpoint_gives_its_name_and_another_hash(tiny_model: Path, weights: Path) -> None:
    """Base, checkpoint and overlay each determine pixels, so each changes the hash; the name is the checkpoint's."""
    settings = EngineSettings(model=tiny_model, weights=weights)
    hashes = {identify_folder(tiny_model).sha256, identify_model(settings).sha256}
    assert identify_model(settings).name == "spring"
    hashes.add(identify_model(settings.model_copy(update={"overlay": True})).sha256)
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    hashes.add(identify_model(settings).sha256)
    assert len(hashes) == 4


def test_quantised_weights_are_a_model_of_their_own(tiny_model: Path, weights: Path) -> None:
    """The digest stays that of the files; the identity says beside it what they are rounded to."""
    for settings in (EngineSettings(model=tiny_model), EngineSettings(model=tiny_model, weights=weights)):
        quantised = settings.model_copy(update={"quantization": QuantizationKind.FP8})
        assert identify_model(settings).quantization is None
        assert identify_model(quantised) == replace(identify_model(settings), quantization="fp8")


def test_the_hash_is_the_one_of_sha256sum(tiny_model: Path, weights: Path, tmp_path: Path) -> None:
    """One file has its own SHA-256, shards that of the list that `sha256sum` prints, wherever they lie."""
    assert checkpoint_sha256(weights) == hashlib.sha256(weights.read_bytes()).hexdigest()
    weights.unlink()
    index = write(tmp_path, fine_tuned(tiny_model), shards=2)
    shards = [tmp_path / f"spring-{number}.safetensors" for number in range(2)]
    lines = "".join(f"{hashlib.sha256(shard.read_bytes()).hexdigest()}  {shard.name}\n" for shard in shards)
    assert checkpoint_sha256(index) == hashlib.sha256(lines.encode()).hexdigest()
    assert checkpoint_sha256(shutil.copytree(tmp_path, tmp_path / "moved")) == checkpoint_sha256(index)


def test_an_expected_hash_is_compared(tiny_model: Path, weights: Path) -> None:
    """A file with another hash than `weights_sha256` is refused with both hashes."""
    digest = checkpoint_sha256(weights)
    settings = EngineSettings(model=tiny_model, weights=weights, weights_sha256=digest)
    assert identify_model(settings).name == "spring"
    with pytest.raises(Fatal, match=f"has SHA-256 {digest}, not {'0' * 64}") as refused:
        identify_model(settings.model_copy(update={"weights_sha256": "0" * 64}))
    assert "LEADART_ENGINE__WEIGHTS_SHA256" in refused.value.message


def test_shards_are_named_after_their_folder(tiny_model: Path, tmp_path: Path) -> None:
    """A file is named by its stem, dots and all; a folder, and an index in it, by the folder's name."""
    folder = tmp_path / "autumn"
    folder.mkdir()
    index = write(folder, fine_tuned(tiny_model), shards=2)
    assert checkpoint_name(folder) == checkpoint_name(index) == "autumn"
    assert checkpoint_name(tmp_path / "ink.v2.safetensors") == "ink.v2"


def test_a_link_has_its_own_name(tiny_model: Path, tmp_path: Path) -> None:
    """A checkpoint in a cache, where files are named by their hashes, has the name of the link to it."""
    (tmp_path / "blobs").mkdir()
    kept = write(tmp_path / "blobs", fine_tuned(tiny_model)).rename(tmp_path / "blobs" / "9f3ac0")
    (tmp_path / "autumn.safetensors").symlink_to(kept)
    assert checkpoint_name(tmp_path / "blobs" / ".." / "autumn.safetensors") == "autumn"


def test_a_part_that_is_a_link_counts(tiny_model: Path, tmp_path: Path) -> None:
    """A folder of the model may be a link, even a circular one: the hash is that of a plain copy."""
    model = shutil.copytree(tiny_model, tmp_path / "model")
    (model / "transformer").rename(tmp_path / "shared")
    (model / "transformer").symlink_to(tmp_path / "shared")
    (tmp_path / "shared" / "around").symlink_to(model)
    assert identify_folder(model).sha256 == identify_folder(tiny_model).sha256
    (tmp_path / "shared" / "config.json").write_text("{}")
    assert identify_folder(model).sha256 != identify_folder(tiny_model).sha256
