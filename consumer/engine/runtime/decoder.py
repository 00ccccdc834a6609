"""Decoding of latents to pixels."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch

MAX_TILE = 64
MIN_TILE = 16
"""Latents per side of a tile, 8 pixels each in the full model. A multiple of 4, as tiles overlap by a quarter."""


class Decoded(NamedTuple):
    """Pictures on the device: 8-bit sRGB, pictures x rows x columns x 3, and whether latents and pixels are finite."""

    levels: torch.Tensor
    finite: torch.Tensor


DecodePass = Callable[[Any, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
"""Takes a decoder and stacked latents, returns what `Decoded` holds: `decode_pass`, or the same compiled."""


def decode_pass(vae: Any, latents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return levels of stacked latents (pictures x channels x rows x columns), and which pictures are finite."""
    scaled = latents.to(_dtype(vae)) / vae.config.scaling_factor + vae.config.shift_factor
    images = vae.decode(scaled, return_dict=False)[0].float()
    levels = (images / 2 + 0.5).clamp(0, 1).mul(255).round().to(torch.uint8)
    return levels.permute(0, 2, 3, 1).contiguous(), _finite(latents) & _finite(images)


def decode(
    vae: Any, latents: Sequence[torch.Tensor], *, tiled: bool = False, whole: DecodePass = decode_pass
) -> Decoded:
    """Decode pictures of one size without waiting for the device, `whole` or tiled.

    `tiled` decodes piece by piece and blends the seams, which takes much less memory.
    """
    stacked = torch.stack(list(latents))
    _set_tiling(vae, stacked.shape[-2:], tiled=tiled)
    return Decoded(*(decode_pass if tiled else whole)(vae, stacked))


def arrange(vae: Any) -> None:
    """Lay the decoder's weights out as convolutions on CUDA read them: channels last."""
    vae.to(memory_format=torch.channels_last)


def _finite(pictures: torch.Tensor) -> torch.Tensor:
    return torch.isfinite(pictures).flatten(1).all(1)


def _dtype(vae: Any) -> torch.dtype:
    """Return `vae.dtype` without its walk through every module."""
    dtype: torch.dtype = next(vae.decoder.parameters()).dtype
    return dtype


def _set_tiling(vae: Any, size: torch.Size, *, tiled: bool) -> None:
    """Set the decoder to tiles of about half the longer side, or to no tiles."""
    vae.use_tiling = tiled
    if tiled:
        vae.tile_latent_min_size = min(MAX_TILE, max(MIN_TILE, max(size) // 8 * 4))
        vae.tile_sample_min_size = vae.tile_latent_min_size * 2 ** (len(vae.config.block_out_channels) - 1)
