"""Measure whether the point that the engine finds lies on the subject: `python ops/demo-model/focal.py --write`.

Prompts tell where the subject stands, in scenes whose combination of subject, colour and ground was kept from training;
leadart's own engine paints them. The found point and the picture's centre are compared with the box that the subject
fills where the scene would be drawn. `--write` puts the table into docs/benchmarks/focal-point.md.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from consumer.dev.bench.machine import machine
from consumer.dev.bench.reporting import markdown_table, where
from consumer.settings import EngineSettings
from easel import found_points
from evaluate import questions
from figures import into_readme
from scenes import subject_box

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

_HERE = Path(__file__).parent
_PAGE = _HERE.parents[1] / "docs" / "benchmarks" / "focal-point.md"
_SHAPES = ((256, 256, "16:9"), (256, 144, "1:1"))
"""Width and height of the pictures in pixels, and what is cut out of them."""
_SEED = 7
_BATCH = 16
_SLACK = 0.02
"""How far scenes themselves move a subject from its usual place, as a share of the shorter side."""
_HEAD = (
    "Pictures",
    "Point",
    "Distance, mean",
    "median",
    "90 % below",
    "Point on the subject",
    "Crop",
    "Crops with all of the subject",
    "Share of it, mean",
)


def main() -> None:
    """Paint pictures of both shapes, compare the points, and print or write the table."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    asked.add_argument("--model", type=Path, default=_HERE / "model")
    asked.add_argument("--count", type=int, default=100, help="pictures of each shape")
    asked.add_argument("--write", action="store_true", help="put the table into docs/benchmarks/focal-point.md")
    options = asked.parse_args()
    settings = EngineSettings(model=options.model, batch_size=_BATCH)
    rows = [row for shape in _SHAPES for row in _rows(settings, options.count, shape)]
    table = markdown_table(_HEAD, rows)
    print(table)
    if options.write:
        into_readme(_PAGE, "focal-point", f"{table}\n\n{where(machine())}\n")


def _rows(settings: EngineSettings, count: int, shape: tuple[int, int, str]) -> Iterator[tuple[str, ...]]:
    """Return the table's rows for pictures of one shape: the centre, and what the engine found."""
    width, height, ratio = shape
    scenes, _, orders = questions(count, (width, height), _SEED)
    boxes = np.array([subject_box(scene, width, height) for scene in scenes], float)
    found = found_points(settings, orders, lambda text: print(time.strftime("%H:%M:%S"), text, flush=True))
    for name, points in (("centre", [None] * count), ("found", found)):
        distances, inside = misses(points, boxes, (width, height))
        whole, share = cut(points, boxes, (width, height), cropped(width, height, ratio))
        summary = (distances.mean(), np.median(distances), np.quantile(distances, 0.9))
        yield (
            f"{count} of {width}x{height}",
            name,
            *(f"{distance:.3f}" for distance in summary),
            *(f"{inside.mean():.0%}", ratio, f"{whole:.0%}", f"{share:.0%}"),
        )


def cropped(width: int, height: int, ratio: str) -> tuple[int, int]:
    """Return width and height of the largest crop of that ratio, in pixels."""
    across, down = (int(part) for part in ratio.split(":"))
    return min(width, height * across // down), min(height, width * down // across)


def misses(
    points: Sequence[tuple[float, float] | None], boxes: NDArray[np.float64], size: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return each point's distance from the middle of its box, in shorter sides, and whether it lies in the box.

    Where there is no point the picture's centre counts.
    """
    at = _pixels(points, size)
    distances = np.linalg.norm(at - (boxes[:, :2] + boxes[:, 2:]) / 2, axis=1) / min(size)
    within = (at >= boxes[:, :2]) & (at <= boxes[:, 2:])
    return distances, within[:, 0] & within[:, 1]


def cut(
    points: Sequence[tuple[float, float] | None],
    boxes: NDArray[np.float64],
    size: tuple[int, int],
    crop: tuple[int, int],
) -> tuple[float, float]:
    """Return how often a crop round the point has the whole box, of boxes that it can have, and the mean share it has.

    The crop is centred on the point and moved into the picture.
    """
    start = np.clip(_pixels(points, size) - np.array(crop) / 2, 0, np.array(size) - crop)
    shown = np.minimum(start + crop, boxes[:, 2:]) - np.maximum(start, boxes[:, :2])
    sides = boxes[:, 2:] - boxes[:, :2]
    slack = _SLACK * min(size)
    fits = np.max(sides - crop, axis=1) <= slack
    whole = np.max(sides - shown, axis=1) <= slack
    return float(np.mean(whole[fits])), float(np.mean(shown.clip(0).prod(axis=1) / sides.prod(axis=1)))


def _pixels(points: Sequence[tuple[float, float] | None], size: tuple[int, int]) -> NDArray[np.float64]:
    return np.array([point or (0.5, 0.5) for point in points]) * size


if __name__ == "__main__":
    main()
