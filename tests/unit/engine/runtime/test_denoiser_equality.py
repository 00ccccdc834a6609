"""Every picture equals the one that the stock pipeline paints alone, whatever its batches and interruptions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from consumer.engine.protocol import Paint
from consumer.engine.runtime.memory import Memory
from consumer.engine.runtime.model import Model, load_pipeline
from consumer.engine.runtime.prompts import PromptEncoder
from consumer.jobs import Lane
from consumer.settings import EngineSettings
from tests.support.denoising import CORPUS, DenoiserSession, keeping_latents, psnr, spread_over_lanes, stock

pytestmark = pytest.mark.slow

CLOSE = 1e-4
"""Most that fp32 latents may differ; they are of the order of 1."""
ALIKE_DB = 40.0
"""Least PSNR of a bf16 picture with the stock pipeline's in bf16."""


@pytest.fixture(scope="module")
def expected(tiny: Model) -> list[torch.Tensor]:
    """The stock pipeline's latents of the corpus."""
    return [stock(tiny, recipe) for recipe in CORPUS]


def assert_equal(latents: dict[int, torch.Tensor], expected: list[torch.Tensor]) -> None:
    assert sorted(latents) == list(range(len(expected)))
    apart = {number: float((latents[number] - reference).abs().max()) for number, reference in enumerate(expected)}
    assert max(apart.values()) < CLOSE, apart


def test_the_corpus_is_diverse(tiny: Model, expected: list[torch.Tensor]) -> None:
    """The corpus includes a prompt that is cut, and its latents are all different."""
    assert {recipe.guidance_scale for recipe in CORPUS} >= {0, 2, 5}
    session = DenoiserSession(tiny)
    session.take(*CORPUS[-2:])
    assert [sample.prompt.cut for sample in session.denoiser._samples.values()] == [False, True]
    assert len({latents.numpy().tobytes() for latents in expected}) == len({recipe.digest for recipe in CORPUS})


@pytest.mark.parametrize(
    "settings",
    [EngineSettings(), EngineSettings(batch_size=1), EngineSettings(batch_size=64), EngineSettings(batch_tokens=200)],
    ids=["usual", "one by one", "all together", "few tokens"],
)
def test_latents_in_mixed_batches(
    tiny: Model, expected: list[torch.Tensor], settings: EngineSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All at once, spread over the lanes, in steps of any size: fp32 latents are the stock pipeline's to 1e-4."""
    session = DenoiserSession(tiny, settings)
    for number, recipe, lane in spread_over_lanes(CORPUS):
        session.denoiser.take(Paint(number, recipe, lane))
    with keeping_latents(monkeypatch) as latents:
        session.finish()
    assert_equal(session.numbered(latents), expected)


def test_latents_of_prompts_encoded_together(
    tiny: Model, expected: list[torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a GPU, all prompts that begin together share a call of the text encoder: the latents are the same."""
    forward, calls = tiny.pipeline.text_encoder.forward, list[int]()

    def counting(input_ids: torch.Tensor, **options: Any) -> Any:
        calls.append(len(input_ids))
        return forward(input_ids=input_ids, **options)

    monkeypatch.setattr(tiny.pipeline.text_encoder, "forward", counting)
    session = DenoiserSession(tiny, EngineSettings(batch_size=64))
    session.denoiser._encoder = PromptEncoder(tiny.pipeline, 2**20, together=True)
    session.take(*CORPUS)
    with keeping_latents(monkeypatch) as latents:
        session.finish()
    assert len(calls) == 2
    assert_equal(session.numbered(latents), expected)


@pytest.mark.parametrize("tokens", [1, 200, 100_000], ids=["one sequence a call", "few", "one call"])
def test_latents_however_a_step_is_split(
    tiny: Model, expected: list[torch.Tensor], tokens: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In however many calls memory makes a step fit, guidance in one or two, the latents are the same."""
    monkeypatch.setattr(Memory, "max_tokens", tokens)
    session = DenoiserSession(tiny)
    session.take(*CORPUS)
    with keeping_latents(monkeypatch) as latents:
        session.finish()
    assert_equal(session.numbered(latents), expected)


def test_latents_after_preemption(tiny: Model, expected: list[torch.Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    """Parked at any step for a more urgent picture and resumed, the latents are the same."""
    session = DenoiserSession(tiny, EngineSettings(batch_size=2))
    session.take(*CORPUS, lane=Lane.BACKFILL)
    with keeping_latents(monkeypatch) as latents:
        for at in range(1, 20):
            session.work(1)
            session.take(CORPUS[at % len(CORPUS)], lane=Lane.INTERACTIVE, first=1000 + at)
        session.finish()
    assert len(session.batches) > len(CORPUS)
    painted = session.numbered(latents)
    assert_equal({number: held for number, held in painted.items() if number < 1000}, expected)


def test_pictures_equal_to_a_level(tiny: Model) -> None:
    """In fp32 the pictures differ by at most one level of 255."""
    pictures = DenoiserSession(tiny)
    pictures.take(*CORPUS)
    pictures.finish()
    for number, recipe in enumerate(CORPUS):
        reference = stock(tiny, recipe, "pil").astype(int)
        assert np.abs(pictures.pictures[number].astype(int) - reference).max() <= 1


def test_pictures_in_half_precision(tiny_model: Path) -> None:
    """In bf16 batching shows a little: each picture is the stock pipeline's bf16 picture to 40 dB."""
    cpu = torch.device("cpu")
    half = Model(load_pipeline(tiny_model, cpu).to(torch.bfloat16), cpu, EngineSettings())
    session = DenoiserSession(half)
    session.take(*CORPUS)
    session.finish()
    worst = min(psnr(session.pictures[n], stock(half, recipe, "pil")) for n, recipe in enumerate(CORPUS))
    assert worst > ALIKE_DB
