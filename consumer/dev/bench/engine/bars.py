"""The bars of the full model on a GPU, the same for every side. Imports no torch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from consumer.dev.bench.engine.plan import LARGE, PORTRAIT, EngineSide, PictureShape
from consumer.dev.bench.engine.result import EngineResult
from consumer.dev.bench.reporting import Rows, met

NOT_MEASURED = "-"
Figure = Callable[[EngineResult, EngineSide], float | None]


@dataclass(frozen=True, slots=True)
class EngineBar:
    """A limit on a figure, at most it or `at_least` it, to which all its `sides` are held.

    `shown` is how a figure reads.
    """

    what: str
    limit: float
    measured: Figure
    shown: str
    at_least: bool = False
    sides: tuple[EngineSide, ...] = tuple(EngineSide)

    @property
    def words(self) -> str:
        """The bar in words."""
        return f"{self.what}: at {'least' if self.at_least else 'most'} {self.shown.format(self.limit)}"

    def figure(self, result: EngineResult, side: EngineSide) -> float | None:
        """Return a side's figure; None if it was not measured, or the bar is not for that side."""
        return self.measured(result, side) if side in self.sides else None

    def is_met(self, figure: float) -> bool:
        """Return whether a figure meets the bar."""
        return figure >= self.limit if self.at_least else figure <= self.limit


def _seconds(shape: PictureShape, batches: Sequence[int]) -> Figure:
    """Return the least seconds per picture in any of these batches."""

    def figure(result: EngineResult, side: EngineSide) -> float | None:
        times = [
            contest.seconds(side)
            for contest in result.contests
            if (contest.work.name, side in contest.sides) == (str(shape), True) and contest.work.batch in batches
        ]
        return min(times, default=None)

    return figure


def _pictures_a_second(shape: PictureShape, batches: Sequence[int]) -> Figure:
    def figure(result: EngineResult, side: EngineSide) -> float | None:
        seconds = _seconds(shape, batches)(result, side)
        return None if seconds is None else 1 / seconds

    return figure


def _steps_to_join(result: EngineResult, side: EngineSide) -> float | None:
    return next((float(join.others_steps) for join in result.joins if join.side is side), None)


def _busy_percent(result: EngineResult, side: EngineSide) -> float | None:
    return max((100 * busy.share for busy in result.busy if busy.side is side), default=None)


ENGINE_BARS = (
    EngineBar(f"{PORTRAIT} alone", 0.80, _seconds(PORTRAIT, (1,)), "{:.3g} s"),
    EngineBar(
        f"{PORTRAIT} alone, compiled or fused",
        0.60,
        _seconds(PORTRAIT, (1,)),
        "{:.3g} s",
        sides=(EngineSide.STOCK_COMPILED, EngineSide.DENOISER, EngineSide.COMPILED),
    ),
    EngineBar(
        f"{PORTRAIT}, batch 4 or 8", 1.9, _pictures_a_second(PORTRAIT, (4, 8)), "{:.3g} pictures/s", at_least=True
    ),
    EngineBar(f"{LARGE} alone", 0.80, _seconds(LARGE, (1,)), "{:.3g} s"),
    EngineBar("steps of others before an editor's picture", 1.0, _steps_to_join, "{:.0f}"),
    EngineBar("GPU busy", 95.0, _busy_percent, "{:.1f} %", at_least=True),
)


def judged(result: EngineResult) -> list[dict[str, Any]]:
    """Return every bar of which something was measured, with each side's figure, as JSON types.

    `met` is None where the bar does not hold: for another model, or without a GPU.
    """
    verdicts = []
    for bar in ENGINE_BARS:
        figures = {side: figure for side in result.sides if (figure := bar.figure(result, side)) is not None}
        sides = {
            side.value: {"figure": figure, "met": bar.is_met(figure) if result.device.has_bars else None}
            for side, figure in figures.items()
        }
        if sides:
            verdicts.append({"bar": bar.words, "limit": bar.limit, "sides": sides})
    return verdicts


def bars_met(result: EngineResult, side: EngineSide) -> tuple[int, int]:
    """Return how many bars a side meets, and of how many it has a figure."""
    figures = [(bar, figure) for bar in ENGINE_BARS if (figure := bar.figure(result, side)) is not None]
    return sum(bar.is_met(figure) for bar, figure in figures), len(figures)


def bar_rows(result: EngineResult) -> Rows:
    """Return a row for each bar of which something was measured: the bar, then every side of the result."""
    return [
        (bar.words, *(_cell(bar, result, side) for side in result.sides))
        for bar in ENGINE_BARS
        if any(bar.figure(result, side) is not None for side in result.sides)
    ]


def _cell(bar: EngineBar, result: EngineResult, side: EngineSide) -> str:
    figure = bar.figure(result, side)
    if figure is None:
        return NOT_MEASURED
    shown = bar.shown.format(figure)
    return f"{shown}, {met(bar.is_met(figure))}" if result.device.has_bars else shown
