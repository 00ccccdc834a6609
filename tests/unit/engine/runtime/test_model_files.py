"""What is read of the model's folder, compared with what its identity covers: the kernel records every open."""

from __future__ import annotations

import shutil
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from consumer.engine.runtime.model import load_pipeline
from consumer.engine.runtime.opening import open_model
from consumer.engine.weights import identify_folder
from consumer.errors import Fatal
from consumer.settings import EngineSettings
from tests.support.model_folders import REFUSED, SOUND
from tests.support.opened_files import recorded_opens

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux reports which files are opened")


@pytest.fixture
def model(tiny_model: Path, tmp_path: Path) -> Path:
    """A copy to change, two folders deep, so that files can lie outside it."""
    return shutil.copytree(tiny_model, tmp_path / "site" / "model")


def covered(model: Path, tmp_path: Path) -> set[Path]:
    """Return the files that the identity reads."""
    with recorded_opens(tmp_path) as hashed:
        identify_folder(model)
    return hashed


@pytest.mark.parametrize("variant", SOUND)
def test_whatever_is_loaded_is_in_the_identity(model: Path, tmp_path: Path, variant: str) -> None:
    """Every file that loading opens is hashed, shards and linked files too; a pickle or a hidden file is not opened."""
    SOUND[variant](model)
    with recorded_opens(tmp_path) as opened:
        load_pipeline(model, torch.device("cpu"))
    assert opened <= covered(model, tmp_path)
    assert not [file.name for file in opened if file.suffix in {".bin", ".py"} or file.name.startswith(".")]
    assert len([file for file in opened if not file.name.endswith("config.json")]) >= 6


@pytest.mark.parametrize("variant", sorted(REFUSED.keys() - {"a pipe"}))
def test_nothing_beyond_the_identity_is_loaded(model: Path, tmp_path: Path, variant: str) -> None:
    """Of a folder that leads beyond the identity nothing outside of it is opened, let alone loaded."""
    REFUSED[variant][0](model)
    with recorded_opens(tmp_path) as opened, suppress(Fatal):
        load_pipeline(model, torch.device("cpu"))
    assert opened <= covered(model, tmp_path)
    assert model / "model_index.json" in opened


@pytest.mark.slow
def test_a_whole_start_reads_nothing_else(model: Path, tmp_path: Path) -> None:
    """From the settings to a model that has painted, exactly the files of the identity are read, but for our card."""
    with recorded_opens(tmp_path) as opened:
        open_model(EngineSettings(model=model), "cpu")
    assert opened == covered(model, tmp_path) - {model / "leadart.json"}
