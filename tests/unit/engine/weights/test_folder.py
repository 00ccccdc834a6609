from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from consumer.engine.weights import check_folder, identify_folder
from consumer.errors import Fatal
from schemas import Reason


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that looks like a model by its file names."""
    model = tmp_path / "site-model"
    for part in ("transformer", "text_encoder", "vae"):
        (model / part).mkdir(parents=True)
        (model / part / "model.safetensors").write_bytes(part.encode())
        (model / part / "config.json").write_text("{}")
    (model / "tokenizer").mkdir()
    (model / "tokenizer" / "tokenizer.json").write_text("{}")
    index = {"_class_name": "ZImagePipeline", "transformer": ["diffusers", "ZImageTransformer2DModel"]}
    (model / "model_index.json").write_text(json.dumps(index))
    return model


def refusal(folder: Path) -> str:
    """Return the message with which the folder is refused."""
    with pytest.raises(Fatal) as refused:
        check_folder(folder)
    assert refused.value.reason is Reason.MODEL_UNAVAILABLE
    assert str(folder) in refused.value.message
    assert "LEADART_ENGINE__MODEL" in refused.value.message
    return refused.value.message


def test_a_pipeline_of_safetensors_is_accepted(folder: Path) -> None:
    """A Z-Image pipeline with safetensors for every part is accepted."""
    check_folder(folder)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    """The error names a folder that is not there."""
    assert "is not a folder" in refusal(tmp_path / "nowhere")


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    """An empty folder has another message than a missing one."""
    assert "has no model_index.json" in refusal(tmp_path)


def test_pickled_weights_are_refused(folder: Path) -> None:
    """Weights that can run code when read are refused, whatever their suffix."""
    for suffix in (".bin", ".pt", ".ckpt"):
        for file in (folder / "transformer").glob("*model.*"):
            file.rename(folder / "transformer" / f"model{suffix}")
        assert "pickled weights for its transformer" in refusal(folder)


def test_missing_weights_are_refused(folder: Path) -> None:
    """The error names a part without weights."""
    (folder / "vae" / "model.safetensors").unlink()
    assert "has no weights for its vae" in refusal(folder)


@pytest.mark.parametrize(
    ("index", "complaint"),
    [
        ({"_class_name": "FluxPipeline"}, "holds a FluxPipeline, not a ZImagePipeline"),
        ({"_class_name": "ZImagePipeline", "vae": ["my_module", "Vae"]}, "wants its vae from my_module"),
        ([], "holds a None"),
        (None, "has an unreadable model_index.json"),
    ],
)
def test_another_pipeline_is_refused(folder: Path, index: object, complaint: str) -> None:
    """Another class, code from the folder, and an invalid index are refused before anything is loaded."""
    (folder / "model_index.json").write_text("{" if index is None else json.dumps(index))
    assert complaint in refusal(folder)


def test_identity_is_of_the_content(folder: Path, tmp_path: Path) -> None:
    """The hash stays when the folder moves, is read again or gets a readme; the name is the folder's or the card's."""
    first = identify_folder(folder)
    assert first.name == "site-model"
    moved = tmp_path / "elsewhere"
    shutil.copytree(folder, moved)
    (moved / "README.md").write_text("about")
    (moved / ".cache").mkdir()
    (moved / ".cache" / "download.json").write_text("{}")
    assert identify_folder(moved).sha256 == first.sha256
    (moved / "leadart.json").write_text('{"name": "spring"}')
    assert identify_folder(moved).name == "spring"


def test_identity_changes_with_any_deciding_file(folder: Path) -> None:
    """Other weights, another setting, and a byte that moves from one file to the next all give another hash."""
    hashes = {identify_folder(folder).sha256}
    (folder / "vae" / "config.json").write_text('{"scaling_factor": 1}')
    hashes.add(identify_folder(folder).sha256)
    (folder / "vae" / "model.safetensors").write_bytes(b"other")
    hashes.add(identify_folder(folder).sha256)
    (folder / "vae" / "model.safetensors").rename(folder / "vae" / "model2.safetensors")
    hashes.add(identify_folder(folder).sha256)
    assert len(hashes) == 4
