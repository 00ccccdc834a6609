"""Whether tensors hold only numbers, read from their files in pieces and without torch."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consumer.engine.weights.header import Tensor

_PIECE = 8 * 1024 * 1024
# NaN and infinity are the values whose exponent has all bits set.
_EXPONENTS = {"BF16": ("<u2", 0x7F80), "F16": ("<u2", 0x7C00), "F32": ("<u4", 0x7F80_0000)}


def not_finite(tensors: Mapping[str, Tensor]) -> tuple[str, ...]:
    """Return the names of the tensors that hold NaN or infinity; those of other dtypes than bf16, fp16, fp32 never do.

    Reads every byte: seconds for gigabytes, on two threads. Raises OSError.
    """
    with ThreadPoolExecutor(2, thread_name_prefix="finite") as pool:
        finite = pool.map(_is_finite, tensors.values())
        return tuple(name for name, good in zip(tensors, finite, strict=True) if not good)


def _is_finite(tensor: Tensor) -> bool:
    if tensor.dtype not in _EXPONENTS:
        return True
    word, exponent = _EXPONENTS[tensor.dtype]
    with tensor.file.open("rb") as opened:
        opened.seek(tensor.begin)
        rest = tensor.end - tensor.begin
        while rest and (piece := opened.read(min(rest, _PIECE))):
            if np.any((np.frombuffer(piece, word) & exponent) == exponent):
                return False
            rest -= len(piece)
    return rest == 0
