"""LoRA files that would be loaded without any effect, or that break the loading."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from consumer.engine.runtime.custom_weights import load_adapters
from consumer.engine.weights.adapter_gate import examine_adapter
from consumer.engine.weights.source import read_source
from consumer.errors import Fatal
from tests.support.checkpoints import State

TO_Q, TO_K = "layers.1.attention.to_q", "layers.1.attention.to_k"


def lora(*modules: str) -> State:
    """Return a LoRA's tensors for square modules."""
    state: State = {}
    for module in modules:
        state |= {f"{module}.lora_A.weight": torch.ones(4, 96), f"{module}.lora_B.weight": torch.ones(96, 4)}
    return state


def test_idle_matrices_are_not_counted(tmp_path: Path, shapes: dict[str, tuple[int, ...]]) -> None:
    """Matrices without effect are not counted as covered: neither in the total nor in the blocks."""
    save_file({**lora(TO_Q, TO_K), f"{TO_Q}.lora_B.weight": torch.zeros(96, 4)}, tmp_path / "ink.safetensors")
    report = examine_adapter(read_source(tmp_path / "ink.safetensors"), shapes, payload=True)
    assert (report.had, report.wanted, report.idle) == (2, 4, (f"{TO_Q}.lora_B.weight",))
    assert [(each.name, each.had, each.wanted) for each in report.blocks] == [("layers.1", 1, 2)]


def test_any_error_while_loading_names_the_file(
    transformer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes wrong with an adapter, the start ends with a message that names its file."""

    def torn(*_: object, **__: object) -> None:
        raise NotImplementedError("no such thing")

    monkeypatch.setattr("consumer.engine.runtime.custom_weights.pair_up", torn)
    save_file(lora(TO_Q), tmp_path / "ink.safetensors")
    with pytest.raises(Fatal, match=r"ink\.safetensors could not be loaded \(NotImplementedError: no such thing\)"):
        load_adapters(transformer, tmp_path)
