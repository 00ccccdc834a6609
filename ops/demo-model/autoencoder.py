"""Stage 1: the pixel side of the model, an `AutoencoderKL` of factor 8: its encoder is given, its decoder learns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import nn
from torch.nn import functional

from averaging import Average, Clock, rate
from codec import BLOCK, write_encoder
from optim import Muon

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from album import Album
    from codec import Basis

_CROP = 64
_BATCH = 8
_NOISE = 0.2
_MUON_RATE, _ADAM_RATE = 4e-3, 2e-3


def build_autoencoder(basis: Basis) -> Any:
    """Return an autoencoder with its encoder given by the basis; its decoder hands on what it gets, and no more."""
    model = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(16, 32, 64, 96),
        layers_per_block=1,
        latent_channels=16,
        norm_num_groups=8,
        sample_size=256,
        scaling_factor=1.0,
        shift_factor=0.0,
        mid_block_add_attention=False,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )
    write_encoder(model, basis)
    with torch.no_grad():
        _start_straight(model.decoder)
    return model


def _start_straight(decoder: Any) -> None:
    """Let residual branches start at zero and the way beside them as a plain hand-over, so that learning is quick."""
    nn.init.orthogonal_(decoder.conv_in.weight.view(decoder.conv_in.out_channels, -1))
    for block in (*decoder.mid_block.resnets, *(part for up in decoder.up_blocks for part in up.resnets)):
        nn.init.zeros_(block.conv2.weight)
        nn.init.zeros_(block.conv2.bias)
        if block.conv_shortcut is not None:
            nn.init.orthogonal_(block.conv_shortcut.weight)
    for up in decoder.up_blocks:
        for sampler in up.upsamplers or ():
            nn.init.dirac_(sampler.conv.weight)
            sampler.conv.weight.add_(torch.randn_like(sampler.conv.weight) * 0.02)


def train_decoder(
    albums: Sequence[Album], basis: Basis, folder: Path, minutes: float, say: Callable[[str], None]
) -> Any:
    """Train for that long, going on where an earlier run stopped; return the autoencoder with averaged weights."""
    model = build_autoencoder(basis)
    decoder, state_file = model.decoder, folder / "decoder.pt"
    average = Average(decoder.parameters(), 0.998)
    kernels = [weight for weight in decoder.parameters() if weight.ndim == 4 and min(weight.shape[:2]) > 3]
    rest = [weight for weight in decoder.parameters() if weight.ndim != 4 or min(weight.shape[:2]) <= 3]
    optimizers = (Muon(kernels, _MUON_RATE), torch.optim.AdamW(rest, _ADAM_RATE, betas=(0.9, 0.98), weight_decay=1e-4))
    clock, step = Clock(minutes), 0
    if state_file.exists():
        state = torch.load(state_file, weights_only=True)
        decoder.load_state_dict(state["decoder"])
        if state["optimizers"]:
            for optimizer, kept in zip(optimizers, state["optimizers"], strict=True):
                optimizer.load_state_dict(kept)
        average.shadow, average.count, step = state["shadow"], state["step"], state["step"]
        clock.minutes = state["minutes"]
    draw = np.random.default_rng(step + 1)
    share = clock.tick()
    while share < 1:
        loss = _step(decoder, optimizers, *_crops(albums, basis, draw), rate(share, hold=0.4))
        average.update()
        step += 1
        share = clock.tick()
        if step % 100 == 0 or share >= 1:
            kept = [optimizer.state_dict() for optimizer in optimizers]
            state = {"decoder": decoder.state_dict(), "optimizers": kept, "shadow": average.shadow}
            torch.save({**state, "step": step, "minutes": clock.minutes}, state_file)
            say(f"decoder step {step} minute {clock.minutes:.1f} loss {loss:.4f}")
    average.swap()
    return model.eval()


def _step(
    decoder: Any,
    optimizers: Sequence[torch.optim.Optimizer],
    latents: torch.Tensor,
    real: torch.Tensor,
    factor: float,
) -> float:
    for optimizer, usual in zip(optimizers, (_MUON_RATE, _ADAM_RATE), strict=True):
        for group in optimizer.param_groups:
            group["lr"] = usual * factor
        optimizer.zero_grad(set_to_none=True)
    made = decoder(latents)
    pixels = functional.l1_loss(made, real)
    down, across = (functional.l1_loss(made.diff(dim=dim), real.diff(dim=dim)) for dim in (2, 3))
    loss = pixels + 0.5 * (down + across)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(decoder.parameters(), 1.0)
    for optimizer in optimizers:
        optimizer.step()
    return float(loss.detach())


def _crops(albums: Sequence[Album], basis: Basis, draw: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Return latents, a little noisy as the painter's are, and crops, half of them mirrored."""
    crops = []
    for _ in range(_BATCH):
        pictures = albums[int(draw.integers(len(albums)))].pictures
        picture = pictures[draw.integers(len(pictures))]
        top, left = (int(draw.integers((side - _CROP) // BLOCK + 1)) * BLOCK for side in picture.shape[:2])
        crop = picture[top : top + _CROP, left : left + _CROP]
        crops.append(crop[:, ::-1] if draw.random() < 0.5 else crop)
    real = np.stack(crops)
    latents = torch.from_numpy(basis.project(real).copy())
    return latents + torch.randn_like(latents) * float(draw.uniform(0, _NOISE)), to_tensor(real)


def to_tensor(pictures: Any) -> torch.Tensor:
    """Return bytes (count, height, width, 3) as numbers from -1 to 1 (count, 3, height, width)."""
    return torch.tensor(pictures).permute(0, 3, 1, 2).float().div(127.5).sub(1).contiguous()


@torch.no_grad()
def psnr(model: Any, pictures: torch.Tensor) -> float:
    """Return the fidelity of pictures that went through the autoencoder, in decibels."""
    made = model.decode(model.encode(pictures).latent_dist.mode()).sample.clamp(-1, 1)
    return float(10 * torch.log10(4 / functional.mse_loss(made, pictures)))
