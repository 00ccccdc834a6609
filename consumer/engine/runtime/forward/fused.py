"""The formulas of `kernels`, each in one pass over memory: Triton kernels behind operators that torch knows.

In between they calculate in fp32 and round once, at the end. On the meta device the operators return tensors without
running anything, so that a step's kernels can be counted at full size without a GPU.
"""

import torch
import triton

from consumer.engine.runtime.forward import triton_kernels
from consumer.engine.runtime.forward.kernels import FP8_LARGEST, SMALLEST_ROW, Kernels

_LIBRARY = torch.library.Library("leadart", "DEF")
_LIBRARY.define("norm_scale(Tensor x, Tensor weight, float eps, Tensor scale, Tensor segment) -> Tensor")
_LIBRARY.define(
    "gate_residual(Tensor x, Tensor update, Tensor weight, float eps, Tensor gate, Tensor segment) -> Tensor"
)
_LIBRARY.define("norm_rotate(Tensor x, Tensor weight, float eps, Tensor cos, Tensor sin) -> Tensor")
_LIBRARY.define("silu_product(Tensor x) -> Tensor")
_LIBRARY.define("quantise_rows(Tensor x) -> (Tensor, Tensor)")


def _norm_scale(
    x: torch.Tensor, weight: torch.Tensor, eps: float, scale: torch.Tensor, segment: torch.Tensor
) -> torch.Tensor:
    tokens, width = x.shape
    out, block = torch.empty_like(x), triton.next_power_of_2(width)
    triton_kernels.norm_scale[(tokens,)](x, weight, scale, segment, out, width, eps, scale.stride(0), BLOCK=block)
    return out


def _gate_residual(  # noqa: PLR0913, PLR0917 - one formula
    x: torch.Tensor, update: torch.Tensor, weight: torch.Tensor, eps: float, gate: torch.Tensor, segment: torch.Tensor
) -> torch.Tensor:
    tokens, width = x.shape
    out, block = torch.empty_like(x), triton.next_power_of_2(width)
    triton_kernels.gate_residual[(tokens,)](
        x, update, weight, gate, segment, out, width, eps, gate.stride(0), BLOCK=block
    )
    return out


def _norm_rotate(
    x: torch.Tensor, weight: torch.Tensor, eps: float, cos: torch.Tensor, sin: torch.Tensor
) -> torch.Tensor:
    tokens, heads, channels = x.shape
    out = torch.empty(x.shape, dtype=x.dtype, device=x.device)
    block = triton.next_power_of_2(channels // 2)
    triton_kernels.norm_rotate[tokens, heads](x, weight, cos, sin, out, channels // 2, eps, x.stride(0), BLOCK=block)
    return out


_SILU_BLOCK = 1024


def _silu_product(x: torch.Tensor) -> torch.Tensor:
    tokens, width = x.shape[0], x.shape[1] // 2
    out = torch.empty(tokens, width, dtype=x.dtype, device=x.device)
    triton_kernels.silu_product[tokens, triton.cdiv(width, _SILU_BLOCK)](x, out, width, BLOCK=_SILU_BLOCK)
    return out


_VALUES_A_WARP = 1024


def _quantise_rows(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    x = x.contiguous()
    out, scales = _quantised(x)
    block = triton.next_power_of_2(x.shape[1])
    triton_kernels.quantise_rows[(len(x),)](
        x,
        out,
        scales,
        x.shape[1],
        SMALLEST_ROW,
        FP8_LARGEST,
        BLOCK=block,
        num_warps=min(16, max(4, block // _VALUES_A_WARP)),
    )
    return out, scales


def _quantised(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return room for x in fp8 and its rows' scales."""
    out = torch.empty(x.shape, dtype=torch.float8_e4m3fn, device=x.device)
    return out, torch.empty(len(x), dtype=torch.float32, device=x.device)


for _name, _launch in (
    ("norm_scale", _norm_scale),
    ("gate_residual", _gate_residual),
    ("norm_rotate", _norm_rotate),
    ("silu_product", _silu_product),
    ("quantise_rows", _quantise_rows),
):
    for _device in ("CUDA", "CPU"):  # on a CPU only Triton's interpreter runs them
        _LIBRARY.impl(_name, _launch, _device)


def _like_first(x: torch.Tensor, *_others: object) -> torch.Tensor:
    return torch.empty(x.shape, dtype=x.dtype, device=x.device)


for _name in ("norm_scale", "gate_residual", "norm_rotate"):
    torch.library.register_fake(f"leadart::{_name}", _like_first, lib=_LIBRARY)


def _half_of(x: torch.Tensor) -> torch.Tensor:
    return torch.empty(x.shape[0], x.shape[1] // 2, dtype=x.dtype, device=x.device)


torch.library.register_fake("leadart::silu_product", _half_of, lib=_LIBRARY)
torch.library.register_fake("leadart::quantise_rows", _quantised, lib=_LIBRARY)

FUSED = Kernels(
    torch.ops.leadart.norm_scale,
    torch.ops.leadart.gate_residual,
    torch.ops.leadart.norm_rotate,
    torch.ops.leadart.silu_product,
    torch.ops.leadart.quantise_rows,
)
