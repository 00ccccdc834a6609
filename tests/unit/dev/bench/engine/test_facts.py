"""What a device reaches piece by piece, on the tiny model."""

from __future__ import annotations

import torch

from consumer.dev.bench.engine.facts import device_facts, environment
from consumer.engine.runtime.model import Model


def test_each_piece_of_the_models_work_has_a_figure(tiny: Model) -> None:
    """Products at the model's own widths, attention by each backend that there is, both forward passes, the parts."""
    facts = device_facts(tiny, tokens=(32,), attended=((1, 32), (2, 64)), mixed=(32, 64), sides=(64,))
    by_name = {fact.what: fact for fact in facts}
    assert len(by_name) == len(facts)
    assert all(fact.figure > 0 for fact in facts)
    assert {
        *("product q, k, v, 32 tokens", "product w2, 32 tokens"),
        *("attention 1 x 32 tokens, torch's choice", "attention 2 x 64 tokens, masked, torch's choice"),
        "attention of 2 packed sequences, 96 tokens",
        *("forward pass of diffusers, 64x64", "forward pass of ours, 64x64"),
        "launch of it by the host, ours, 64x64",
        *("text encoder, 8 x 60 tokens", "decoder, 64x64"),
    } <= by_name.keys()
    assert "attention 1 x 32 tokens, cudnn" not in by_name  # not on a CPU


def test_only_a_gpu_has_an_environment() -> None:
    """A CPU's is the machine's."""
    assert environment(torch.device("cpu")) == {}
