"""The same sums in less time, for training only: compiled blocks, rotations without complex numbers, half precision.

A third of the time of a step on a processor goes into small operations between the matrix products; the compiler puts
them together. Weights and their names stay what they are, and so do the results, but for the rounding of products.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch._dynamo import config as compiler
from torch.nn import functional

if TYPE_CHECKING:
    from contextlib import AbstractContextManager


def quick_products() -> AbstractContextManager[None]:
    """Let matrix products be of bfloat16 where the processor has instructions for it, sums and weights of float32."""
    able = torch.cpu.get_capabilities()
    return torch.autocast("cpu", torch.bfloat16, enabled=bool(able.get("avx512_bf16") or able.get("amx_bf16")))


class PlainAttention:
    """The attention of `ZImageTransformerBlock`, with cosine and sine in place of complex numbers."""

    _attention_backend = None
    _parallel_config = None

    def __call__(
        self,
        attn: Any,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,  # noqa: ARG002 - diffusers names it in every call
        attention_mask: torch.Tensor | None = None,
        freqs_cis: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return what the block adds to its input."""
        query, key, value = (
            project(hidden_states).unflatten(-1, (attn.heads, -1)) for project in (attn.to_q, attn.to_k, attn.to_v)
        )
        query, key = attn.norm_q(query), attn.norm_k(key)
        if freqs_cis is not None:
            query, key = _rotate(query, freqs_cis), _rotate(key, freqs_cis)
        mask = attention_mask[:, None, None, :] if attention_mask is not None else None
        mixed = functional.scaled_dot_product_attention(
            query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2), attn_mask=mask
        )
        result: torch.Tensor = attn.to_out[0](mixed.transpose(1, 2).flatten(2))
        return result


def _rotate(values: torch.Tensor, turns: torch.Tensor) -> torch.Tensor:
    cosine, sine = turns[..., 0].unsqueeze(2), turns[..., 1].unsqueeze(2)
    first, second = values.view(*values.shape[:-1], -1, 2).unbind(-1)
    return torch.stack((first * cosine - second * sine, first * sine + second * cosine), -1).flatten(-2)


def speed_up(transformer: Any) -> None:
    """Compile the transformer's blocks in place."""
    compiler.recompile_limit = 64  # with a mask or without, short captions or long, each size
    embedder = transformer.rope_embedder

    class Turns(type(embedder)):  # type: ignore[misc]
        def __call__(self, ids: torch.Tensor) -> torch.Tensor:
            return torch.view_as_real(super().__call__(ids))

    embedder.__class__ = Turns
    for block in (*transformer.noise_refiner, *transformer.context_refiner, *transformer.layers):
        block.attention.set_processor(PlainAttention())
        block.compile(dynamic=True)
