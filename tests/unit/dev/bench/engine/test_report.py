from __future__ import annotations

from consumer.dev.bench.engine.plan import EngineSide
from consumer.dev.bench.engine.report import engine_report
from consumer.dev.bench.engine.result import BenchDevice, BusyResult, DeviceFact, JoinResult
from tests.support.engine_results import contest_of, result_of

PORTRAIT = contest_of({EngineSide.ONE_BY_ONE: [0.79], EngineSide.DENOISER: [0.7]})


def test_on_a_gpu_the_bars_are_the_verdict() -> None:
    """How many the denoiser meets comes first, each with its figures below, on the page and on a terminal."""
    report = engine_report(result_of(PORTRAIT))
    page = report.document("leadart bench engine")
    assert report.verdict == ("The denoiser meets 1 of the 2 bars that were measured. Mixed requests were left out.")
    assert "| 512x512x12x2.0 alone: at most 0.8 s | 0.79 s, met | 0.7 s, met |" in page
    assert "512x512x12x2.0 alone, compiled or fused: at most 0.6 s: denoiser 0.7 s, missed" in report.notes
    assert "No GPU" not in page
    assert report.passed


def test_a_run_that_was_ended_says_so() -> None:
    """Its page is valid, and says that there is more to come."""
    page = engine_report(result_of(finished=False)).document("leadart bench engine")
    assert "**The run was ended before it was through.**" in page
    assert "## Bars" not in page


def test_what_was_left_out_or_failed_is_named_with_the_reason() -> None:
    """A part that failed fails the run; one that the budget had no room for does not."""
    left_out = engine_report(result_of(PORTRAIT, left_out={"64 mixed requests": "about 300 s needed, 70 s left"}))
    assert "- Left out: 64 mixed requests: about 300 s needed, 70 s left." in left_out.document("")
    assert left_out.passed
    failed = engine_report(result_of(PORTRAIT, failed={"stock, compiled": "RuntimeError: complex64"}))
    assert "- Failed: stock, compiled: RuntimeError: complex64." in failed.document("")
    assert not failed.passed


def test_what_else_was_measured_is_told() -> None:
    """The kernels at the head of a GPU day, joining, the busy GPU, and what compiling cost."""
    page = engine_report(
        result_of(
            joins=(JoinResult(EngineSide.DENOISER, 1, 0.31, 0.92),),
            busy=(BusyResult(EngineSide.DENOISER, 8, 0.97, 4_000),),
            compile_seconds={EngineSide.STOCK_COMPILED: 88.0},
            facts=(DeviceFact("product w2, 1088 tokens", 712.3, "TFLOP/s"),),
        )
    ).document("")
    for line in (
        "| kernels of the denoiser | fused |",
        "| an editor's picture among eight others, denoiser | first step 0.310 s after it came, painted 0.920 s |",
        "| GPU busy, denoiser, batch 8 | 97.0 %, 4000 kernels |",
        "| product w2, 1088 tokens | 712 TFLOP/s |",
        "| stock, compiled is ready | 88.0 s after its first call; cache: a temporary folder |",
    ):
        assert line in page


def test_without_a_gpu_the_page_says_that_the_bars_are_open() -> None:
    """A CPU's figures say nothing about the full model; each bar is named."""
    cpu = BenchDevice("cpu", "float32", 1, 1e11, full_size=False)
    page = engine_report(result_of(PORTRAIT, device=cpu)).document("")
    assert "No GPU was available" in page
    assert "at least 1.9 pictures/s" in page
    assert "meets" not in page


def test_mixed_requests_come_last_and_are_the_verdict_on_a_cpu() -> None:
    """Whenever they were measured, their rows end the table."""
    both = {EngineSide.ONE_BY_ONE: [2.0], EngineSide.DENOISER: [1.0]}
    report = engine_report(result_of(contest_of(both, name="64 mixed requests", mixed=True), PORTRAIT))
    assert [row[0] for row in report.rows] == ["512x512x12x2.0"] * 2 + ["64 mixed requests"] * 2
    assert "the denoiser is 2.00 times as fast" in report.verdict
