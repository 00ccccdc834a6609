"""The bars are the same for every side, and hold for the full model on a GPU."""

from __future__ import annotations

import pytest

from consumer.dev.bench.engine.bars import ENGINE_BARS, bar_rows, bars_met, judged
from consumer.dev.bench.engine.plan import EngineSide
from consumer.dev.bench.engine.result import BenchDevice, BusyResult, EngineResult, JoinResult
from tests.support.engine_results import GPU, contest_of, result_of

STOCK, BATCH, STOCK_COMPILED, OURS = (
    EngineSide.ONE_BY_ONE,
    EngineSide.AS_BATCH,
    EngineSide.STOCK_COMPILED,
    EngineSide.DENOISER,
)


def measured(device: BenchDevice = GPU) -> EngineResult:
    """A run on an H200 as it might be."""
    return result_of(
        contest_of({STOCK: [0.79], STOCK_COMPILED: [0.62], OURS: [0.56]}),
        contest_of({STOCK: [4 * 0.79], OURS: [4 * 0.6]}, batch=4),
        contest_of({STOCK: [8 * 0.79], BATCH: [8 * 0.7], OURS: [8 * 0.5]}, batch=8),
        contest_of({STOCK: [1.13], OURS: [0.81]}, name="1024x1024x8x0.0"),
        joins=(JoinResult(BATCH, 7, 4.2, 5.0), JoinResult(OURS, 1, 0.3, 0.9)),
        busy=(BusyResult(STOCK, 1, 0.8, 9), BusyResult(OURS, 1, 0.9, 9), BusyResult(OURS, 8, 0.97, 9)),
        device=device,
    )


def test_every_side_is_judged_by_the_same_bars() -> None:
    """The better of two batches counts, and the compiler's bar is for those that are compiled or fused."""
    verdicts = {each["bar"]: {side: told["met"] for side, told in each["sides"].items()} for each in judged(measured())}
    assert verdicts == {
        "512x512x12x2.0 alone: at most 0.8 s": {STOCK: True, STOCK_COMPILED: True, OURS: True},
        "512x512x12x2.0 alone, compiled or fused: at most 0.6 s": {STOCK_COMPILED: False, OURS: True},
        "512x512x12x2.0, batch 4 or 8: at least 1.9 pictures/s": {STOCK: False, BATCH: False, OURS: True},
        "1024x1024x8x0.0 alone: at most 0.8 s": {STOCK: False, OURS: False},
        "steps of others before an editor's picture: at most 1": {BATCH: False, OURS: True},
        "GPU busy: at least 95.0 %": {STOCK: False, OURS: True},
    }
    assert bars_met(measured(), OURS) == (5, 6)


def test_the_table_has_a_column_for_each_side() -> None:
    """A figure with its verdict, or a mark where a side was not measured."""
    rows = {row[0]: row[1:] for row in bar_rows(measured())}
    assert rows["512x512x12x2.0 alone: at most 0.8 s"] == ("0.79 s, met", "-", "0.62 s, met", "0.56 s, met")
    assert len(rows) == len(ENGINE_BARS)


@pytest.mark.parametrize(
    "device",
    [BenchDevice("cpu", "float32", 1, 1e9, full_size=True), BenchDevice("cuda", "bfloat16", 1, 1e13, full_size=False)],
)
def test_no_bar_is_judged_elsewhere(device: BenchDevice) -> None:
    """A CPU or a tiny model meets no bar and misses none; its figures are told."""
    result = measured(device)
    assert {told["met"] for each in judged(result) for told in each["sides"].values()} == {None}
    assert "0.56 s" in bar_rows(result)[0]


def test_a_bar_without_a_figure_is_not_told() -> None:
    """A run that was ended early says nothing of what it has not measured."""
    assert [each["bar"] for each in judged(result_of(joins=(JoinResult(OURS, 2, 1, 1),)))] == [
        "steps of others before an editor's picture: at most 1"
    ]
