"""Stage 1: the pixel side of the model, an `AutoencoderKL` of factor 8 with 16 latent channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch.nn import functional

from averaging import Average, Clock, rate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from album import Album

_CROP = 64
_BATCH = 8


def build_autoencoder(shift: float = 0.0, scale: float = 1.0) -> Any:
    """Return an untrained autoencoder; `shift` and `scale` bring its latents to mean 0 and deviation 1."""
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(16, 48, 96, 128),
        layers_per_block=1,
        latent_channels=16,
        norm_num_groups=8,
        sample_size=256,
        scaling_factor=scale,
        shift_factor=shift,
        mid_block_add_attention=False,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )


def train_autoencoder(albums: list[Album], folder: Path, minutes: float, say: Callable[[str], None]) -> Any:
    """Train for that long, going on where an earlier run stopped; return the model with averaged weights."""
    model = build_autoencoder()
    average = Average(model.parameters(), 0.998)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1.4e-3, betas=(0.9, 0.98), weight_decay=1e-4)
    clock, step, state_file = Clock(minutes), 0, folder / "autoencoder.pt"
    if state_file.exists():
        state = torch.load(state_file, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        average.shadow, average.count, step = state["shadow"], state["step"], state["step"]
        clock.minutes = state["minutes"]
    draw = np.random.default_rng(step + 1)
    share = clock.tick()
    while share < 1:
        for group in optimizer.param_groups:
            group["lr"] = 1.4e-3 * rate(share, hold=0.4)
        loss = _loss(model, _crops(albums, draw))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        average.update()
        step += 1
        share = clock.tick()
        if step % 100 == 0 or share >= 1:
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "shadow": average.shadow}
            torch.save({**state, "step": step, "minutes": clock.minutes}, state_file)
            say(f"autoencoder step {step} minute {clock.minutes:.1f} loss {loss.item():.4f}")
    average.swap()
    return model.eval()


def _crops(albums: list[Album], draw: np.random.Generator) -> torch.Tensor:
    """Return a batch of crops, half of them mirrored, as (batch, 3, height, width) in -1..1."""
    crops = []
    for _ in range(_BATCH):
        pictures = albums[draw.integers(len(albums))].pictures
        picture = pictures[draw.integers(len(pictures))]
        top, left = (draw.integers(side - _CROP + 1) for side in picture.shape[:2])
        crop = picture[top : top + _CROP, left : left + _CROP]
        crops.append(crop[:, ::-1] if draw.random() < 0.5 else crop)
    return to_tensor(np.stack(crops))


def to_tensor(pictures: Any) -> torch.Tensor:
    """Return bytes (count, height, width, 3) as numbers from -1 to 1 (count, 3, height, width)."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float().div(127.5).sub(1).contiguous()


def _loss(model: Any, real: torch.Tensor) -> torch.Tensor:
    """Return the error of pixels and of their differences to neighbours, and the pull of the latents to a Gaussian."""
    posterior = model.encode(real).latent_dist
    made = model.decode(posterior.sample()).sample
    pixels = functional.l1_loss(made, real)
    edges = functional.l1_loss(made.diff(dim=2), real.diff(dim=2)) + functional.l1_loss(
        made.diff(dim=3), real.diff(dim=3)
    )
    pull: torch.Tensor = posterior.kl().mean() / posterior.mean[0].numel()
    return pixels + 0.5 * edges + 1e-3 * pull


@torch.no_grad()
def psnr(model: Any, pictures: torch.Tensor) -> float:
    """Return the fidelity of pictures that went through the autoencoder, in decibels."""
    made = model.decode(model.encode(pictures).latent_dist.mode()).sample.clamp(-1, 1)
    return float(10 * torch.log10(4 / functional.mse_loss(made, pictures)))


@torch.no_grad()
def measure_latents(model: Any, pictures: torch.Tensor) -> tuple[float, float]:
    """Return the shift and the scale that the model's config shall have."""
    latents = model.encode(pictures).latent_dist.mode()
    return float(latents.mean()), float(1 / latents.std())
