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
from transformers import Qwen2Tokenizer

from album import Album, open_album
from autoencoder import build_autoencoder, psnr, to_tensor, train_decoder
from codec import Basis, open_basis
from literacy import teach_to_read
from model import assemble, save
from painter import Shelf, open_painter, train_painter
from speed import speed_up
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
    Size(128, 128, ((4000, 1), (4000, 3), (4000, 4)), 40, 0.96, 0.10),
    Size(256, 256, ((1200, 2), (2400, 9), (2400, 10), (2400, 12)), 12, 0.04, 0.50),
    Size(192, 128, ((800, 5),), 32, 0.02, 0.02),
    Size(256, 144, ((600, 6),), 24, 0.01, 0.02),
    Size(320, 192, ((400, 7),), 14, 0.01, 0.02),
    Size(512, 512, ((160, 8), (1440, 11), (1440, 13)), 4, 0.0, 0.34),
)
"""What the painter learns on; the autoencoder learns on crops of the first albums of the first two."""


def main() -> None:
    """Run the stages that are not done yet."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    asked.add_argument("--work", type=Path, required=True, help="folder for albums, checkpoints, logs, sample sheets")
    asked.add_argument("--decoder-minutes", type=float, default=15)
    asked.add_argument("--painter-minutes", type=float, default=300)
    asked.add_argument("--stage", choices=("decoder", "painter", "both", "none"), default="both")
    asked.add_argument("--out", type=Path, help="where the finished pipeline goes; default: pipeline in --work")
    options = asked.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)))
    torch.manual_seed(time.time_ns() % 2**32)  # a run that goes on shall not see the same noise again
    options.work.mkdir(parents=True, exist_ok=True)
    basis = open_basis(options.work / "basis.npz", _album(options.work, SIZES[0], 0).pictures[:600])
    if options.stage in {"decoder", "both"}:
        _train_decoder(options, basis)
    if options.stage in {"painter", "both"}:
        _train_painter(options, basis)
    if (options.work / "decoder.pt").exists() and (options.work / "painter.pt").exists():
        finish(options.work, options.out or options.work / "pipeline", basis)


def finish(work: Path, out: Path, basis: Basis) -> None:
    """Write the pipeline out of the averaged weights of both stages as they are now."""
    torch.manual_seed(0)  # of the encoder's weights some are not used: let them be the same in every export
    tokenizer = _tokenizer(work / "tokenizer")
    autoencoder = build_autoencoder(basis)
    painter = open_painter(tokenizer, work / "painter.pt", 1)
    painter.average.swap()
    kept = torch.load(work / "decoder.pt", weights_only=True)
    for weight, shadow in zip(autoencoder.decoder.parameters(), kept["shadow"], strict=True):
        weight.data.copy_(shadow)
    save(assemble(painter.transformer.eval(), painter.encoder.eval(), tokenizer, autoencoder.eval()), out)


def _train_decoder(options: argparse.Namespace, basis: Basis) -> None:
    small, big = (_album(options.work, size, 0) for size in SIZES[:2])
    trained = train_decoder([small, small, big], basis, options.work, options.decoder_minutes, _say)
    for album in (small, big):
        _say(f"decoder: {psnr(trained, to_tensor(album.pictures[-32:])):.2f} dB at {album.pictures.shape[1]} pixels")


def _train_painter(options: argparse.Namespace, basis: Basis) -> None:
    shelves = [_shelf(size, basis, options.work) for size in SIZES]
    painter = open_painter(_tokenizer(options.work / "tokenizer"), options.work / "painter.pt", options.painter_minutes)
    if not painter.step:
        teach_to_read(painter.encoder, painter.tokenizer, options.work / "encoder.pt", _say)
        painter.average.reset()
    speed_up(painter.transformer)
    _say(f"the painter begins at step {painter.step}")
    train_painter(painter, shelves, basis, options.work, _say)


def _say(text: str) -> None:
    print(time.strftime("%H:%M:%S"), text, flush=True)


def _album(work: Path, size: Size, index: int) -> Album:
    count, seed = size.albums[index]
    return open_album(work / "albums", size.width, size.height, count, seed)


def _tokenizer(folder: Path) -> Any:
    if not folder.exists():
        build_tokenizer().save_pretrained(folder)
    return Qwen2Tokenizer.from_pretrained(folder)


def _shelf(size: Size, basis: Basis, work: Path) -> Shelf:
    albums = [_album(work, size, index) for index in range(len(size.albums))]
    latents = [
        basis.project(album.pictures[start : start + 64]).astype(np.float16)
        for album in albums
        for start in range(0, len(album.pictures), 64)
    ]
    scenes = [scene for album in albums for scene in album.scenes]
    return Shelf(np.concatenate(latents), scenes, size.batch, size.first, size.last)


if __name__ == "__main__":
    main()
