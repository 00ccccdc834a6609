"""From latents to pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

MAX_TILE = 64
MIN_TILE = 16
"""Latents of a tile's side, 8 pixels each in the full model; tiles overlap by a quarter, so it is a multiple of 4."""


class NotFinite(ArithmeticError):
    """The latents, or what was decoded from them, hold values that are no numbers."""


def decode(vae: Any, latents: Sequence[torch.Tensor], *, tiled: bool = False) -> list[NDArray[np.uint8]]:
    """Return pictures of one size as 8-bit sRGB, each rows x columns x 3; waits for the device.

    `tiled` decodes piece by piece: much less memory, seams blended. Raises `NotFinite`, also when only one of them is
    not; latents that are no numbers never reach the decoder.
    """
    stacked = torch.stack(list(latents))
    _require_finite(stacked)
    scaled = stacked.to(_dtype(vae)) / vae.config.scaling_factor + vae.config.shift_factor
    _tile(vae, stacked.shape[-2:], tiled=tiled)
    images = vae.decode(scaled, return_dict=False)[0].float()
    _require_finite(images)
    levels: torch.Tensor = (images / 2 + 0.5).clamp(0, 1).mul(255).round().to(torch.uint8)
    return list(levels.permute(0, 2, 3, 1).cpu().numpy())


def _dtype(vae: Any) -> torch.dtype:
    """Return what `vae.dtype` says, without its walk through every module."""
    dtype: torch.dtype = next(vae.decoder.parameters()).dtype
    return dtype


def _tile(vae: Any, size: torch.Size, *, tiled: bool) -> None:
    """Have the decoder cut pictures into tiles of about half their longer side, or not at all."""
    vae.use_tiling = tiled
    if tiled:
        vae.tile_latent_min_size = min(MAX_TILE, max(MIN_TILE, max(size) // 8 * 4))
        vae.tile_sample_min_size = vae.tile_latent_min_size * 2 ** (len(vae.config.block_out_channels) - 1)


def _require_finite(values: torch.Tensor) -> None:
    if not torch.isfinite(values).all():
        raise NotFinite
