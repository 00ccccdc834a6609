from __future__ import annotations

from pathlib import Path

import pytest
import torch

from consumer.engine.runtime.model import load_pipeline
from consumer.engine.runtime.tiny import build_tiny_model
from consumer.engine.weights import identify_folder


def test_the_same_seed_gives_the_same_model(tiny_model: Path, tmp_path: Path) -> None:
    """Two builds are equal to the byte, another seed gives another model; both say that their weights are random."""
    build_tiny_model(tmp_path / "again")
    build_tiny_model(tmp_path / "other", seed=1)
    assert identify_folder(tmp_path / "again") == identify_folder(tiny_model)
    assert identify_folder(tmp_path / "other").sha256 != identify_folder(tiny_model).sha256
    assert identify_folder(tiny_model).name == "tiny-random"


def test_it_is_small(tiny_model: Path) -> None:
    """The whole folder stays under 8 MB."""
    assert sum(file.stat().st_size for file in tiny_model.rglob("*") if file.is_file()) < 8_000_000


@pytest.mark.parametrize("text", ["A storm", "港口上空的暴风雨", "🎉 ünïcödé \x00 \u200d"])
def test_any_text_has_tokens(tiny_model: Path, text: str) -> None:
    """The tokenizer loses no script: decoding returns the input."""
    tokenizer = load_pipeline(tiny_model, torch.device("cpu")).tokenizer
    ids = tokenizer(text).input_ids
    assert tokenizer.decode(ids) == tokenizer.backend_tokenizer.normalizer.normalize_str(text)
    assert tokenizer.unk_token_id not in ids
