"""Compiled arithmetic: everything is compiled before the worker is ready."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch
from torch._dynamo.testing import CompileCounter

from consumer.engine.runtime import compiling
from consumer.engine.runtime.model import Model, load_pipeline
from consumer.engine.runtime.warmup import warm_up
from consumer.settings import EngineSettings
from tests.support.denoising import DenoiserSession
from tests.support.samples import recipe_of

pytestmark = pytest.mark.slow

PROMPTS = ["a", "a quiet library", "a quiet library at dawn " * 2, "storm " * 12, "harbour " * 30]
"""Prompts of a few and of many tokens, on both sides of the model's multiples of 32."""


def test_nothing_is_compiled_after_the_warm_up(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alone and in pairs, with guidance and without, of any size and prompt, no picture waits for a compiler."""
    counter = CompileCounter()
    monkeypatch.setattr(compiling, "_BACKEND", counter)  # it counts graphs and needs no compiler
    monkeypatch.setattr(compiling, "require_compiler", lambda *_arguments: None)
    torch._dynamo.reset()
    cpu, settings = torch.device("cpu"), EngineSettings(compile=True)
    model = Model(load_pipeline(tiny_model, cpu), cpu, settings)
    warm_up(model, settings, tiny_model)
    warmed = counter.frame_count
    assert warmed
    session = DenoiserSession(model)
    for at, (prompt, scale) in enumerate(itertools.product(PROMPTS, (0.0, 2.0))):
        alone = recipe_of(prompt=prompt, guidance_scale=scale, width=64 + 16 * at, seed=at, steps=1)
        session.take(alone, first=3 * at)
        session.finish()
        session.take(alone, recipe_of(height=128, guidance_scale=2.0 - scale, seed=at), first=3 * at + 1)
        session.finish()
    assert not session.failures
    assert counter.frame_count == warmed
