from __future__ import annotations

from pathlib import Path

import torch
from peft import LoraConfig
from safetensors.torch import load_file

from checkpoint import merged
from consumer.engine.runtime.custom_weights import load_adapters
from house import NAME, save_house
from model import SUMS, build_transformer


def test_the_lora_that_is_written_is_let_in(tmp_path: Path) -> None:
    """The gate takes every tensor of it, and merging changes the same matrices, each by what the LoRA adds to it."""
    torch.manual_seed(3)
    trained = build_transformer()
    before = {name: weight.clone() for name, weight in trained.state_dict().items()}
    trained.add_adapter(LoraConfig(r=2, lora_alpha=2, target_modules=["to_q", "w2"], init_lora_weights=False), NAME)
    save_house(trained, tmp_path)
    fresh = build_transformer()
    (adapter,) = load_adapters(fresh, tmp_path)
    lora = load_file(tmp_path / f"{NAME}.safetensors")
    changed = {name for name, weight in merged(before, lora).items() if weight is not before[name]}

    assert adapter.name == NAME
    assert changed == {name for name in before if name.endswith(("to_q.weight", "w2.weight"))}
    assert (tmp_path / SUMS).read_text() == f"{adapter.sha256}  {NAME}.safetensors\n"
