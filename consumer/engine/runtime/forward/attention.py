"""Attention within each of the packed sequences."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn.attention.varlen import varlen_attn
from torch.nn.functional import scaled_dot_product_attention

_VARLEN_DEVICES = frozenset({"cuda", "meta"})
_VARLEN_TYPES = frozenset({torch.bfloat16, torch.float16})
"""What torch attends to in one kernel whatever the lengths; on the meta device so that it is counted as on CUDA."""


@dataclass(frozen=True, slots=True)
class Segments:
    """Where the sequences lie: their lengths, and on the device where each begins and to which each token belongs."""

    lengths: tuple[int, ...]
    starts: torch.Tensor
    numbers: torch.Tensor

    @classmethod
    def of(cls, lengths: Sequence[int], device: torch.device) -> "Segments":
        """Lay out sequences of these lengths one after the other."""
        sizes = torch.tensor(lengths)
        starts = torch.cat([torch.zeros(1, dtype=torch.int64), sizes.cumsum(0)]).to(torch.int32)
        numbers = torch.arange(len(lengths)).repeat_interleave(sizes)
        return cls(tuple(lengths), starts.to(device), numbers.to(device))


def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, segments: Segments) -> torch.Tensor:
    """Return attention of each token to those of its sequence: tokens x heads x channels, like each input."""
    if query.device.type not in _VARLEN_DEVICES or query.dtype not in _VARLEN_TYPES:
        return _one_by_one(query, key, value, segments.lengths)
    longest = max(segments.lengths)
    attended = varlen_attn(query, key, value, segments.starts, segments.starts, longest, longest)
    if not isinstance(attended, torch.Tensor):
        raise TypeError("no auxiliary output was asked for")
    return attended


def _one_by_one(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
    attended = torch.empty_like(query)
    parts = (tensor.split(list(lengths)) for tensor in (query, key, value, attended))
    for q, k, v, out in zip(*parts, strict=True):
        heads_first = (tensor.transpose(0, 1).unsqueeze(0) for tensor in (q, k, v))
        out.copy_(scaled_dot_product_attention(*heads_first)[0].transpose(0, 1))
    return attended
