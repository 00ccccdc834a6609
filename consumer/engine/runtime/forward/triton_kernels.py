"""The formulas of `kernels` in Triton's language: one program a row, or a token's head.

All but `norm_rotate` take rows of `width` numbers that lie one after the other; a table's rows lie `stride` numbers
apart. They calculate in fp32.
"""

import triton
import triton.language as tl


@triton.jit
def _root_mean_square(x, width, eps):
    return tl.rsqrt(tl.sum(x * x) / width + eps)


@triton.jit
def norm_scale(x, weight, scale, segment, out, width, eps, scale_stride, BLOCK: tl.constexpr):
    """Normalise a row, scale it by `weight` and by its segment's row of `scale`."""
    row = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, BLOCK)
    inside = at < width
    values = tl.load(x + row * width + at, mask=inside, other=0.0).to(tl.float32)
    values *= _root_mean_square(values, width, eps)
    values *= tl.load(weight + at, mask=inside, other=0.0).to(tl.float32)
    values *= tl.load(scale + tl.load(segment + row) * scale_stride + at, mask=inside, other=0.0).to(tl.float32)
    tl.store(out + row * width + at, values, mask=inside)


@triton.jit
def gate_residual(x, update, weight, gate, segment, out, width, eps, gate_stride, BLOCK: tl.constexpr):
    """Add a normalised row of `update` to the row of x, gated by its segment's row of `gate`."""
    row = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, BLOCK)
    inside = at < width
    values = tl.load(update + row * width + at, mask=inside, other=0.0).to(tl.float32)
    values *= _root_mean_square(values, width, eps)
    values *= tl.load(weight + at, mask=inside, other=0.0).to(tl.float32)
    values *= tl.load(gate + tl.load(segment + row) * gate_stride + at, mask=inside, other=0.0).to(tl.float32)
    values += tl.load(x + row * width + at, mask=inside, other=0.0).to(tl.float32)
    tl.store(out + row * width + at, values, mask=inside)


@triton.jit
def norm_rotate(x, weight, cos, sin, out, pairs, eps, token_stride, BLOCK: tl.constexpr):
    """Normalise one head of a token and rotate its pairs of channels by the token's angles."""
    token, head, heads = tl.program_id(0).to(tl.int64), tl.program_id(1), tl.num_programs(1)
    at = tl.arange(0, BLOCK)
    inside = at < pairs
    start = x + token * token_stride + head * 2 * pairs + 2 * at
    even = tl.load(start, mask=inside, other=0.0).to(tl.float32)
    odd = tl.load(start + 1, mask=inside, other=0.0).to(tl.float32)
    size = tl.rsqrt((tl.sum(even * even) + tl.sum(odd * odd)) / (2 * pairs) + eps)
    even *= size * tl.load(weight + 2 * at, mask=inside, other=0.0).to(tl.float32)
    odd *= size * tl.load(weight + 2 * at + 1, mask=inside, other=0.0).to(tl.float32)
    across = tl.load(cos + token * pairs + at, mask=inside, other=0.0)
    up = tl.load(sin + token * pairs + at, mask=inside, other=0.0)
    end = out + (token * heads + head) * 2 * pairs + 2 * at
    tl.store(end, even * across - odd * up, mask=inside)
    tl.store(end + 1, even * up + odd * across, mask=inside)


@triton.jit
def silu_product(x, out, width, BLOCK: tl.constexpr):
    """Multiply silu of the first half of a row by its second half."""
    row = tl.program_id(0).to(tl.int64)
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = at < width
    first = tl.load(x + row * 2 * width + at, mask=inside, other=0.0).to(tl.float32)
    second = tl.load(x + row * 2 * width + width + at, mask=inside, other=0.0).to(tl.float32)
    tl.store(out + row * width + at, first * tl.sigmoid(first) * second, mask=inside)


@triton.jit
def quantise_rows(x, out, scales, width, smallest, largest, BLOCK: tl.constexpr):
    """Scale a row so that its largest value becomes the largest of fp8, and round it to that."""
    row = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, BLOCK)
    inside = at < width
    values = tl.load(x + row * width + at, mask=inside, other=0.0).to(tl.float32)
    scale = tl.maximum(tl.max(tl.abs(values)), smallest) / largest
    tl.store(scales + row, scale)
    tl.store(out + row * width + at, (values / scale).to(tl.float8e4nv), mask=inside)
