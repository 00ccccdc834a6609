"""The elementwise arithmetic of a block between its matrix products, as plain formulas of torch.

Each formula is one pass over memory in `fused` and its reference there. Tokens of all sequences lie one after the
other; `segment` (int64, one number a token) says to which row of a table of factors a token belongs.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch.nn.functional import rms_norm, silu


class Kernels(NamedTuple):
    """The five formulas, in one implementation."""

    norm_scale: Callable[[torch.Tensor, torch.Tensor, float, torch.Tensor, torch.Tensor], torch.Tensor]
    gate_residual: Callable[[torch.Tensor, torch.Tensor, torch.Tensor, float, torch.Tensor, torch.Tensor], torch.Tensor]
    norm_rotate: Callable[[torch.Tensor, torch.Tensor, float, torch.Tensor, torch.Tensor], torch.Tensor]
    silu_product: Callable[[torch.Tensor], torch.Tensor]
    quantise_rows: Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


def norm_scale(
    x: torch.Tensor, weight: torch.Tensor, eps: float, scale: torch.Tensor, segment: torch.Tensor
) -> torch.Tensor:
    """Return x (tokens x width) normalised by its root mean square, times `weight`, times its segment's scale."""
    return rms_norm(x, x.shape[-1:], weight, eps) * scale.index_select(0, segment)


def gate_residual(  # noqa: PLR0913, PLR0917 - one formula
    x: torch.Tensor, update: torch.Tensor, weight: torch.Tensor, eps: float, gate: torch.Tensor, segment: torch.Tensor
) -> torch.Tensor:
    """Return x plus its segment's gate times the normalised update, all tokens x width."""
    return torch.addcmul(x, gate.index_select(0, segment), rms_norm(update, x.shape[-1:], weight, eps))


def norm_rotate(
    x: torch.Tensor, weight: torch.Tensor, eps: float, cos: torch.Tensor, sin: torch.Tensor
) -> torch.Tensor:
    """Return x (tokens x heads x channels) normalised per head and rotated by its token's angles, in fp32 between.

    `cos` and `sin` are tokens x channels/2; neighbouring channels are the two axes of a rotation.
    """
    even, odd = rms_norm(x, x.shape[-1:], weight, eps).float().view(*x.shape[:-1], -1, 2).unbind(-1)
    across, up = cos.unsqueeze(1), sin.unsqueeze(1)
    return torch.stack((even * across - odd * up, even * up + odd * across), -1).flatten(-2).type_as(x)


def silu_product(x: torch.Tensor) -> torch.Tensor:
    """Return silu of the first half of the channels times the second half."""
    first, second = x.chunk(2, -1)
    return silu(first) * second


FP8_LARGEST = float(torch.finfo(torch.float8_e4m3fn).max)
SMALLEST_ROW = 1e-12
"""The largest value that a row of zeros is taken to have, so that its scale is none."""


def quantise_rows(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return x (rows x width) in fp8, each row's largest value as the largest of fp8, and the rows' scales in fp32."""
    scales = x.abs().amax(-1).float().clamp(min=SMALLEST_ROW) / FP8_LARGEST
    return (x / scales.unsqueeze(1)).to(torch.float8_e4m3fn), scales


PLAIN = Kernels(norm_scale, gate_residual, norm_rotate, silu_product, quantise_rows)
