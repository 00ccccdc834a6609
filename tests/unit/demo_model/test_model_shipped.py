"""The weights that ship: complete, unchanged, small, and with a word for their readers."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from consumer.dev.demo.page import caveat
from consumer.settings import EngineSettings
from model import SUMS

MEGABYTE = 1_000_000


def _checked(folder: Path) -> int:
    """Hold every file against its sum, and return the bytes of all."""
    lines = (folder / SUMS).read_text().splitlines()
    sums = {name: digest for digest, name in (line.split("  ") for line in lines)}
    files = [file for file in folder.rglob("*") if file.is_file() and file.name != SUMS]

    assert {str(file.relative_to(folder)) for file in files} == sums.keys()
    assert all(hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest for name, digest in sums.items())
    return sum(file.stat().st_size for file in files)


def test_the_model_is_whole_and_small(demo_model: Path) -> None:
    """Every file has the sum that is written beside it, there is no other file, and all of it fits into 28 MB."""
    assert _checked(demo_model) <= 28 * MEGABYTE


def test_the_house_style_is_whole_and_small(house_style: Path) -> None:
    """The LoRA has the sum that is written beside it and at most 1 MB."""
    assert _checked(house_style.parent) <= MEGABYTE


def test_the_model_says_what_it_cannot_paint(demo_model: Path) -> None:
    """Its card has the sentence that the demo's page shows."""
    remark = caveat(EngineSettings(model=demo_model))

    assert remark
    assert "cannot" in remark


@pytest.mark.parametrize("folder", ["model", "house"])
def test_git_takes_weights_for_what_they_are(folder: str) -> None:
    """No line end of a weights file is ever changed: their sums would be wrong."""
    attributes = (Path(__file__).resolve().parents[3] / ".gitattributes").read_text()

    assert f"ops/demo-model/{folder}/** -text" in attributes
    assert "*.safetensors binary" in attributes
