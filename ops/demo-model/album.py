"""Scenes drawn once and kept on disk: one album for each picture size."""

from __future__ import annotations

import json
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from itertools import chain
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from scenes import Scene, draw, random_scene

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

_CHUNK = 64


@dataclass(frozen=True, slots=True)
class Album:
    """Pictures as bytes (count, height, width, 3), and the scene of each."""

    pictures: NDArray[np.uint8]
    scenes: list[Scene]


def open_album(folder: Path, width: int, height: int, count: int, seed: int) -> Album:
    """Return the album of that size, drawn first if it is not there: `count` scenes of the training world."""
    name = folder / f"{width}x{height}-{count}-{seed}"
    if not name.with_suffix(".json").exists():
        _draw_album(name, width, height, count, seed)
    scenes = [Scene(**entry) for entry in json.loads(name.with_suffix(".json").read_text())]
    return Album(np.load(name.with_suffix(".npy"), mmap_mode="r"), scenes)


def _draw_album(name: Path, width: int, height: int, count: int, seed: int) -> None:
    rng = Random(f"{seed} {width}x{height}")
    scenes = [random_scene(rng) for _ in range(count)]
    name.parent.mkdir(parents=True, exist_ok=True)
    pictures = np.lib.format.open_memmap(
        name.with_suffix(".npy"), mode="w+", dtype=np.uint8, shape=(count, height, width, 3)
    )
    chunks = [(scenes[start : start + _CHUNK], width, height) for start in range(0, count, _CHUNK)]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        drawn: Iterator[NDArray[np.uint8]] = chain.from_iterable(pool.map(_draw_chunk, chunks))
        for index, picture in enumerate(drawn):
            pictures[index] = picture
    pictures.flush()
    name.with_suffix(".json").write_text(json.dumps([asdict(scene) for scene in scenes]))


def _draw_chunk(chunk: tuple[list[Scene], int, int]) -> list[NDArray[np.uint8]]:
    scenes, width, height = chunk
    return [np.asarray(draw(scene, width, height)) for scene in scenes]
