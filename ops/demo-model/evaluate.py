"""Measure whether the demo model paints what the prompt says: `python ops/demo-model/evaluate.py --work FOLDER`.

Prompts tell every attribute of scenes whose combination of subject, colour and ground was kept from training; a judge
that was trained on drawn scenes alone reads the pictures.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import torch
from diffusers import ZImagePipeline

from album import open_album
from captions import LANGUAGES, complete_prompt
from consumer.styles import load_styles
from consumer.wording import terms
from reader import JUDGED, accuracy, held_out_accuracy, read, train_reader
from scenes import random_scene
from schemas import defaults
from sheets import sheet
from train import SIZES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

    from scenes import Scene

_BATCH = 20


def main() -> None:
    """Train the judge if it is not there, paint, read, and write figures and a sheet of pictures."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    asked.add_argument("--work", type=Path, required=True, help="folder of train.py; judge and figures go there too")
    asked.add_argument("--model", type=Path, default=Path(__file__).with_name("model"))
    asked.add_argument("--size", type=int, default=128)
    asked.add_argument("--count", type=int, default=500)
    asked.add_argument("--without-guidance", type=int, default=200, help="pictures painted with guidance 0")
    options = asked.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)))
    albums = [
        open_album(options.work / "albums", size.width, size.height, count, seed)
        for size in SIZES[:2]
        for count, seed in size.albums
    ]
    reader = train_reader(albums, options.work / "reader.pt", _say)
    figures: dict[str, Any] = {"judge on held-out scenes": held_out_accuracy(reader, 1000)}
    _say(json.dumps(figures))
    if options.model.exists():
        figures |= _painted(options.model, reader, options)
        name = f"adherence-{options.size}"
        (options.work / f"{name}.json").write_text(json.dumps(figures, indent=1) + "\n")
        (options.work / f"{name}.md").write_text(_table(figures))
        print(_table(figures))


def _painted(model: Path, reader: Any, options: argparse.Namespace) -> dict[str, Any]:
    rng = Random(2026)
    scenes = [random_scene(rng, held_out=True) for _ in range(options.count)]
    languages = [LANGUAGES[index % 2] for index in range(len(scenes))]
    prompts = [complete_prompt(scene, rng, language) for scene, language in zip(scenes, languages, strict=True)]
    pipeline = ZImagePipeline.from_pretrained(model, torch_dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    start = time.monotonic()
    pictures = _paint(pipeline, scenes, prompts, options.size, defaults.GUIDANCE_SCALE)
    seconds = time.monotonic() - start
    sheet(pictures[:40], 8).save(options.work / f"adherence-{options.size}.png")
    seen = read(reader, pictures)
    figures: dict[str, Any] = {"guidance 2": accuracy(seen, scenes), "seconds a picture": seconds / len(scenes)}
    for language in LANGUAGES:
        mine = [index for index, other in enumerate(languages) if other == language]
        figures[f"guidance 2, {language}"] = accuracy([seen[i] for i in mine], [scenes[i] for i in mine])
    figures["guidance 2, prompts swapped"] = accuracy(seen, [*scenes[1:], scenes[0]])
    count = options.without_guidance
    if count:
        plain = _paint(pipeline, scenes[:count], prompts[:count], options.size, 0.0)
        figures["guidance 0"] = accuracy(read(reader, plain), scenes[:count])
    return figures


def _paint(
    pipeline: Any, scenes: Sequence[Scene], prompts: Sequence[str], size: int, guidance: float
) -> list[Image.Image]:
    """Paint as leadart would: the style's negative prompt behind the engine's own, its usual number of steps."""
    styles = load_styles()
    pictures: list[Image.Image] = []
    for start in range(0, len(scenes), _BATCH):
        part = range(start, min(start + _BATCH, len(scenes)))
        negatives = [terms([defaults.NEGATIVE_PROMPT, styles.get(scenes[i].style).negative], 2000) for i in part]
        pictures += pipeline(
            prompt=[prompts[i] for i in part],
            negative_prompt=negatives,
            height=size,
            width=size,
            num_inference_steps=defaults.STEPS,
            guidance_scale=guidance,
            generator=[torch.Generator().manual_seed(i) for i in part],
        ).images
        _say(f"painted {len(pictures)} of {len(scenes)} with guidance {guidance:g}")
    return pictures


def _table(figures: dict[str, Any]) -> str:
    lines = [f"| | {' | '.join(JUDGED)} |", f"| --- {'| ---: ' * len(JUDGED)}|"]
    for name, values in figures.items():
        if isinstance(values, dict):
            lines.append(f"| {name} | {' | '.join(f'{values[key]:.3f}' for key in JUDGED)} |")
    return "\n".join(lines) + "\n"


def _say(text: str) -> None:
    print(time.strftime("%H:%M:%S"), text, flush=True)


if __name__ == "__main__":
    main()
