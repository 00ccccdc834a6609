from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from consumer.engine.weights import check_folder, identify_folder
from consumer.errors import Fatal
from schemas import Reason
from tests.support.model_folders import REFUSED, SOUND, as_in_the_cache, with_older_tokenizer_files


@pytest.fixture
def model(tiny_model: Path, tmp_path: Path) -> Path:
    """A copy to change, two folders deep, so that files can lie outside it."""
    return shutil.copytree(tiny_model, tmp_path / "site" / "model")


@pytest.mark.parametrize("variant", REFUSED)
def test_what_names_other_files_or_code_is_refused(model: Path, variant: str) -> None:
    """A folder whose JSON leads beyond its own visible safetensors is refused by the name of what leads there."""
    change, complaint = REFUSED[variant]
    change(model)
    with pytest.raises(Fatal) as refused:
        check_folder(model)
    assert refused.value.reason is Reason.MODEL_UNAVAILABLE
    assert complaint in refused.value.message
    assert str(model) in refused.value.message


@pytest.mark.parametrize("variant", SOUND)
def test_folders_of_the_field_are_accepted(model: Path, variant: str) -> None:
    """Shards, links into a cache, and pickles or hidden files that nothing names are no reason to refuse."""
    SOUND[variant](model)
    check_folder(model)


def test_a_cache_has_the_identity_of_a_copy(model: Path, tiny_model: Path) -> None:
    """Links like those in a Hugging Face cache are followed: the identity is that of the bytes."""
    as_in_the_cache(model)
    assert identify_folder(model).sha256 == identify_folder(tiny_model).sha256


def test_a_folder_that_may_not_be_read_is_a_sentence(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without rights ends the start with its name, not with a traceback."""

    def forbidden(folder: Path) -> list[Path]:
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr("consumer.engine.weights.components.visible", forbidden)
    with pytest.raises(Fatal, match=r"cannot be read: .*Permission denied") as refused:
        check_folder(model)
    assert str(model) in refused.value.message


def test_a_missing_blob_is_named(model: Path) -> None:
    """A link whose target is gone, as after cleaning a cache, is refused by its name."""
    as_in_the_cache(model)
    (model / "vae" / "config.json").resolve().unlink()
    with pytest.raises(Fatal, match=r"has vae/config\.json, neither a file nor a folder"):
        check_folder(model)


@pytest.mark.parametrize("missing", ["tokenizer.json", "vocab.json", "merges.txt"])
def test_a_tokenizer_without_words_is_refused(model: Path, missing: str) -> None:
    """Without its vocabulary a tokenizer loads all the same, and would encode every prompt as nothing."""
    if missing != "tokenizer.json":
        with_older_tokenizer_files(model)
    (model / "tokenizer" / missing).unlink()
    with pytest.raises(
        Fatal, match=r"has no vocabulary for its tokenizer \(tokenizer\.json or vocab\.json with merges"
    ):
        check_folder(model)
