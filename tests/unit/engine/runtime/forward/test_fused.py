"""Each fused kernel computes its plain formula, shown by Triton's interpreter where there is no GPU."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from consumer.engine.runtime.forward.kernels import PLAIN, Kernels

TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 2**-6}
"""Largest difference, relative to the largest value: bf16 keeps eight bits, and the plain formulas round more often."""


def arguments(dtype: torch.dtype, tokens: int, width: int) -> dict[str, tuple[object, ...]]:
    """Return arguments of every kernel, with the strides that the forward pass gives them."""
    random = torch.Generator().manual_seed(tokens * width)

    def of(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=random).to(dtype)

    segment = torch.arange(tokens) * 3 // tokens
    factors = of(3, 5, 4, width)[:, 2].unbind(1)
    heads, channels = 3, 2 * (width // 6)
    cos, sin = (torch.randn(tokens, channels // 2, generator=random) for _ in range(2))
    return {
        "norm_scale": (of(tokens, width), of(width), 1e-5, factors[0], segment),
        "gate_residual": (of(tokens, width), of(tokens, width), of(width), 1e-5, factors[1], segment),
        "norm_rotate": (of(tokens, 3, heads, channels).unbind(1)[1], of(channels), 1e-6, cos, sin),
        "silu_product": (of(tokens, 2 * width),),
    }


def compare() -> None:
    """Print how far each fused kernel is from its formula; run where Triton interprets."""
    from consumer.engine.runtime.forward.fused import FUSED  # noqa: PLC0415 - only where Triton is

    for dtype, tolerance in TOLERANCE.items():
        for tokens, width in ((1, 96), (7, 96), (5, 100), (3, 1030)):
            for name, given in arguments(dtype, tokens, width).items():
                fused, plain = (getattr(kernels, name)(*given) for kernels in (FUSED, PLAIN))
                assert (fused.shape, fused.dtype) == (plain.shape, plain.dtype)
                apart = float((fused.float() - plain.float()).abs().max() / plain.float().abs().max())
                print(f"{name} {dtype} {tokens}x{width}: {apart:.2e}")  # noqa: T201 - the parent reads it
                assert apart < tolerance, name


@pytest.mark.slow
def test_kernels_equal_their_formulas() -> None:
    """For every kernel, in fp32 and bf16, for widths that fill their blocks and that do not."""
    pytest.importorskip("triton")
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    run = subprocess.run(  # noqa: S603 - this file
        [sys.executable, __file__], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("\n") == 2 * 4 * len(Kernels._fields)


def test_shapes_are_known_without_running() -> None:
    """On the meta device each kernel returns the shape of its formula's result."""
    pytest.importorskip("triton")
    from consumer.engine.runtime.forward.fused import FUSED  # noqa: PLC0415 - only where Triton is

    for name, given in arguments(torch.bfloat16, 7, 96).items():
        meta = [each.to("meta") if isinstance(each, torch.Tensor) else each for each in given]
        found, expected = getattr(FUSED, name)(*meta), getattr(PLAIN, name)(*given)
        assert (found.shape, found.dtype, found.device.type) == (expected.shape, expected.dtype, "meta")


if __name__ == "__main__":
    compare()
