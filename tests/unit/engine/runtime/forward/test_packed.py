"""Our forward pass computes what the one of diffusers computes, in any company."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.engine.runtime.forward.choice import Forward
from consumer.engine.runtime.forward.kernels import PLAIN
from consumer.engine.runtime.forward.packed import PackedForward
from consumer.engine.runtime.forward.stock import StockForward
from consumer.engine.runtime.model import Model

pytestmark = pytest.mark.slow


@settings(max_examples=25, deadline=None)
@given(
    sizes=st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 80)), min_size=1, max_size=5),
    seed=st.integers(0, 9),
)
def test_flows_are_the_stock_ones(tiny: Model, sizes: list[tuple[int, int, int]], seed: int) -> None:
    """In any company of sizes and prompts each flow is the stock one in fp32, to rounding."""
    random = torch.Generator().manual_seed(seed)
    latents = [torch.randn(16, 2 * rows, 2 * columns, generator=random) for rows, columns, _ in sizes]
    embeddings = [torch.randn(tokens, 64, generator=random) for *_, tokens in sizes]
    times = torch.rand(len(sizes), generator=random)
    forwards: tuple[Forward, ...] = (
        PackedForward(tiny.transformer, PLAIN, fused=True),
        StockForward(tiny.transformer),
    )
    with torch.no_grad():
        found, expected = (
            forward.flows(
                latents,
                times,
                [forward.condition(text, *size[:2]) for text, size in zip(embeddings, sizes, strict=True)],
            )
            for forward in forwards
        )
    for one, other in zip(found, expected, strict=True):
        assert float((one - other).norm() / other.norm()) < 1e-5


def test_separate_products_are_the_joint_ones(tiny: Model) -> None:
    """Where hooks move the weights, each layer computes its own product, with the same result."""
    latents, times, embedding = torch.randn(16, 8, 8), torch.tensor([0.3]), torch.randn(9, 64)
    with torch.no_grad():
        joint, separate = (
            forward.flows([latents], times, [forward.condition(embedding, 4, 4)])[0]
            for forward in (PackedForward(tiny.transformer, PLAIN, fused=fused) for fused in (True, False))
        )
    assert torch.allclose(joint, separate, atol=1e-5)
