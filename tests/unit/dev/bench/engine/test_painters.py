"""Everyone who paints in a benchmark paints the same pictures."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from consumer.dev.bench.engine import painters
from consumer.dev.bench.engine.corpus import BenchRequest, mixed_requests, pictures, requests_of
from consumer.dev.bench.engine.full import build_full_model
from consumer.dev.bench.engine.painters import (
    as_batch,
    at_its_best,
    by_denoiser,
    compiled,
    compiled_pipeline,
    decibels,
    one_by_one,
)
from consumer.dev.bench.engine.plan import PictureShape
from consumer.engine.protocol import Failed
from consumer.engine.runtime.model import Model
from consumer.errors import Fatal
from consumer.settings import EngineSettings
from schemas import Reason

pytestmark = pytest.mark.slow

SMALL = PictureShape(64, 64, 2, 2.0)


def test_the_loop_paints_variants_in_one_call(tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stock pipeline is called once for a request, with a seed for each of its variants."""
    calls: list[int] = []

    def call(_pipeline: Any, _prompt: str, _request: BenchRequest, each: int) -> list[int]:
        calls.append(each)
        return list(range(each))

    monkeypatch.setattr(painters, "call_pipeline", call)
    requests = mixed_requests(16, full_size=False)
    assert len(one_by_one(tiny.pipeline)(requests)) == len(pictures(requests))
    assert calls == [len(request.variants) for request in requests]


def test_a_picture_that_fails_ends_the_benchmark(tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """The denoiser is not called fast for pictures that it did not paint."""

    def fail(self: Any, _waiting: object) -> None:
        (number,) = self._samples
        self._finish(self._samples[number], Failed(number, Reason.NOT_FINITE, "no numbers", transient=False))

    monkeypatch.setattr("consumer.engine.runtime.denoiser.Denoiser._step", fail)
    with pytest.raises(Fatal, match=r"did not paint .*: no numbers"):
        by_denoiser(tiny, EngineSettings())(requests_of(SMALL, 1))


def test_the_compiled_model_shares_every_weight(tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second copy would not fit beside the first; and the first one stays as it is."""
    monkeypatch.setattr(painters, "compile_kernels", lambda kernels: kernels)
    monkeypatch.setattr(painters, "require_compiler", lambda *_arguments: None)
    twin = compiled(tiny)
    assert twin.decode_pass is not tiny.decode_pass
    assert twin.forward is not tiny.forward
    assert twin.transformer is tiny.transformer
    with torch.no_grad():
        latents, moment, embedding = torch.ones(16, 8, 8), torch.zeros(1), torch.ones(9, 64)
        one, other = (
            forward.flows([latents], moment, [forward.condition(embedding, 4, 4)])[0]
            for forward in (twin.forward, tiny.forward)
        )
    assert torch.equal(one, other)


def test_the_compiled_pipeline_shares_every_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    """At full size as well, where a second transformer would take 12 GB; the first one is not compiled."""
    compiled_blocks: list[int] = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda block: compiled_blocks.append(id(block)))
    pipeline = build_full_model(torch.device("meta"))
    twin = compiled_pipeline(pipeline, torch.device("cpu"))
    assert twin.transformer is not pipeline.transformer
    assert {*map(id, twin.transformer.parameters())} == {*map(id, pipeline.transformer.parameters())}
    assert twin.text_encoder is pipeline.text_encoder
    assert not {id(block) for block in pipeline.transformer.modules()} & {*compiled_blocks}
    assert len(compiled_blocks) == 34


def test_everyone_paints_the_same_pictures(tiny: Model) -> None:
    """To 60 dB in fp32: one by one, as a batch, whichever suits, and the denoiser's; others are told apart."""
    requests = requests_of(SMALL, 2)
    sides = (one_by_one(tiny.pipeline), as_batch(tiny.pipeline), at_its_best(tiny.pipeline))
    stock, *others = (side(requests) for side in (*sides, by_denoiser(tiny, EngineSettings())))
    assert all(decibels(stock, other) > 60 for other in others)
    assert decibels(stock, stock) == pytest.approx(138, abs=1)
    assert decibels(stock, stock[::-1]) < 40


def test_the_mixture_is_always_the_same_and_mixed() -> None:
    """The same requests come in every run, of all kinds, and no two pictures are the same."""
    requests = mixed_requests(64, full_size=False)
    assert requests == mixed_requests(64, full_size=False)
    wanted = pictures(requests)
    assert len({(recipe.width, recipe.height) for recipe in wanted}) == 8
    assert {recipe.guidance_scale > 0 for recipe in wanted} == {True, False}
    assert {len(request.variants) for request in requests} == {1, 2, 3}
    assert len({recipe.digest for recipe in wanted}) == len(wanted)
    assert all(recipe.width * recipe.height >= 480 * 512 for recipe in pictures(mixed_requests(64, full_size=True)))
