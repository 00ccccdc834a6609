"""Measure whether the demo model paints what the prompt says: `python ops/demo-model/evaluate.py --work FOLDER`.

Prompts tell every attribute of scenes whose combination of subject, colour and ground was kept from training; leadart's
own engine paints them, many in a batch; a judge that was trained on drawn scenes alone reads the pictures. The table
goes into README.md, the figures beside it. Pieces that are painted already are not painted again.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, TypeVar

import torch

from album import open_album
from captions import LANGUAGES, complete_prompt
from consumer.engine.weights import identify_model
from consumer.processing.styles import load_styles
from consumer.processing.wording import terms
from consumer.settings import EngineSettings
from easel import Order, paint
from figures import into_readme, table
from reader import Reader, accuracy, held_out_accuracy, read, train_reader
from scenes import Scene, random_scene
from schemas import defaults
from sheets import sheet
from train import SIZES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

_HERE = Path(__file__).parent
_NEGATIVE_LENGTH = 2000
_BATCH = 16
_JUDGED_ALBUMS = 2
_Item = TypeVar("_Item")


def main() -> None:
    """Train the judge if it is not there, paint, read, and write figures, table and a sheet of pictures."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    asked.add_argument("--work", type=Path, required=True, help="folder of train.py; judge and pieces go there too")
    asked.add_argument("--model", type=Path, default=_HERE / "model")
    asked.add_argument("--size", type=int, default=128)
    asked.add_argument("--count", type=int, default=500)
    asked.add_argument("--others", type=int, default=200, help="pictures without guidance, and with prompts swapped")
    asked.add_argument("--out", type=Path, default=_HERE, help="folder of the figures and of the README with the table")
    options = asked.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)))
    albums = [
        open_album(options.work / "albums", size.width, size.height, count, seed)
        for size in SIZES[:2]
        for count, seed in size.albums[:_JUDGED_ALBUMS]
    ]
    reader = train_reader(albums, options.work / "reader.pt", _say)
    rows = {"judge on held-out scenes": held_out_accuracy(reader, 1000)}
    _say(json.dumps(rows))
    if options.model.exists():
        rows |= _adherence(reader, options)
        name = f"adherence-{options.size}"
        (options.out / f"{name}.json").write_text(json.dumps(rows, indent=1) + "\n")
        into_readme(options.out / "README.md", name, table(rows))
        print(table(rows))


def _adherence(reader: Reader, options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Return what share of the pictures shows what was asked for, by attribute, for each way of asking."""
    scenes, languages, orders = questions(options.count, (options.size, options.size), 2026)
    few = options.others
    pictures = _painted(options, "guided", orders)
    sheet(pictures[:40], 8).save(options.work / f"adherence-{options.size}.png")
    seen = read(reader, pictures)
    rows = {"guidance 2": accuracy(seen, scenes)}
    for language in LANGUAGES:
        mine = [index for index, other in enumerate(languages) if other == language]
        rows[f"guidance 2, {language}"] = accuracy([seen[i] for i in mine], [scenes[i] for i in mine])
    rows[f"guidance 2, the first {few}"] = accuracy(seen[:few], scenes[:few])
    plain = [replace(order, guidance=0.0) for order in orders[:few]]
    rows[f"guidance 0, the first {few}"] = accuracy(read(reader, _painted(options, "plain", plain)), scenes[:few])
    swapped = [
        replace(order, prompt=other.prompt) for order, other in zip(orders[:few], _swapped(orders[:few]), strict=True)
    ]
    other = read(reader, _painted(options, "swapped", swapped))
    rows["prompts swapped in the batch, read against their own"] = accuracy(other, scenes[:few])
    rows["prompts swapped in the batch, read against the other's"] = accuracy(other, _swapped(scenes[:few]))
    return rows


def _painted(options: argparse.Namespace, name: str, orders: Sequence[Order]) -> list[Image.Image]:
    settings = EngineSettings(model=options.model, threads=torch.get_num_threads(), batch_size=_BATCH)
    weights = identify_model(settings).sha256[:12]
    folder = options.work / "adherence" / f"{weights}-{options.size}-{len(orders)}-{name}"
    began, new = time.monotonic(), not folder.exists()
    pictures = paint(settings, orders, folder, _say)
    if new:
        _say(f"{(time.monotonic() - began) / len(orders):.2f} seconds a picture")
    return pictures


def questions(count: int, size: tuple[int, int], seed: int) -> tuple[list[Scene], list[str], list[Order]]:
    """Return scenes, the language that each is asked for in, and the orders as leadart would give them.

    `size` is width and height in pixels; another `seed` gives other scenes.
    """
    rng, styles = Random(seed), load_styles()
    scenes = [random_scene(rng, held_out=True) for _ in range(count)]
    languages = [LANGUAGES[index % len(LANGUAGES)] for index in range(count)]
    prompts = [complete_prompt(scene, rng, language) for scene, language in zip(scenes, languages, strict=True)]
    negatives = [
        terms([defaults.NEGATIVE_PROMPT, styles.get(scene.style).negative], _NEGATIVE_LENGTH) for scene in scenes
    ]
    return (
        scenes,
        languages,
        [
            Order(prompt, negative, defaults.GUIDANCE_SCALE, *size, noise)
            for noise, (prompt, negative) in enumerate(zip(prompts, negatives, strict=True))
        ],
    )


def _swapped(items: Sequence[_Item]) -> list[_Item]:
    """Return the items with each pair of neighbours exchanged."""
    found = list(items)
    for index in range(0, len(found) - 1, 2):
        found[index], found[index + 1] = found[index + 1], found[index]
    return found


def _say(text: str) -> None:
    print(time.strftime("%H:%M:%S"), text, flush=True)


if __name__ == "__main__":
    main()
