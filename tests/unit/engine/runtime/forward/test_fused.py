"""Each fused kernel computes its plain formula, shown by Triton's interpreter where there is no GPU."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

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
        "quantise_rows": (of(tokens, width),),
    }


def compare() -> None:
    """Print how far each fused kernel is from its formula; run where Triton interprets."""
    from consumer.engine.runtime.forward.fused import FUSED  # noqa: PLC0415 - only where Triton is

    round_to_fp8_as_gpus_do()
    for dtype, tolerance in TOLERANCE.items():
        for tokens, width in ((1, 96), (7, 96), (5, 100), (3, 1030)):
            for name, given in arguments(dtype, tokens, width).items():
                fused, plain = (results(getattr(kernels, name)(*given)) for kernels in (FUSED, PLAIN))
                assert list(map(kind, fused)) == list(map(kind, plain))
                apart = max(map(difference, fused, plain))
                print(f"{name} {dtype} {tokens}x{width}: {apart:.2e}")  # noqa: T201 - the parent reads it
                assert apart < tolerance, name


def round_to_fp8_as_gpus_do() -> None:
    """Have Triton's interpreter round to fp8 as torch does: by itself it loses the carry, so that 127 becomes 64."""
    import numpy as np  # noqa: PLC0415 - beside its use
    import triton.language as tl  # noqa: PLC0415 - only where Triton is
    from triton.runtime import interpreter  # noqa: PLC0415 - likewise

    convert = interpreter._convert_float

    def rounding(values: Any, source: Any, target: Any, mode: Any) -> Any:
        if target != tl.float8e4nv:
            return convert(values, source, target, mode)
        rounded = torch.from_numpy(np.ascontiguousarray(values)).to(torch.float8_e4m3fn)
        return rounded.view(torch.uint8).numpy()

    interpreter._convert_float = rounding


def results(of: torch.Tensor | tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    return of if isinstance(of, tuple) else (of,)


def kind(of: torch.Tensor) -> tuple[torch.Size, torch.dtype]:
    return of.shape, of.dtype


def difference(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one.float() - other.float()).abs().max() / other.float().abs().max())


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
        found, expected = results(getattr(FUSED, name)(*meta)), results(getattr(PLAIN, name)(*given))
        assert list(map(kind, found)) == list(map(kind, expected))
        assert {each.device.type for each in found} == {"meta"}


if __name__ == "__main__":
    compare()
