from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from consumer.engine.model import load_pipeline
from consumer.engine.painter import Painter
from consumer.engine.protocol import Paint, Painted, Step
from consumer.engine.tiny import build_tiny_model
from consumer.jobs import Lane, ModelIdentity, Recipe

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from consumer.engine.protocol import Reply

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


def painted(pipeline: Any, recipes: list[Recipe]) -> list[Reply]:
    said: list[Reply] = []
    painter = Painter(pipeline, 4, said.append)
    for number, recipe in enumerate(recipes):
        painter.take(Paint(number, recipe, Lane.LIVE))
    while painter.busy:
        painter.work()
    return said


def psnr(one: bytes, other: bytes) -> float:
    """Return the peak signal-to-noise ratio in dB."""
    difference = np.frombuffer(one, np.uint8).astype(float) - np.frombuffer(other, np.uint8)
    return float(10 * np.log10(255**2 / max(np.mean(difference**2), 1e-9)))


def test_a_gpu_paints_what_the_cpu_paints(tmp_path: Path) -> None:
    """In bf16 on CUDA, batched, each picture is the CPU's to 40 dB: the noise is the same on any device."""
    build_tiny_model(tmp_path)
    model = ModelIdentity("tiny-random", "0" * 64)
    recipes = [
        Recipe(prompt, "low quality", model, (), 128, 96, 4, 2.0, seed, "default", 1)
        for seed, prompt in enumerate(("a storm", "港口上空的暴风雨", "a quiet library at dawn"))
    ]
    on_gpu = load_pipeline(tmp_path, "cuda")
    assert on_gpu.transformer.dtype == torch.bfloat16
    said = painted(on_gpu, recipes)
    expected = [reply for reply in painted(load_pipeline(tmp_path, "cpu"), recipes) if isinstance(reply, Painted)]
    pictures = [reply for reply in said if isinstance(reply, Painted)]
    assert len(pictures) == len(expected) == 3
    assert sum(isinstance(reply, Step) for reply in said) == 12
    for picture, reference in zip(pictures, expected, strict=True):
        assert psnr(picture.rgb, reference.rgb) > 40
