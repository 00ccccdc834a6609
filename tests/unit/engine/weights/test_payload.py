from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from consumer.engine.weights import payload
from consumer.engine.weights.payload import not_finite, number, scaled
from consumer.engine.weights.source import read_source


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32], ids=str)
def test_it_says_what_torch_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype) -> None:
    """What bf16 can hold is finite, NaN and both infinities are not, in any chunk of a tensor."""
    monkeypatch.setattr(payload, "_CHUNK", 64)
    limits = min(torch.finfo(dtype), torch.finfo(torch.bfloat16), key=lambda limits: limits.max)
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

    found = not_finite(read_source(tmp_path / "a.safetensors").tensors)

    assert set(found) == {name for name, tensor in state.items() if not torch.isfinite(tensor).all()}
    assert set(found) == {"nan", "up", "down"}


def test_fp32_is_checked_in_bf16(tmp_path: Path) -> None:
    """On either side of what bf16 rounds to infinity, a value of fp32 is treated as torch's cast treats it."""
    edge = 0x7F7F_8000
    bits = torch.tensor([edge - 1, edge, edge + 1, edge - 1 - 2**31, edge - 2**31], dtype=torch.int32)
    state = {str(place): value.reshape(1).clone() for place, value in enumerate(bits.view(torch.float32))}
    save_file(state, tmp_path / "a.safetensors")
    found = not_finite(read_source(tmp_path / "a.safetensors").tensors)
    assert set(found) == {name for name, tensor in state.items() if not torch.isfinite(tensor.bfloat16()).all()}
    assert set(found) == {"1", "2", "4"}


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32], ids=str)
@pytest.mark.parametrize("value", [0.0, -1.0, 3e38, 6e-5, 1e-40])
@pytest.mark.parametrize("factor", [0.0, -0.5, 1.0, 2.0, 1e-38, 1e38, 1e300, float("nan")])
def test_scaled_tensors_are_checked_as_torch_scales_them(
    tmp_path: Path, dtype: torch.dtype, value: float, factor: float
) -> None:
    """A tensor times a strength is finite, and not zero, exactly if torch's product in bf16 is."""
    tensor = torch.zeros(9, dtype=dtype)
    tensor[-1] = value
    save_file({"a": tensor, "n": tensor[-1].clone()}, tmp_path / "a.safetensors")
    tensors = read_source(tmp_path / "a.safetensors").tensors
    product = (tensor.float() * factor).bfloat16()
    finite = bool(torch.isfinite(product).all())
    assert scaled(tensors["a"], factor) == (finite, bool(product.any()))
    assert number(tensors["n"]) == tensor[-1].item()


def test_a_file_that_became_shorter_is_an_error(tmp_path: Path) -> None:
    """Missing bytes are an error, not finite numbers."""
    file = tmp_path / "a.safetensors"
    save_file({"a": torch.ones(4)}, file)
    tensors = read_source(file).tensors
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(OSError, match="shorter"):
        not_finite(tensors)
