"""What is concluded from a run's figures."""

from __future__ import annotations

import pytest

from consumer.dev.bench.engine.plan import EngineSide, PictureShape, order
from consumer.dev.bench.engine.report import ENGINE_BARS, engine_report, judge_bars
from consumer.dev.bench.engine.result import BenchDevice, EngineResult, EngineTurn, Workload, WorkloadResult


def contest(seconds: dict[EngineSide, list[float]], name: str = "512x512x12x2.0", batch: int = 1) -> WorkloadResult:
    turns = [
        EngineTurn(side, number, time, 2**30) for side, times in seconds.items() for number, time in enumerate(times)
    ]
    return WorkloadResult(Workload(name, batch, batch, 10**12 * batch), tuple(turns))


def result(*contests: WorkloadResult, device: BenchDevice | None = None) -> EngineResult:
    gpu = BenchDevice("cuda", "bfloat16", 1, 1e13, full_size=True)
    return EngineResult({}, device or gpu, 1, 200, contests, None)


def test_medians_decide() -> None:
    """One slow turn on either side changes no ratio, and speed is of the operations needed at least."""
    measured = contest({EngineSide.ONE_BY_ONE: [3.0, 2.0, 9.0], EngineSide.DENOISER: [1.0, 7.0, 1.0]})
    assert measured.ratio(EngineSide.DENOISER) == pytest.approx(3.0)
    assert measured.speed(EngineSide.DENOISER) == pytest.approx(1e12)
    assert result(measured).share(measured, EngineSide.DENOISER) == pytest.approx(0.1)


def test_the_bars_of_the_full_model_on_a_gpu() -> None:
    """Each bar that was measured is met or missed; the better of two batches counts."""
    measured = result(
        contest({EngineSide.ONE_BY_ONE: [1.0], EngineSide.DENOISER: [0.7], EngineSide.COMPILED: [0.61]}),
        contest({EngineSide.ONE_BY_ONE: [4.0], EngineSide.DENOISER: [4 * 0.6]}, batch=4),
        contest({EngineSide.ONE_BY_ONE: [8.0], EngineSide.DENOISER: [8 * 0.5]}, batch=8),
    )
    assert [said.partition(":")[0] for _, said in judge_bars(measured)] == ["met", "missed", "met"]
    assert "No GPU" not in engine_report(measured).document("leadart bench engine")


@pytest.mark.parametrize(
    "device",
    [BenchDevice("cpu", "float32", 1, 1e9, full_size=True), BenchDevice("cuda", "bfloat16", 1, 1e13, full_size=False)],
)
def test_no_bar_is_judged_elsewhere(device: BenchDevice) -> None:
    """A CPU or a tiny model meets no bar and misses none."""
    assert judge_bars(result(contest({EngineSide.DENOISER: [0.1]}), device=device)) == []


def test_bars_are_named_with_their_figures() -> None:
    """The words of the bars carry their figures."""
    assert [bar.words for bar in ENGINE_BARS] == [
        "512x512x12x2.0, batch 1, denoiser: at most 0.8 s",
        "512x512x12x2.0, batch 1, denoiser, compiled: at most 0.6 s",
        "512x512x12x2.0, batch 4 or 8, denoiser: at least 1.9 pictures/s",
        "1024x1024x8x0.0, batch 1, denoiser: at most 0.8 s",
    ]


def test_everyone_begins_in_turn() -> None:
    """With three sides each begins one of three rounds."""
    three = (EngineSide.ONE_BY_ONE, EngineSide.AS_BATCH, EngineSide.DENOISER)
    assert [order(three, turn)[0] for turn in range(4)] == [*three, three[0]]


@pytest.mark.parametrize("text", ["512x512x12x2.0", "1024x512x8x0.0"])
def test_a_shape_is_read_as_it_is_written(text: str) -> None:
    """What a shape is called is what parses to it."""
    assert str(PictureShape.parse(text)) == text


@pytest.mark.parametrize("text", ["", "512x512", "512x512x0x2", "axbxcxd", "512x512x12x2x"])
def test_an_invalid_shape_is_refused(text: str) -> None:
    """The sentence shows how a shape is written."""
    with pytest.raises(ValueError, match=r"as in 512x512x12x2\.0"):
        PictureShape.parse(text)
