from __future__ import annotations

import pytest
import torch
from torch import nn

from consumer.engine.runtime.forward.linear import FusedLinear, SeparateLinear


def layers(*, bias: bool) -> list[nn.Linear]:
    return [nn.Linear(6, size, bias=bias).requires_grad_(requires_grad=False) for size in (4, 8, 2)]


@pytest.mark.parametrize("bias", [True, False])
def test_a_joint_product_is_the_products_side_by_side(bias: bool) -> None:  # noqa: FBT001 - a parameter
    """The result has each layer's own in order, with and without bias."""
    parts, x = layers(bias=bias), torch.randn(5, 6)
    assert torch.allclose(FusedLinear(parts)(x), SeparateLinear(parts)(x), atol=1e-6)


def test_weights_are_in_memory_once() -> None:
    """The layers keep working, on the memory of the joint weights."""
    parts, x = layers(bias=True), torch.randn(5, 6)
    before = [part(x) for part in parts]
    joint = FusedLinear(parts)
    storage = joint.joined["weight"].untyped_storage().data_ptr()
    assert all(part.weight.untyped_storage().data_ptr() == storage for part in parts)
    assert all(torch.equal(part(x), expected) for part, expected in zip(parts, before, strict=True))
