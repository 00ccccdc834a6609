"""The full-size model is the real one's size, without its weights ever being made here."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from consumer.dev.bench.engine import full
from consumer.dev.bench.engine.full import build_full_model, is_full_size
from consumer.engine.runtime.model import Model
from consumer.errors import Fatal


@pytest.fixture(scope="module")
def pipeline() -> Any:
    """The whole pipeline on the meta device: shapes and no weights."""
    return build_full_model(torch.device("meta"))


def test_every_part_has_the_real_size(pipeline: Any) -> None:
    """6 154 908 736 parameters in the transformer, in 521 tensors; 4.02 billion read, 83.8 million decode."""
    parts = (pipeline.transformer, pipeline.text_encoder, pipeline.vae)
    sizes = [sum(weights.numel() for weights in part.parameters()) for part in parts]
    assert sizes == [6_154_908_736, 4_022_468_096, 83_819_683]
    assert len(list(pipeline.transformer.parameters())) == full.TRANSFORMER_TENSORS == 521
    assert is_full_size(pipeline)


def test_its_weights_are_half_precision(pipeline: Any) -> None:
    """All parts are bf16 and take what is said of them; torch's default is as it was."""
    parts = (pipeline.transformer, pipeline.text_encoder, pipeline.vae)
    weights = [parameter for part in parts for parameter in part.parameters()]
    assert {parameter.dtype for parameter in weights} == {torch.bfloat16}
    assert sum(parameter.nbytes for parameter in weights) == full.WEIGHT_BYTES
    assert torch.get_default_dtype() is torch.float32


def test_the_tiny_model_is_not_taken_for_it(tiny: Model) -> None:
    """The bars for the full-size model are not asked of a tiny one."""
    assert not is_full_size(tiny.pipeline)


def test_too_little_memory_is_reported_before_anything_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where memory cannot hold it the sentence says how much it takes and what to do."""
    monkeypatch.setattr(full, "available_bytes", lambda: 3 * 2**30)
    with pytest.raises(Fatal, match=r"needs 22 GiB on cpu, and 3 GiB are free: .* or --random tiny"):
        build_full_model(torch.device("cpu"))
