"""The judge: a small network that reads a picture's attributes, trained on drawn scenes and on nothing else."""

from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from autoencoder import to_tensor
from averaging import rate
from optim import Muon
from scenes import CHOICES, Scene, draw, random_scene

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from album import Album

JUDGED = ("subject", "colour", "ground", "weather", "time", "style", "size", "place")
"""The attributes that the judge reads."""

SIDE = 64
"""Pixels a side of what it reads; larger pictures are made smaller first."""

_BATCH = 48
_EPOCHS = 16
_MUON_RATE, _ADAM_RATE = 4e-3, 3e-3


class Reader(nn.Module):
    """Convolutions down to 4x4, then one answer for each attribute."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 24, 48, 96, 160)
        self.stages = nn.Sequential(*(_Stage(below, above) for below, above in pairwise(widths)))
        self.answers = nn.ModuleDict({name: nn.Linear(widths[-1] * 2, len(CHOICES[name])) for name in JUDGED})

    def forward(self, pictures: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the scores of every attribute's values."""
        found = self.stages(pictures)
        features = torch.cat([found.mean(dim=(2, 3)), found.amax(dim=(2, 3))], dim=1)
        spread = functional.dropout(features, 0.2, self.training)
        return {name: answer(spread) for name, answer in self.answers.items()}


class _Stage(nn.Module):
    """Half the size, then a residual block; columns and rows are told to the first so that places can be read."""

    def __init__(self, below: int, above: int) -> None:
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(below + 2, above, 3, 2, 1, bias=False), nn.BatchNorm2d(above), nn.ReLU())
        self.inner = nn.Sequential(
            nn.Conv2d(above, above, 3, 1, 1, bias=False),
            nn.BatchNorm2d(above),
            nn.ReLU(),
            nn.Conv2d(above, above, 3, 1, 1, bias=False),
            nn.BatchNorm2d(above),
        )

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        count, _, height, width = picture.shape
        across = torch.linspace(-1, 1, width).expand(count, 1, height, width)
        down = torch.linspace(-1, 1, height)[:, None].expand(count, 1, height, width)
        found: torch.Tensor = self.down(torch.cat([picture, across, down], dim=1))
        return functional.relu(found + self.inner(found))


def train_reader(albums: Sequence[Album], file: Path, say: Callable[[str], None]) -> Reader:
    """Return the reader, from `file` if it is there; a training that was stopped goes on behind its last epoch."""
    reader = Reader()
    if file.exists():
        reader.load_state_dict(torch.load(file, weights_only=True))
        return reader.eval()
    training = _Training(reader, albums, file.with_suffix(".part"))
    while training.epoch < _EPOCHS:
        loss = training.run_epoch()
        say(f"reader epoch {training.epoch} of {_EPOCHS} loss {loss:.3f}")
    torch.save(reader.state_dict(), file)
    return reader.eval()


class _Training:
    """All that a training needs to go on, written into `part` after every epoch."""

    def __init__(self, reader: Reader, albums: Sequence[Album], part: Path) -> None:
        self.reader = reader
        self.pictures = np.stack([_small(Image.fromarray(picture)) for album in albums for picture in album.pictures])
        self.truths = _truths([scene for album in albums for scene in album.scenes])
        kernels = [weight for weight in reader.stages.parameters() if weight.ndim == 4]
        rest = [weight for weight in reader.parameters() if weight.ndim != 4]
        self.optimizers = (Muon(kernels, _MUON_RATE), torch.optim.AdamW(rest, _ADAM_RATE, weight_decay=0.02))
        self.part = part
        self.epoch = 0
        if part.exists():
            kept = torch.load(part, weights_only=True)
            reader.load_state_dict(kept["reader"])
            for optimizer, state in zip(self.optimizers, kept["optimizers"], strict=True):
                optimizer.load_state_dict(state)
            self.epoch = kept["epoch"]

    def run_epoch(self) -> float:
        """Learn from every picture once, and return the mean loss."""
        draw_from = np.random.default_rng(self.epoch)
        order = draw_from.permutation(len(self.pictures))
        batches = np.array_split(order, max(1, len(order) // _BATCH))
        losses = [self._learn(picks, index / len(batches), draw_from) for index, picks in enumerate(batches)]
        self.epoch += 1
        states = [optimizer.state_dict() for optimizer in self.optimizers]
        torch.save({"reader": self.reader.state_dict(), "optimizers": states, "epoch": self.epoch}, self.part)
        return float(np.mean(losses))

    def _learn(self, picks: NDArray[np.int64], done: float, draw_from: np.random.Generator) -> float:
        for optimizer, usual in zip(self.optimizers, (_MUON_RATE, _ADAM_RATE), strict=True):
            for group in optimizer.param_groups:
                group["lr"] = usual * rate((self.epoch + done) / _EPOCHS, warm=0.05, floor=0.0)
            optimizer.zero_grad(set_to_none=True)
        truths = {name: self.truths[name][picks] for name in JUDGED}
        pictures = to_tensor(self.pictures[picks])
        if draw_from.random() < 0.5:
            pictures, truths = _mirrored(pictures, truths)
        scores = self.reader(_disturbed(pictures, draw_from))
        loss = sum((functional.cross_entropy(scores[name], truths[name]) for name in JUDGED), torch.zeros(()))
        loss.backward()  # type: ignore[no-untyped-call]
        for optimizer in self.optimizers:
            optimizer.step()
        return float(loss.detach())


def _mirrored(pictures: torch.Tensor, truths: dict[str, torch.Tensor]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Exchange left and right, in the pictures and in what is true of them."""
    return pictures.flip(3), truths | {"place": len(CHOICES["place"]) - 1 - truths["place"]}


def held_out_accuracy(reader: Reader, count: int) -> dict[str, float]:
    """Return how often the reader is right on drawn scenes of combinations that it has never seen."""
    rng = Random(99)
    scenes = [random_scene(rng, held_out=True) for _ in range(count)]
    return accuracy(read(reader, [draw(scene, 128, 128) for scene in scenes]), scenes)


@torch.no_grad()
def read(reader: Reader, pictures: Sequence[Image.Image]) -> list[dict[str, str]]:
    """Return the attributes that the reader sees in each picture."""
    found: list[dict[str, str]] = []
    for start in range(0, len(pictures), 64):
        part = [_small(picture) for picture in pictures[start : start + 64]]
        best = {name: scores.argmax(dim=1).tolist() for name, scores in reader(to_tensor(np.stack(part))).items()}
        found += [{name: CHOICES[name][best[name][index]] for name in JUDGED} for index in range(len(part))]
    return found


def accuracy(seen: Sequence[dict[str, str]], scenes: Sequence[Scene]) -> dict[str, float]:
    """Return the share of the pictures that show what their scene says, for each attribute."""
    return {
        name: sum(one[name] == getattr(scene, name) for one, scene in zip(seen, scenes, strict=True)) / len(scenes)
        for name in JUDGED
    }


def _small(picture: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def _truths(scenes: Sequence[Scene]) -> dict[str, torch.Tensor]:
    return {name: torch.tensor([CHOICES[name].index(getattr(scene, name)) for scene in scenes]) for name in JUDGED}


def _disturbed(pictures: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Return the pictures a little softer, noisier or shifted, so that what is read is not a pixel's accident."""
    across, down = (int(value) for value in rng.integers(-4, 5, 2))
    moved = torch.roll(pictures, (down, across), (2, 3))
    if rng.random() < 0.5:
        moved = functional.avg_pool2d(moved, 3, 1, 1, count_include_pad=False)
    if rng.random() < 0.25:
        moved = functional.interpolate(functional.avg_pool2d(moved, 2), scale_factor=2, mode="bilinear")
    return moved + torch.randn_like(moved) * float(rng.uniform(0, 0.1))
