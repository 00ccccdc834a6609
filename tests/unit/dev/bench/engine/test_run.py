"""What a run measures in which order, what it leaves out, and what it tells on the way."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch

from consumer.dev.bench.engine import contestants, run
from consumer.dev.bench.engine.budget import Budget
from consumer.dev.bench.engine.contestants import Contestants
from consumer.dev.bench.engine.corpus import BenchRequest, pictures
from consumer.dev.bench.engine.flops import FlopCounter
from consumer.dev.bench.engine.plan import EnginePlan, EngineSide, PictureShape
from consumer.dev.bench.engine.result import BusyResult, DeviceFact, EngineResult, JoinResult
from consumer.dev.bench.engine.run import EngineRun
from consumer.dev.bench.engine.timing import Measurement
from consumer.engine.runtime.model import Model
from consumer.settings import EngineSettings
from tests.support.engine_results import result_of

STOCK, TOGETHER, OURS = EngineSide.ONE_BY_ONE, EngineSide.AS_BATCH, EngineSide.DENOISER
A, B = PictureShape(64, 64, 2, 0.0), PictureShape(128, 128, 2, 0.0)
TURN = 10.0


class Bench:
    """A run over the tiny model's sides, in which nothing is painted and each turn takes ten seconds."""

    def __init__(self, model: Model, monkeypatch: pytest.MonkeyPatch, **plan: Any) -> None:
        self.now = 0.0
        self.heard: list[str] = []
        self.published: list[EngineResult] = []
        self.failing: EngineSide | None = None
        self.turns: list[tuple[EngineSide, str, int]] = []
        for name in ("compiled_pipeline", "compiled"):
            monkeypatch.setattr(run, name, lambda first, *_: first)
        monkeypatch.setattr(run, "at_its_best", lambda _pipeline: self.painter(EngineSide.STOCK_COMPILED))
        monkeypatch.setattr(run, "by_denoiser", lambda _model, _settings: self.painter(EngineSide.COMPILED))
        monkeypatch.setattr(run, "join_stock", lambda *_: JoinResult(TOGETHER, 6, 3.0, 4.0))
        monkeypatch.setattr(run, "join_denoiser", lambda *_: JoinResult(OURS, 1, 0.5, 1.0))
        monkeypatch.setattr(contestants, "measured", self.measured)
        monkeypatch.setattr(FlopCounter, "picture", lambda _self, _recipe: 10**9)
        self.plan = EnginePlan(
            EngineSettings(),
            **{"shapes": (A, B), "batches": (1, 2), "rounds": 2, "mixed": 0, "compiled": False, **plan},
        )
        sides = Contestants(model, {side: self.painter(side) for side in (STOCK, TOGETHER, OURS)}, 1e15)
        self.run = EngineRun(self.plan, model, sides, result_of(finished=False), self.published.append)

    def painter(self, side: EngineSide) -> Any:
        def paint(requests: Sequence[BenchRequest]) -> Sequence[Any]:
            if side is self.failing:
                raise RuntimeError("no kernel\nin a long traceback")
            recipes = pictures(requests)
            self.turns.append((side, f"{recipes[0].width}", len(recipes)))
            return [np.zeros((4, 4, 3), np.uint8)] * len(recipes)

        return paint

    def measured(self, _device: object, work: Any) -> Measurement[Any]:
        self.now += TURN
        return Measurement(TURN, 2**20, work())

    def go(self, seconds: float | None = None) -> EngineResult:
        return self.run.go(Budget(seconds, lambda: self.now), self.heard.append)

    @property
    def parts(self) -> list[str]:
        """The names of what was measured or left out, in order."""
        return [line.partition(": ")[0] for line in self.heard]


@pytest.fixture
def bar_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the large shape alone and the small one twice have bars."""
    for module in ("run", "plan"):
        monkeypatch.setattr(f"consumer.dev.bench.engine.{module}.BAR_WORK", ((B, 1), (A, 2)))


@pytest.mark.usefixtures("bar_work")
def test_the_bars_come_first(tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """One round of each bar, then joining and the GPU, the compiled sides, further rounds, and at last the rest."""
    bench = Bench(tiny, monkeypatch, compiled=True, mixed=2)
    result = bench.go()
    large, small = f"{B}, batch 1", f"{A}, batch 2"
    assert bench.parts == [
        *(large, small),
        "an editor's picture joins, stock, as a batch",
        "an editor's picture joins, denoiser",
        "GPU busy",
        *("stock, compiled", "denoiser, compiled"),
        *(f"{large}, compiled", f"{small}, compiled"),
        *(f"{large}, further rounds", f"{small}, further rounds"),
        *(f"{A}, batch 1", f"{A}, batch 1, further rounds"),
        *(f"{B}, batch 2", f"{B}, batch 2, further rounds"),
        *("2 mixed requests", "2 mixed requests, further rounds"),
    ]
    assert result.finished
    assert result.left_out == {"GPU busy": "no GPU"}
    assert {(contest.work.name, contest.work.batch): len(contest.each(OURS)) for contest in result.contests} == {
        **dict.fromkeys([(str(B), 1), (str(A), 2), (str(A), 1), (str(B), 2)], 2),
        ("2 mixed requests", 2): 2,
    }
    assert result.contests[0].sides == (STOCK, EngineSide.STOCK_COMPILED, OURS, EngineSide.COMPILED)
    assert result.compile_seconds.keys() == {EngineSide.STOCK_COMPILED, EngineSide.COMPILED}


@pytest.mark.usefixtures("bar_work")
def test_what_the_budget_has_no_room_for_is_left_out_and_named(tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """After two turns there are seconds left for joining but for no other round, and nothing is begun in vain."""
    bench = Bench(tiny, monkeypatch)
    result = bench.go(21.0)
    assert [contest.work.name for contest in result.contests] == [str(B)]
    assert result.left_out[f"{A}, batch 2"].endswith("s needed, 1 s left")
    assert f"{A}, batch 2, further rounds" not in bench.parts
    assert {side for side, *_ in bench.turns} == {STOCK, OURS}
    assert result.finished


def test_each_turn_is_published_as_soon_as_it_is_over(tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever kills the run loses the turn that is running, and nothing of those before it."""
    bench = Bench(tiny, monkeypatch, shapes=(A,), batches=(1,), rounds=1)
    bench.go()
    turns = [sum(len(contest.turns) for contest in each.contests) for each in bench.published]
    assert turns[0] == 0
    assert {0, 1, 2} == set(turns)
    assert [each.finished for each in bench.published] == [False] * (len(turns) - 1) + [True]


def test_a_part_that_fails_is_recorded_and_the_run_goes_on(tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of a library in one side costs that part alone, and its first line is told."""
    bench = Bench(tiny, monkeypatch, shapes=(A,), batches=(2,), rounds=1, mixed=2)
    bench.failing = TOGETHER
    result = bench.go()
    assert result.failed == {f"{A}, batch 2": "RuntimeError: no kernel"}
    assert result.mixed
    assert result.finished


def test_a_side_that_does_not_compile_takes_no_part(tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other sides are measured as if it had not been asked for."""
    bench = Bench(tiny, monkeypatch, shapes=(A,), batches=(1,), rounds=1, compiled=True)
    bench.failing = EngineSide.STOCK_COMPILED
    result = bench.go()
    assert result.failed == {"stock, compiled": "RuntimeError: no kernel"}
    assert result.contests[0].sides == (STOCK, OURS, EngineSide.COMPILED)


def test_without_a_word_only_a_gpu_has_compiled_sides(tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a CPU compiling takes longer than what there is to measure."""
    bench = Bench(tiny, monkeypatch, shapes=(A,), batches=(1,), rounds=1, compiled=None)
    bench.go()
    assert "stock, compiled" not in bench.parts


def test_pictures_are_compared_with_the_stock_pipelines(tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each side but that one itself says how alike its pictures are: a fast side that paints other ones shows."""
    bench = Bench(tiny, monkeypatch, shapes=(A,), batches=(1,), rounds=1)
    result = bench.go()
    assert result.contests[0].decibels(OURS) == pytest.approx(138, abs=1)
    assert result.contests[0].decibels(STOCK) is None


def test_on_a_gpu_its_busy_share_is_measured_and_sides_are_compiled(
    tiny: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alone and in a batch of eight, stock and ours, in few steps; compiling needs no word there."""
    bench = Bench(tiny, monkeypatch, shapes=(PictureShape(64, 64, 12, 2.0),), batches=(1,), rounds=1, compiled=None)
    gpu = SimpleNamespace(device=torch.device("cuda"), forward=tiny.forward, pipeline=tiny.pipeline)
    bench.run._model = cast("Model", gpu)

    def busy_share(side: EngineSide, batch: int, _device: object, paint: Any) -> BusyResult:
        return BusyResult(side, batch, 0.9, len(paint()))

    monkeypatch.setattr(run, "busy_share", busy_share)
    monkeypatch.setattr(run, "device_facts", lambda _model: (DeviceFact("product w2, 1088 tokens", 700.0, "TFLOP/s"),))
    monkeypatch.setattr(run, "measure_token_seconds", lambda _model: 1e-6)
    monkeypatch.setattr(run, "compiled", lambda _model: SimpleNamespace())
    result = bench.go()
    assert [(busy.side, busy.batch, busy.kernels) for busy in result.busy] == [
        *((STOCK, 1, 1), (OURS, 1, 1), (TOGETHER, 8, 8), (OURS, 8, 8))
    ]
    assert result.compile_seconds.keys() == {EngineSide.STOCK_COMPILED, EngineSide.COMPILED}
    assert [fact.figure for fact in result.facts] == [700.0]
    assert result.left_out == result.failed == {}
