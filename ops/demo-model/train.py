"""Train the demo model from nothing: `python ops/demo-model/train.py --work FOLDER`.

Every stage goes on where an earlier run of the same folder was stopped; what is finished is not done again.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from transformers import Qwen2Tokenizer

from album import Album, open_album
from autoencoder import build_autoencoder, measure_latents, psnr, to_tensor, train_autoencoder
from model import assemble, save
from painter import Shelf, open_painter, train_painter
from tokens import build_tokenizer


@dataclass(frozen=True, slots=True)
class Size:
    """One picture size: its albums as (count, seed), the batch, and its share of the steps at the start and the end."""

    width: int
    height: int
    albums: tuple[tuple[int, int], ...]
    batch: int
    first: float
    last: float


SIZES = (
    Size(128, 128, ((4000, 1), (4000, 3)), 48, 0.96, 0.4),
    Size(256, 256, ((1200, 2),), 16, 0.04, 0.45),
    Size(192, 128, ((400, 5),), 32, 0.02, 0.06),
    Size(256, 144, ((300, 6),), 24, 0.01, 0.06),
    Size(320, 192, ((200, 7),), 14, 0.01, 0.06),
    Size(512, 512, ((96, 8),), 4, 0.0, 0.08),
)
"""What the painter learns on; the autoencoder learns on crops of the first albums of the first two."""


def main() -> None:
    """Run the stages that are not done yet."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    asked.add_argument("--work", type=Path, required=True, help="folder for albums, checkpoints, logs, sample sheets")
    asked.add_argument("--autoencoder-minutes", type=float, default=17)
    asked.add_argument("--painter-minutes", type=float, default=70)
    asked.add_argument("--out", type=Path, help="where the finished pipeline goes; default: pipeline in --work")
    options = asked.parse_args()
    torch.set_num_threads(os.cpu_count() or 1)
    torch.manual_seed(time.time_ns() % 2**32)  # a run that goes on shall not see the same noise again
    options.work.mkdir(parents=True, exist_ok=True)
    autoencoder = _autoencoder(options.work, options.autoencoder_minutes)
    shelves = [_shelf(size, autoencoder, options.work) for size in SIZES]
    tokenizer = _tokenizer(options.work / "tokenizer")
    painter = open_painter(tokenizer, options.work / "painter.pt", options.painter_minutes)
    _say("the painter begins")
    train_painter(painter, shelves, autoencoder, options.work, _say)
    pipeline = assemble(painter.transformer.eval(), painter.encoder.eval(), tokenizer, autoencoder)
    save(pipeline, options.out or options.work / "pipeline")


def _say(text: str) -> None:
    print(time.strftime("%H:%M:%S"), text, flush=True)


def _album(work: Path, size: Size, index: int) -> Album:
    count, seed = size.albums[index]
    return open_album(work / "albums", size.width, size.height, count, seed)


def _autoencoder(work: Path, minutes: float) -> Any:
    folder = work / "vae"
    if not folder.exists():
        small, big = _album(work, SIZES[0], 0), _album(work, SIZES[1], 0)
        trained = train_autoencoder([small, small, big], work, minutes, _say)
        sample = to_tensor(small.pictures[:256].copy())
        shift, scale = measure_latents(trained, sample)
        _say(f"autoencoder: {psnr(trained, sample):.2f} dB, latents shifted by {shift:.4f}, scaled by {scale:.4f}")
        finished = build_autoencoder(shift, scale)
        finished.load_state_dict(trained.state_dict())
        finished.save_pretrained(folder)
    return AutoencoderKL.from_pretrained(folder).eval()


def _tokenizer(folder: Path) -> Any:
    if not folder.exists():
        build_tokenizer().save_pretrained(folder)
    return Qwen2Tokenizer.from_pretrained(folder)


def _shelf(size: Size, autoencoder: Any, work: Path) -> Shelf:
    """Return a size's latents, computed once."""
    parts, scenes = [], []
    for index, (count, seed) in enumerate(size.albums):
        file = work / "latents" / f"{size.width}x{size.height}-{count}-{seed}.npy"
        album = _album(work, size, index)
        if not file.exists():
            file.parent.mkdir(exist_ok=True)
            np.save(file, _latents(album, autoencoder))
            _say(f"latents of {count} pictures of {size.width}x{size.height}")
        parts.append(np.load(file))
        scenes += album.scenes
    return Shelf(np.concatenate(parts), scenes, size.batch, size.first, size.last)


@torch.no_grad()
def _latents(album: Album, autoencoder: Any) -> np.ndarray[Any, np.dtype[np.float16]]:
    shift, scale = autoencoder.config.shift_factor, autoencoder.config.scaling_factor
    found = [
        ((autoencoder.encode(to_tensor(album.pictures[start : start + 8].copy())).latent_dist.mode() - shift) * scale)
        for start in range(0, len(album.pictures), 8)
    ]
    return torch.cat(found).half().numpy()


if __name__ == "__main__":
    main()
