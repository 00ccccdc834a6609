"""A linear layer in fp8: close to the one it stands for, alone and joined with others."""

from __future__ import annotations

import pytest
import torch

from consumer.engine.runtime.forward.fp8 import Fp8Linear
from consumer.engine.runtime.forward.kernels import PLAIN
from consumer.engine.runtime.forward.linear import FusedLinear, SeparateLinear


def layers(*sizes: int, bias: bool = False) -> list[torch.nn.Linear]:
    torch.manual_seed(3)
    return [torch.nn.Linear(96, size, bias=bias).requires_grad_(requires_grad=False) for size in sizes]


def quantised(parts: list[torch.nn.Linear]) -> list[Fp8Linear]:
    return [Fp8Linear(part, PLAIN.quantise_rows) for part in parts]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("bias", [True, False])
def test_its_output_is_close_to_that_of_the_layer(dtype: torch.dtype, bias: bool) -> None:  # noqa: FBT001 - a parameter
    """Three bits of mantissa on both sides leave some 4 % of the output's norm, in the input's dtype and shape."""
    (layer,) = layers(64, bias=bias)
    x = torch.randn(2, 5, 96).to(dtype)
    found, expected = Fp8Linear(layer.to(dtype), PLAIN.quantise_rows)(x), layer(x)
    assert (found.shape, found.dtype) == (expected.shape, dtype)
    assert 0.01 < float((found - expected).norm() / expected.norm()) < 0.06


def test_a_row_is_quantised_by_its_own_largest_value() -> None:
    """Tokens of very different sizes keep their own precision; zeros, NaN and infinity stay what they are."""
    x = torch.randn(5, 96, generator=torch.Generator().manual_seed(1))
    x[1] *= 1e6
    x[2] = 0
    x[3, 0], x[4, 0] = torch.nan, torch.inf
    rows, scales = PLAIN.quantise_rows(x)
    again = rows.float() * scales.unsqueeze(1)
    for row in (0, 1):
        assert float((again[row] - x[row]).norm() / x[row].norm()) < 0.04
        assert float(rows[row].float().abs().max()) == 448
    assert not again[2].any()
    assert not again[3:, 0].isfinite().any()


def test_a_joint_product_is_the_products_side_by_side() -> None:
    """Query, key and value of one input: the same numbers as one by one."""
    parts, x = quantised(layers(64, 32, 96)), torch.randn(5, 96)
    separate = SeparateLinear(parts)(x)
    assert torch.equal(FusedLinear(parts)(x), separate)
    assert torch.equal(SeparateLinear(parts)(x), separate)


def test_weights_are_in_memory_once_and_take_a_byte_each() -> None:
    """Joined layers keep working on the memory of the joint rows, weights and scales alike."""
    parts = quantised(layers(64, 32))
    joint = FusedLinear(parts)
    for name, size in (("weight", 96), ("scale", 4)):
        storage = joint.joined[name].untyped_storage()
        assert storage.nbytes() == (64 + 32) * size
        assert all(getattr(part, name).untyped_storage().data_ptr() == storage.data_ptr() for part in parts)


def test_moving_it_moves_all_of_it() -> None:
    """Weight and scale are parameters: what moves modules between devices, or counts their bytes, sees them."""
    (layer,) = quantised(layers(64))
    assert sum(parameter.nbytes for parameter in layer.parameters()) == 64 * 96 + 64 * 4
    assert {parameter.device.type for parameter in layer.to("meta").parameters()} == {"meta"}
    assert layer.weight.dtype == torch.float8_e4m3fn
