"""Whether tensors hold only numbers, read from their files in pieces and without torch.

Numbers are judged in bf16, as a GPU has them: what is finite there is finite in a file's own dtype too.
"""

from __future__ import annotations

import errno
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from consumer.engine.weights.header import TensorInfo

_PIECE = 8 * 1024 * 1024
# The word of a dtype, the mask of all bits but the sign, and the least magnitude that bf16 has as infinity or NaN.
_LIMITS = {
    "BF16": ("<u2", 0x7FFF, 0x7F80),
    "F16": ("<u2", 0x7FFF, 0x7C00),
    "F32": ("<u4", 0x7FFF_FFFF, 0x7F7F_8000),
}
_OTHER_NUMBERS = {"F64": "<f8", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1"}
NUMBERS = frozenset({*_LIMITS, *_OTHER_NUMBERS})
"""Dtypes of which `number` reads one."""

# The largest magnitude in fp32 that bf16 has as zero.
_NOUGHT = 0x8000


def not_finite(tensors: Mapping[str, TensorInfo]) -> tuple[str, ...]:
    """Return the names of the tensors that hold NaN or infinity in bf16; of bf16, fp16 and fp32 alone.

    Reads every byte: seconds for gigabytes, on two threads. Raises OSError.
    """
    with ThreadPoolExecutor(2, thread_name_prefix="finite") as pool:
        finite = pool.map(_is_finite, tensors.values())
        return tuple(name for name, good in zip(tensors, finite, strict=True) if not good)


def number(tensor: TensorInfo) -> float:
    """Return the one number of a tensor whose dtype is among `NUMBERS`. Raises OSError."""
    piece = next(_pieces(tensor))
    if tensor.dtype in _OTHER_NUMBERS:
        return float(np.frombuffer(piece, _OTHER_NUMBERS[tensor.dtype])[0])
    return float(_singles(tensor, piece)[0])


def scaled(tensor: TensorInfo, factor: float) -> tuple[bool, bool]:
    """Return whether a tensor multiplied by `factor` is finite in bf16, and whether it is more than zeros.

    Computed as the loader does it, in fp32. The tensor is of bf16, fp16 or fp32. Raises OSError.
    """
    _, magnitude, limit = _LIMITS["F32"]
    finite, more = True, False
    with np.errstate(all="ignore"):
        for piece in _pieces(tensor):
            bits = (_singles(tensor, piece) * np.float32(factor)).view(np.uint32) & magnitude
            finite &= not np.any(bits >= limit)
            more |= bool(np.any(bits > _NOUGHT))
    return finite, more


def _singles(tensor: TensorInfo, piece: bytes) -> Any:
    """Return a piece's numbers in fp32."""
    if tensor.dtype == "BF16":
        return (np.frombuffer(piece, "<u2").astype(np.uint32) << 16).view(np.float32)
    return np.frombuffer(piece, "<f2" if tensor.dtype == "F16" else "<f4").astype(np.float32)


def _is_finite(tensor: TensorInfo) -> bool:
    if tensor.dtype not in _LIMITS:
        return True
    word, magnitude, limit = _LIMITS[tensor.dtype]
    return not any(np.any((np.frombuffer(piece, word) & magnitude) >= limit) for piece in _pieces(tensor))


def _pieces(tensor: TensorInfo) -> Iterator[bytes]:
    """Yield a tensor's bytes. Raises OSError, also for a file that has become shorter."""
    with tensor.file.open("rb") as opened:
        opened.seek(tensor.begin)
        rest = tensor.end - tensor.begin
        while rest:
            piece = opened.read(min(rest, _PIECE))
            if len(piece) < min(rest, _PIECE):
                raise OSError(errno.EIO, "it has become shorter", str(tensor.file))
            rest -= len(piece)
            yield piece
