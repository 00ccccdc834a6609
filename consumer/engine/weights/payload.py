"""Checks of tensor values (NaN, infinity, zeros), read from the files in chunks and without torch.

Values are checked in bf16, the dtype on a GPU: what is finite in bf16 is finite in the file's own dtype too.
"""

import errno
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from consumer.engine.weights.header import TensorInfo

_CHUNK = 8 * 1024 * 1024
# Per dtype: its unsigned word, the mask of all bits but the sign, the least magnitude that is infinity or NaN in bf16.
_LIMITS = {
    "BF16": ("<u2", 0x7FFF, 0x7F80),
    "F16": ("<u2", 0x7FFF, 0x7C00),
    "F32": ("<u4", 0x7FFF_FFFF, 0x7F7F_8000),
}
_OTHER_NUMBERS = {"F64": "<f8", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1"}
NUMBERS = frozenset({*_LIMITS, *_OTHER_NUMBERS})
"""Dtypes that `number` reads."""

# The largest magnitude in fp32 that is zero in bf16.
_MAX_ZERO = 0x8000


def not_finite(tensors: Mapping[str, TensorInfo]) -> tuple[str, ...]:
    """Return the names of tensors that hold NaN or infinity in bf16; only bf16, fp16 and fp32 are checked.

    Reads every byte: takes seconds for gigabytes, on two threads. Raises OSError.
    """
    with ThreadPoolExecutor(2, thread_name_prefix="finite") as pool:
        finite = pool.map(_is_finite, tensors.values())
        return tuple(name for name, good in zip(tensors, finite, strict=True) if not good)


def number(tensor: TensorInfo) -> float:
    """Return the number in a tensor of one element whose dtype is in `NUMBERS`. Raises OSError."""
    chunk = next(_chunks(tensor))
    if tensor.dtype in _OTHER_NUMBERS:
        return float(np.frombuffer(chunk, _OTHER_NUMBERS[tensor.dtype])[0])
    return float(_as_fp32(tensor, chunk)[0])


def scaled(tensor: TensorInfo, factor: float) -> tuple[bool, bool]:
    """Return whether a tensor multiplied by `factor` is finite in bf16, and whether it has any non-zero value.

    Computed in fp32 like the loader does. The tensor must be bf16, fp16 or fp32. Raises OSError.
    """
    _, magnitude, limit = _LIMITS["F32"]
    finite, non_zero = True, False
    with np.errstate(all="ignore"):
        for chunk in _chunks(tensor):
            bits = (_as_fp32(tensor, chunk) * np.float32(factor)).view(np.uint32) & magnitude
            finite &= not np.any(bits >= limit)
            non_zero |= bool(np.any(bits > _MAX_ZERO))
    return finite, non_zero


def _as_fp32(tensor: TensorInfo, chunk: bytes) -> Any:
    """Return a chunk's numbers in fp32."""
    if tensor.dtype == "BF16":
        return (np.frombuffer(chunk, "<u2").astype(np.uint32) << 16).view(np.float32)
    return np.frombuffer(chunk, "<f2" if tensor.dtype == "F16" else "<f4").astype(np.float32)


def _is_finite(tensor: TensorInfo) -> bool:
    if tensor.dtype not in _LIMITS:
        return True
    word, magnitude, limit = _LIMITS[tensor.dtype]
    return not any(np.any((np.frombuffer(chunk, word) & magnitude) >= limit) for chunk in _chunks(tensor))


def _chunks(tensor: TensorInfo) -> Iterator[bytes]:
    """Yield a tensor's bytes. Raises OSError, also if the file has shrunk."""
    with tensor.file.open("rb") as opened:
        opened.seek(tensor.begin)
        rest = tensor.end - tensor.begin
        while rest:
            chunk = opened.read(min(rest, _CHUNK))
            if len(chunk) < min(rest, _CHUNK):
                raise OSError(errno.EIO, "it has become shorter", str(tensor.file))
            rest -= len(chunk)
            yield chunk
