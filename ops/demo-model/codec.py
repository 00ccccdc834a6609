"""The pixel side's encoder, in closed form: the 16 principal components of 8x8 blocks, as weights of `AutoencoderKL`.

Learning an encoder takes hours that two cores do not have. Drawn pictures have little in a block of 8x8 pixels that
its first 16 principal components do not tell, and they are found by one decomposition. The autoencoder's own layers can
compute them exactly: its strided convolutions gather blocks, its residual branches start at zero, and the one layer
that would bend them (group norm and SiLU before the last convolution) is a straight line for pairs of opposite numbers
beside a large constant.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

CHANNELS = 16
BLOCK = 8

_HALF = 4
_INNER = 32
_LEVEL = 100.0
_LOG_VARIANCE = -8.0


@dataclass(frozen=True, slots=True)
class Basis:
    """What blocks are projected on: `mean` (192), `axes` (192, 16) and the `scale` (16) that latents are divided by.

    `inner` (48, 32) are the axes of 4x4 blocks, over which the encoder goes.
    """

    mean: NDArray[np.float32]
    axes: NDArray[np.float32]
    scale: NDArray[np.float32]
    inner: NDArray[np.float32]

    def save(self, file: Path) -> None:
        """Write what `open_basis` reads."""
        np.savez(file, mean=self.mean, axes=self.axes, scale=self.scale, inner=self.inner)

    def project(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return latents (count, 16, rows, columns) of bytes (count, height, width, 3)."""
        blocks = ((_blocks(pictures, BLOCK) - self.mean) @ self.axes / self.scale).astype(np.float32)
        count, height, width, _ = pictures.shape
        return blocks.reshape(count, height // BLOCK, width // BLOCK, CHANNELS).transpose(0, 3, 1, 2)

    def restore(self, latents: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return the pictures that the latents stand for, block by block: the decoder's yardstick."""
        count, _, rows, columns = latents.shape
        blocks = (latents.transpose(0, 2, 3, 1) * self.scale) @ self.axes.T + self.mean
        pixels = blocks.reshape(count, rows, columns, BLOCK, BLOCK, 3).transpose(0, 1, 3, 2, 4, 5)
        pixels = pixels.reshape(count, rows * BLOCK, columns * BLOCK, 3)
        return np.clip(pixels * 127.5 + 127.5, 0, 255).round().astype(np.uint8)


def open_basis(file: Path, pictures: NDArray[np.uint8]) -> Basis:
    """Return the basis from `file`, found from the pictures first if it is not there.

    A component is divided by the root of its deviation only: what is coarse stays louder than what is fine, so that
    noise hides the fine first and the painter learns from coarse to fine.
    """
    if not file.exists():
        mean, axes, deviation = _components(_blocks(pictures, BLOCK), CHANNELS)
        inner = _components(_blocks(pictures, _HALF), _INNER)[1]
        Basis(mean, axes, np.sqrt(deviation), inner).save(file)
    with np.load(file) as kept:
        return Basis(**{name: kept[name] for name in ("mean", "axes", "scale", "inner")})


def _blocks(pictures: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    count, height, width, _ = pictures.shape
    cut = pictures.reshape(count, height // side, side, width // side, side, 3).transpose(0, 1, 3, 2, 4, 5)
    return cut.reshape(-1, side * side * 3).astype(np.float32) / 127.5 - 1


def _components(blocks: NDArray[np.float32], count: int) -> tuple[NDArray[np.float32], ...]:
    mean = blocks.mean(axis=0)
    variances, axes = np.linalg.eigh(np.cov((blocks - mean).T))
    deviation = np.sqrt(variances[::-1][:count])
    return mean, axes[:, ::-1][:, :count].astype(np.float32), deviation.astype(np.float32)


@torch.no_grad()
def write_encoder(autoencoder: Any, basis: Basis) -> None:
    """Set the encoder's weights so that it computes the basis' projection."""
    encoder = autoencoder.encoder
    for block in (*(part for down in encoder.down_blocks for part in down.resnets), *encoder.mid_block.resnets):
        block.conv2.weight.zero_()
        block.conv2.bias.zero_()
        if block.conv_shortcut is not None:
            _straight(block.conv_shortcut)
    _straight(encoder.conv_in)
    _gather_pixels(encoder.down_blocks[0].downsamplers[0].conv)
    _gather_quarters(encoder.down_blocks[1].downsamplers[0].conv, basis)
    _gather_halves(encoder.down_blocks[2].downsamplers[0].conv, basis)
    _pair_up(encoder, basis)


@torch.no_grad()
def read_encoder(encoder: Any) -> Basis:
    """Return the basis that `write_encoder` wrote into an encoder.

    Of `mean` that part is found which the projection sees; what is left of it, no weight tells.
    """
    quarters, halves = (encoder.down_blocks[level].downsamplers[0].conv for level in (1, 2))
    inner = torch.zeros(_HALF, _HALF, 3, _INNER)
    for colour, y, x, down, across in np.ndindex(3, 2, 2, 2, 2):
        inner[down * 2 + y, across * 2 + x, colour] = quarters.weight[:_INNER, colour * 4 + y * 2 + x, down, across]
    axes = torch.zeros(2, _HALF, 2, _HALF, 3, CHANNELS)
    for down, across in np.ndindex(2, 2):
        part = inner.reshape(-1, _INNER) @ halves.weight[:CHANNELS, :_INNER, down, across].T
        axes[down, :, across] = part.reshape(_HALF, _HALF, 3, CHANNELS)
    scaled = axes.reshape(-1, CHANNELS)
    scale = 1 / scaled.norm(dim=0)
    mean = -(scaled * scale) @ (halves.bias[:CHANNELS] * scale)
    return Basis(*(part.numpy() for part in (mean, scaled * scale, scale, inner.reshape(-1, _INNER))))


def _straight(conv: Any) -> None:
    """Let a convolution hand on each channel as it is."""
    conv.weight.zero_()
    conv.bias.zero_()
    middle = conv.kernel_size[0] // 2
    for channel in range(min(conv.in_channels, conv.out_channels)):
        conv.weight[channel, channel, middle, middle] = 1


def _gather_pixels(conv: Any) -> None:
    """Let channel c * 4 + y * 2 + x hold colour c of the pixel (y, x) in each 2x2 block."""
    conv.weight.zero_()
    conv.bias.zero_()
    for colour, y, x in np.ndindex(3, 2, 2):
        conv.weight[colour * 4 + y * 2 + x, colour, y, x] = 1


def _gather_quarters(conv: Any, basis: Basis) -> None:
    """Project 4x4 blocks, given as 2x2 blocks of 12 channels, on their own axes."""
    conv.weight.zero_()
    conv.bias.zero_()
    axes = basis.inner.reshape(_HALF, _HALF, 3, _INNER)
    for colour, y, x, down, across in np.ndindex(3, 2, 2, 2, 2):
        axis = torch.from_numpy(axes[down * 2 + y, across * 2 + x, colour].copy())
        conv.weight[:_INNER, colour * 4 + y * 2 + x, down, across] = axis


def _gather_halves(conv: Any, basis: Basis) -> None:
    """Project 8x8 blocks, given as 2x2 blocks of `_INNER` channels, on the basis, with its negative and a constant."""
    conv.weight.zero_()
    conv.bias.zero_()
    axes = (basis.axes / basis.scale).reshape(2, _HALF, 2, _HALF, 3, CHANNELS)
    for down, across in np.ndindex(2, 2):
        part = axes[down, :, across].reshape(-1, CHANNELS)
        weight = torch.from_numpy((basis.inner.T @ part).T.copy())
        conv.weight[:CHANNELS, :_INNER, down, across] = weight
        conv.weight[CHANNELS : 2 * CHANNELS, :_INNER, down, across] = -weight
    offset = torch.from_numpy(basis.mean @ (basis.axes / basis.scale))
    conv.bias[:CHANNELS], conv.bias[CHANNELS : 2 * CHANNELS] = -offset, offset
    conv.bias[2 * CHANNELS] = _LEVEL


def _pair_up(encoder: Any, basis: Basis) -> None:
    """Put two latents, their negatives and the constant into each group, and take them apart behind the norm."""
    shortcut = encoder.down_blocks[3].resnets[0].conv_shortcut
    norm, last = encoder.conv_norm_out, encoder.conv_out
    shortcut.weight.zero_()
    last.weight.zero_()
    last.bias.zero_()
    last.bias[CHANNELS:] = _LOG_VARIANCE
    wide = norm.num_channels // norm.num_groups
    norm.weight.fill_(_LEVEL * (2 / wide) ** 0.5)
    norm.bias.zero_()
    for latent in range(len(basis.scale)):
        spot = (latent // 2) * wide + (latent % 2) * 2
        shortcut.weight[spot, latent, 0, 0] = 1
        shortcut.weight[spot + 1, CHANNELS + latent, 0, 0] = 1
        last.weight[latent, spot, 1, 1], last.weight[latent, spot + 1, 1, 1] = 1, -1
    for group in range(norm.num_groups):
        shortcut.weight[group * wide + 4, 2 * CHANNELS, 0, 0] = 1
        shortcut.weight[group * wide + 5, 2 * CHANNELS, 0, 0] = -1
