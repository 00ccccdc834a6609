"""Decoding of latents to pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

MAX_TILE = 64
MIN_TILE = 16
"""Latents per side of a tile, 8 pixels each in the full model. A multiple of 4, as tiles overlap by a quarter."""


class NotFinite(ArithmeticError):
    """The latents or the decoded pixels hold NaN or infinity."""


def decode(vae: Any, latents: Sequence[torch.Tensor], *, tiled: bool = False) -> list[NDArray[np.uint8]]:
    """Return pictures of one size as 8-bit sRGB, each rows x columns x 3; waits for the device.

    `tiled` decodes piece by piece and blends the seams, which takes much less memory. Raises `NotFinite` if any of the
    pictures is not finite, before the decoder runs if its latents are not.
    """
    stacked = torch.stack(list(latents))
    _require_finite(stacked)
    scaled = stacked.to(_dtype(vae)) / vae.config.scaling_factor + vae.config.shift_factor
    _set_tiling(vae, stacked.shape[-2:], tiled=tiled)
    images = vae.decode(scaled, return_dict=False)[0].float()
    _require_finite(images)
    levels: torch.Tensor = (images / 2 + 0.5).clamp(0, 1).mul(255).round().to(torch.uint8)
    return list(levels.permute(0, 2, 3, 1).contiguous().cpu().numpy())


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


def _require_finite(values: torch.Tensor) -> None:
    if not torch.isfinite(values).all():
        raise NotFinite
