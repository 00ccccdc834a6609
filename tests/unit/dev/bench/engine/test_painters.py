"""Everyone who paints in a benchmark paints the same pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from consumer.dev.bench.engine import painters
from consumer.dev.bench.engine.corpus import mixed_requests, pictures, requests_of
from consumer.dev.bench.engine.measure import measure_engine
from consumer.dev.bench.engine.painters import by_denoiser, compiled, one_by_one
from consumer.dev.bench.engine.plan import EnginePlan, EngineSide, PictureShape, RandomModel
from consumer.dev.bench.engine.report import engine_report
from consumer.engine.protocol import Failed
from consumer.engine.runtime.model import Model
from consumer.errors import Fatal
from consumer.settings import EngineSettings, ForwardKind
from schemas import Reason

pytestmark = pytest.mark.slow

SMALL = PictureShape(64, 64, 2, 2.0)


def plan(folder: Path, **changed: Any) -> EnginePlan:
    settings = EngineSettings(model=folder, devices="cpu")
    return EnginePlan(**{"settings": settings, "shapes": (SMALL,), "batches": (2,), "rounds": 1, "mixed": 0, **changed})


def test_a_small_run_is_measured_and_reported(tiny_model: Path) -> None:
    """All sides are measured, and what was measured is in JSON, table and document alike."""
    heard: list[str] = []
    result = measure_engine(plan(tiny_model, mixed=2, random=RandomModel.TINY), {"processor": "a test's"}, heard.append)

    assert [contest.work.pictures for contest in result.contests] == [2]
    assert result.contests[0].sides == (EngineSide.ONE_BY_ONE, EngineSide.AS_BATCH, EngineSide.DENOISER)
    assert result.mixed
    assert result.mixed.sides == (EngineSide.ONE_BY_ONE, EngineSide.DENOISER)
    for contest in (*result.contests, result.mixed):
        for side in contest.sides:
            assert contest.seconds(side) > 0
            assert contest.speed(side) > 0
            assert contest.peak_bytes(side) > 10_000_000
    figures = json.loads(json.dumps(result.as_json()))
    assert figures["mixed"]["contestants"]["denoiser"]["times_stock"] == result.mixed.ratio(EngineSide.DENOISER)
    report = engine_report(result)
    written = report.document("leadart bench engine")
    assert all(cell in written for row in report.rows for cell in row)
    assert all(part in written for note in report.notes for part in note.split(": ", 1))
    assert "No GPU was available" in written
    assert report.verdict in written
    assert len(report.rows) == 5
    assert len(heard) == 3


def test_a_shape_that_the_model_cannot_paint_is_refused(tiny_model: Path) -> None:
    """Sides that the model has no tokens for end the run with the option's name, before anything is painted."""
    with pytest.raises(Fatal, match=r"--shapes 72x64x2x2\.0: This model paints sides that are multiples of 16"):
        measure_engine(plan(tiny_model, shapes=(PictureShape(72, 64, 2, 2.0),)), {}, lambda _said: None)


def test_without_a_model_the_options_are_named() -> None:
    """Neither folder nor random model: the sentence says what to give."""
    with pytest.raises(Fatal, match="--model FOLDER, or --random"):
        measure_engine(EnginePlan(EngineSettings(devices="cpu")), {}, lambda _said: None)


def test_the_loop_paints_variants_in_one_call(tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stock pipeline is called once for a request, with a seed for each of its variants."""
    calls: list[Any] = []
    monkeypatch.setattr(painters, "_call", lambda *arguments: calls.append(arguments))
    requests = mixed_requests(16, full_size=False)
    one_by_one(tiny.pipeline)(requests)
    assert [each for *_, each in calls] == [len(request.variants) for request in requests]


def test_a_picture_that_fails_ends_the_benchmark(tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """The denoiser is not called fast for pictures that it did not paint."""

    def fail(self: Any) -> None:
        (number,) = self._samples
        self._finish(self._samples[number], Failed(number, Reason.NOT_FINITE, "no numbers", transient=False))

    monkeypatch.setattr("consumer.engine.runtime.denoiser.Denoiser._step", fail)
    with pytest.raises(Fatal, match=r"did not paint .*: no numbers"):
        by_denoiser(tiny, EngineSettings())(requests_of(SMALL, 1))


def test_the_compiled_model_shares_every_weight(tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second copy would not fit beside the first; and the first one stays as it is."""
    monkeypatch.setattr(painters, "compile_kernels", lambda kernels, _device: kernels)
    twin = compiled(tiny)
    assert twin.forward is not tiny.forward
    assert twin.transformer is tiny.transformer
    with torch.no_grad():
        latents, moment, embedding = torch.ones(16, 8, 8), torch.zeros(1), torch.ones(9, 64)
        one, other = (
            forward.flows([latents], moment, [forward.condition(embedding, 4, 4)])[0]
            for forward in (twin.forward, tiny.forward)
        )
    assert torch.equal(one, other)


def test_the_forward_of_diffusers_is_not_compiled(tiny_model: Path) -> None:
    """The options that exclude each other are named."""
    settings = EngineSettings(model=tiny_model, devices="cpu", compile=True, forward=ForwardKind.STOCK)
    with pytest.raises(Fatal, match="--compile needs LEADART_ENGINE__FORWARD=packed"):
        measure_engine(plan(tiny_model, settings=settings), {}, lambda _said: None)


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
