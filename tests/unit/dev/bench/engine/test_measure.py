from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from consumer.dev.bench.engine.bars import bar_rows
from consumer.dev.bench.engine.budget import Budget
from consumer.dev.bench.engine.measure import measure_engine
from consumer.dev.bench.engine.plan import TINY_SHAPES, EnginePlan, EngineSide, PictureShape, RandomModel
from consumer.dev.bench.engine.report import engine_report
from consumer.dev.bench.engine.result import EngineResult
from consumer.errors import Fatal
from consumer.settings import EngineSettings, ForwardKind

pytestmark = pytest.mark.slow

SMALL = PictureShape(64, 64, 2, 2.0)


def plan(folder: Path, **changed: Any) -> EnginePlan:
    settings = EngineSettings(model=folder, devices="cpu")
    return EnginePlan(**{"settings": settings, "shapes": (SMALL,), "batches": (2,), "rounds": 1, "mixed": 0, **changed})


def test_a_small_run_is_measured_and_reported(tiny_model: Path) -> None:
    """All sides are measured, and what was measured is in JSON, table and document alike."""
    heard: list[str] = []
    result = measure_engine(plan(tiny_model, mixed=2, random=RandomModel.TINY), {"processor": "a test's"}, heard.append)

    assert [contest.work.pictures for contest in result.contests] == [2, 4]
    assert result.contests[0].sides == (EngineSide.ONE_BY_ONE, EngineSide.AS_BATCH, EngineSide.DENOISER)
    assert result.mixed
    assert result.mixed.sides == (EngineSide.ONE_BY_ONE, EngineSide.DENOISER)
    for contest in result.contests:
        for side in contest.sides:
            assert contest.seconds(side) > 0
            assert contest.speed(side) > 0
            assert contest.peak_bytes(side) > 10_000_000
    figures = json.loads(json.dumps(result.as_json()))
    assert figures["mixed"]["contestants"]["denoiser"]["times_stock"] == result.mixed.ratio(EngineSide.DENOISER)
    report = engine_report(result)
    written = report.document("leadart bench engine")
    assert all(cell in written for row in report.rows for cell in row)
    assert all(part in written for note in report.notes[len(bar_rows(result)) :] for part in note.split(": ", 1))
    assert "No GPU was available" in written
    assert report.verdict in written
    assert len(report.rows) == 5
    assert len(heard) == 7


def test_a_small_folder_is_measured_with_small_pictures(tiny_model: Path) -> None:
    """Without shapes and without a word of `--random`, the model's size decides, also on mixed requests."""
    result = measure_engine(
        plan(tiny_model, shapes=(), batches=(1,), mixed=2), {}, lambda _said: None, budget=Budget(0)
    )
    assert [part for part in result.left_out if "512x512x12" in part] == [f"{TINY_SHAPES[-1]}, batch 1"]
    assert not any("1024" in part for part in result.left_out)


def test_a_shape_that_the_model_cannot_paint_is_refused(tiny_model: Path) -> None:
    """Sides that the model has no tokens for end the run with the option's name, before anything is painted."""
    with pytest.raises(Fatal, match=r"--shapes 72x64x2x2\.0: This model paints sides that are multiples of 16"):
        measure_engine(plan(tiny_model, shapes=(PictureShape(72, 64, 2, 2.0),)), {}, lambda _said: None)


def test_without_a_model_the_options_are_named() -> None:
    """Neither folder nor random model: the sentence says what to give."""
    with pytest.raises(Fatal, match="--model FOLDER, or --random"):
        measure_engine(EnginePlan(EngineSettings(devices="cpu")), {}, lambda _said: None)


def test_the_forward_of_diffusers_is_not_compiled(tiny_model: Path) -> None:
    """The options that exclude each other are named."""
    settings = EngineSettings(model=tiny_model, devices="cpu", forward=ForwardKind.STOCK)
    with pytest.raises(Fatal, match="--compile needs LEADART_ENGINE__FORWARD=packed"):
        measure_engine(plan(tiny_model, settings=settings, compiled=True), {}, lambda _said: None)


def test_a_budget_that_is_used_up_leaves_the_device_and_the_names(tiny_model: Path) -> None:
    """The head of the page is published before the first picture, and each part is named with the reason."""
    published: list[EngineResult] = []
    result = measure_engine(plan(tiny_model), {}, lambda _said: None, published.append, Budget(-1))
    assert published[0].device.kernels == "plain"
    assert result.contests == ()
    assert all(why.endswith("needed, 0 s left") for part, why in result.left_out.items() if part != "GPU busy")
    assert f"{SMALL}, batch 2" in result.left_out
