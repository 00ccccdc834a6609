"""Our forward pass of Z-Image's transformer, over the weights of diffusers' module, adapters included.

Differs from the stock one in how, not in what it computes. All sequences of a step lie one after the other, so nothing
is padded or masked, whatever their sizes and prompts. Once a picture: caption, refiners, positions. Each step: one
product for query, key and value, one for the two inner products of the feed-forward, one for the modulation of all
layers.
"""

import math
from collections.abc import Sequence
from copy import copy
from typing import Any, NamedTuple

import torch
from torch.nn.functional import rms_norm

from consumer.engine.runtime.forward.attention import Segments, attend
from consumer.engine.runtime.forward.conditioning import Conditioning, positions
from consumer.engine.runtime.forward.kernels import Kernels
from consumer.engine.runtime.forward.linear import FusedLinear, SeparateLinear
from consumer.engine.runtime.geometry import padded

_PATCH = "2-1"
"""How diffusers names the layers for patches of 2 x 2 latents in one frame."""

Linear = FusedLinear | SeparateLinear


class _Block:
    """One layer: the stock module's parts, with joint products."""

    def __init__(self, module: Any, linear: type[Linear]) -> None:
        attention, forward = module.attention, module.feed_forward
        self.module = module
        self.qkv = linear([attention.to_q, attention.to_k, attention.to_v])
        self.inner = linear([forward.w1, forward.w3])
        self.out = attention.to_out[0]
        self.outer = forward.w2


class _Stretch(NamedTuple):
    """The tokens of a step that a layer sees: whose they are, and their angles."""

    segments: Segments
    cos: torch.Tensor
    sin: torch.Tensor


class PackedForward:
    """Computes flows of pictures; `fused` products need weights that stay on the device. Not thread-safe."""

    def __init__(self, transformer: Any, kernels: Kernels, *, fused: bool) -> None:
        linear = FusedLinear if fused else SeparateLinear
        self._transformer = transformer
        self._kernels = kernels
        self._heads = transformer.n_heads
        self._refiners = [_Block(module, linear) for module in transformer.noise_refiner]
        self._layers = [_Block(module, linear) for module in transformer.layers]
        self._caption_refiners = [_Block(module, linear) for module in transformer.context_refiner]
        modulated = [*transformer.noise_refiner, *transformer.layers]
        self._modulation = linear([module.adaLN_modulation[0] for module in modulated])
        self._layout = _Layout([], 0)

    def with_kernels(self, kernels: Kernels) -> "PackedForward":
        """Return a forward pass over the same weights with another implementation of the arithmetic."""
        other = copy(self)
        other._kernels = kernels  # noqa: SLF001 - of its own class
        return other

    def condition(self, embedding: torch.Tensor, rows: int, columns: int) -> Conditioning:
        """Return what a prompt's embedding (tokens x width) and a size in latent patches mean for every step."""
        transformer = self._transformer
        length, caption = len(embedding), padded(len(embedding))
        padding = padded(rows * columns) - rows * columns
        angles = transformer.rope_embedder(positions(caption, rows, columns, padding, embedding.device))
        cos, sin = angles.real.contiguous(), angles.imag.contiguous()
        tokens = transformer.cap_embedder(embedding)
        tokens = torch.cat((tokens, transformer.cap_pad_token.expand(caption - length, -1)))
        alone = _Stretch(Segments.of([caption], embedding.device), cos[-caption:], sin[-caption:])
        for block in self._caption_refiners:
            tokens = self._unmodulated(block, tokens, alone)
        return Conditioning(tokens, cos, sin, rows, columns, padding)

    def flows(
        self, latents: Sequence[torch.Tensor], times: torch.Tensor, conditionings: Sequence[Conditioning]
    ) -> list[torch.Tensor]:
        """Return the flow of each picture's latents (channels x rows x columns) at its time (0 noise, 1 picture).

        Latents are in any dtype, flows in fp32.
        """
        transformer, dtype = self._transformer, self._transformer.x_pad_token.dtype
        layout = self._laid_out(conditionings)
        moment = transformer.t_embedder(times * transformer.t_scale).to(dtype)
        factors = _factors(self._modulation(moment), len(self._refiners) + len(self._layers))
        patches = transformer.all_x_embedder[_PATCH](layout.latents_as_patches(latents).to(dtype))
        x = layout.with_padding(patches, transformer.x_pad_token)
        for number, block in enumerate(self._refiners):
            x = self._modulated(block, x, factors[:, number], layout.pictures)
        x = layout.with_captions(x)
        for number, block in enumerate(self._layers, start=len(self._refiners)):
            x = self._modulated(block, x, factors[:, number], layout.sequences)
        final = transformer.all_final_layer[_PATCH]
        scale = (1 + final.adaLN_modulation(moment)).index_select(0, layout.patches.numbers)
        return layout.patches_as_latents(final.linear(final.norm_final(layout.patches_of(x)) * scale).float())

    def _laid_out(self, conditionings: Sequence[Conditioning]) -> "_Layout":
        """Return the step's layout: the last one while the same pictures step together, so that nothing is copied."""
        if not self._layout.holds(conditionings):
            self._layout = _Layout(conditionings, self._transformer.in_channels)
        return self._layout

    def _modulated(self, block: _Block, x: torch.Tensor, factors: torch.Tensor, at: _Stretch) -> torch.Tensor:
        kernels, module, numbers = self._kernels, block.module, at.segments.numbers
        scale, gate, inner_scale, outer_gate = factors.unbind(1)
        norm, after = module.attention_norm1, module.attention_norm2
        inner_norm, outer_norm = module.ffn_norm1, module.ffn_norm2
        h = kernels.norm_scale(x, norm.weight, norm.eps, scale, numbers)
        h = self._attention(block, h, at)
        x = kernels.gate_residual(x, h, after.weight, after.eps, gate, numbers)
        h = kernels.norm_scale(x, inner_norm.weight, inner_norm.eps, inner_scale, numbers)
        h = block.outer(kernels.silu_product(block.inner(h)))
        return kernels.gate_residual(x, h, outer_norm.weight, outer_norm.eps, outer_gate, numbers)

    def _unmodulated(self, block: _Block, x: torch.Tensor, at: _Stretch) -> torch.Tensor:
        module = block.module
        h = self._attention(block, _normed(x, module.attention_norm1), at)
        x = x + _normed(h, module.attention_norm2)
        inner = block.inner(_normed(x, module.ffn_norm1))
        return x + _normed(block.outer(self._kernels.silu_product(inner)), module.ffn_norm2)

    def _attention(self, block: _Block, x: torch.Tensor, at: _Stretch) -> torch.Tensor:
        attention, rotate = block.module.attention, self._kernels.norm_rotate
        query, key, value = block.qkv(x).view(len(x), 3, self._heads, -1).unbind(1)
        query = rotate(query, attention.norm_q.weight, attention.norm_q.eps, at.cos, at.sin)
        key = rotate(key, attention.norm_k.weight, attention.norm_k.eps, at.cos, at.sin)
        out: torch.Tensor = block.out(attend(query, key, value, at.segments).flatten(1))
        return out


class _Layout:
    """Where the tokens of a step's sequences lie, on the device, and the numbers of their latents among patches."""

    def __init__(self, conditionings: Sequence[Conditioning], channels: int) -> None:
        self._conditionings = tuple(conditionings)
        if not conditionings:
            return
        device = conditionings[0].cos.device
        self.patches = Segments.of([each.picture_tokens for each in conditionings], device)
        lengths = [each.picture_length for each in conditionings]
        angles = ([each.cos for each in conditionings], [each.sin for each in conditionings])
        self.pictures = _Stretch(
            Segments.of(lengths, device),
            *(torch.cat([of[:length] for of, length in zip(each, lengths, strict=True)]) for each in angles),
        )
        self.sequences = _Stretch(
            Segments.of([each.length for each in conditionings], device), *(torch.cat(each) for each in angles)
        )
        self._shapes = [(channels, 2 * each.rows, 2 * each.columns) for each in conditionings]
        self._sizes = [math.prod(shape) for shape in self._shapes]
        numbers = torch.arange(sum(self._sizes), dtype=torch.int32, device=device)
        self._order = torch.cat([_patches(part) for part in self._pictures(numbers)]).flatten()
        self._back = torch.empty_like(self._order)
        self._back[self._order] = numbers

    def holds(self, conditionings: Sequence[Conditioning]) -> bool:
        """Return whether it is the layout of just these."""
        return list(map(id, conditionings)) == list(map(id, self._conditionings))

    def latents_as_patches(self, latents: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return all latents as patches of 2 x 2, tokens x (4 * channels): two kernels however many pictures step."""
        numbers = torch.cat([picture.flatten() for picture in latents]).index_select(0, self._order)
        return numbers.view(sum(self.patches.lengths), -1)

    def patches_as_latents(self, patches: torch.Tensor) -> list[torch.Tensor]:
        """Return the latents of all patches, each channels x rows x columns, by one kernel."""
        return self._pictures(patches.flatten().index_select(0, self._back))

    def _pictures(self, numbers: torch.Tensor) -> list[torch.Tensor]:
        return [part.view(shape) for part, shape in zip(numbers.split(self._sizes), self._shapes, strict=True)]

    def with_padding(self, patches: torch.Tensor, pad: torch.Tensor) -> torch.Tensor:
        """Put each picture's padding behind its patches."""
        if self.patches.lengths == self.pictures.segments.lengths:
            return patches
        parts = zip(patches.split(self.patches.lengths), self._conditionings, strict=True)
        return torch.cat([part for own, each in parts for part in (own, pad.expand(each.padding, -1))])

    def with_captions(self, pictures: torch.Tensor) -> torch.Tensor:
        """Put each picture's caption behind it."""
        parts = zip(pictures.split(self.pictures.segments.lengths), self._conditionings, strict=True)
        return torch.cat([part for own, each in parts for part in (own, each.caption)])

    def patches_of(self, sequences: torch.Tensor) -> torch.Tensor:
        """Return the tokens that become pixels."""
        parts = zip(sequences.split(self.sequences.segments.lengths), self.patches.lengths, strict=True)
        return torch.cat([part[:length] for part, length in parts])


def _factors(modulation: torch.Tensor, layers: int) -> torch.Tensor:
    """Return scale, gate, scale, gate of each sequence and layer: sequences x layers x 4 x width."""
    scale, gate = modulation.view(len(modulation), layers, 2, 2, -1).unbind(3)
    return torch.stack((1 + scale, gate.tanh()), 3).flatten(2, 3)


def _normed(x: torch.Tensor, norm: Any) -> torch.Tensor:
    return rms_norm(x, x.shape[-1:], norm.weight, norm.eps)


def _patches(latents: torch.Tensor) -> torch.Tensor:
    """Return latents as patches of 2 x 2: tokens x (4 * channels)."""
    channels, height, width = latents.shape
    grid = latents.view(channels, height // 2, 2, width // 2, 2)
    return grid.permute(1, 3, 2, 4, 0).reshape(height * width // 4, 4 * channels)
