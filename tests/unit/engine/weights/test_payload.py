from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import save_file

from consumer.engine.weights import payload
from consumer.engine.weights.payload import not_finite
from consumer.engine.weights.source import open_source

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32], ids=str)
def test_it_says_what_torch_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype) -> None:
    """The largest and the smallest numbers are numbers, NaN and both infinities are not, in any piece of a tensor."""
    monkeypatch.setattr(payload, "_PIECE", 64)
    limits = torch.finfo(dtype)
    values = {
        "largest": limits.max,
        "least": limits.min,
        "subnormal": limits.smallest_normal / 2,
        "half": limits.max / 2,
        "zero": -0.0,
        "nan": torch.nan,
        "up": torch.inf,
        "down": -torch.inf,
    }
    state = {name: torch.zeros(500, dtype=dtype) for name in values}
    for name, value in values.items():
        state[name][-1] = value
    save_file(state, tmp_path / "a.safetensors")

    found = not_finite(open_source(tmp_path / "a.safetensors").tensors)

    assert set(found) == {name for name, tensor in state.items() if not torch.isfinite(tensor).all()}
    assert set(found) == {"nan", "up", "down"}
