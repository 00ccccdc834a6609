"""The measurements of `leadart bench engine` and the conclusions. Imports no torch."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from consumer.dev.bench.engine.plan import EngineSide

MIXED_BAR = 1.5
"""Bar on mixed requests: the denoiser's speed as a multiple of the stock pipeline's, one request at a time."""


@dataclass(frozen=True, slots=True)
class Workload:
    """What each side paints in a turn: `pictures` that need at least `flops` operations."""

    name: str
    batch: int
    pictures: int
    flops: int


@dataclass(frozen=True, slots=True)
class EngineTurn:
    """One side's turn: seconds for all pictures, and peak memory in bytes."""

    side: EngineSide
    turn: int
    seconds: float
    peak_bytes: int


@dataclass(frozen=True, slots=True)
class BenchDevice:
    """The model's device: name, number format, matrix peak in operations per second.

    `threads` are those of the CPU. `full_size` is true for the model with 6.15 billion parameters.
    """

    kind: str
    dtype: str
    threads: int
    matrix_peak: float
    full_size: bool


@dataclass(frozen=True, slots=True)
class WorkloadResult:
    """All turns at one workload."""

    work: Workload
    turns: tuple[EngineTurn, ...]

    @property
    def sides(self) -> tuple[EngineSide, ...]:
        """The sides that took part, in the order of the report."""
        there = {turn.side for turn in self.turns}
        return tuple(side for side in EngineSide if side in there)

    def each(self, side: EngineSide) -> list[float]:
        """Return seconds per picture, turn by turn."""
        return [turn.seconds / self.work.pictures for turn in self.turns if turn.side is side]

    def seconds(self, side: EngineSide) -> float:
        """Return the median of seconds per picture."""
        return median(self.each(side))

    def speed(self, side: EngineSide) -> float:
        """Return operations per second: the least needed, by the median time."""
        return self.work.flops / self.work.pictures / self.seconds(side)

    def peak_bytes(self, side: EngineSide) -> int:
        """Return the peak memory of any of its turns."""
        return max(turn.peak_bytes for turn in self.turns if turn.side is side)

    def ratio(self, side: EngineSide) -> float:
        """Return its speed as a multiple of the stock pipeline's, one request at a time, from the medians."""
        return self.seconds(EngineSide.ONE_BY_ONE) / self.seconds(side)


@dataclass(frozen=True, slots=True)
class EngineResult:
    """One run. `mixed` is None if that part was left out, `compile_seconds` if nothing was compiled."""

    machine: Mapping[str, str]
    device: BenchDevice
    rounds: int
    token_seconds: float
    contests: tuple[WorkloadResult, ...]
    mixed: WorkloadResult | None
    compile_seconds: float | None = None
    compile_cache: str | None = None

    def share(self, contest: WorkloadResult, side: EngineSide) -> float:
        """Return the share of the matrix peak that a side reached."""
        return contest.speed(side) / self.device.matrix_peak

    def as_json(self) -> dict[str, Any]:
        """Return all measurements and conclusions as JSON types."""
        figures = {key: value for key, value in asdict(self).items() if key not in {"contests", "mixed"}}
        mixed = self._told(self.mixed) if self.mixed else None
        return {
            **figures,
            "machine": dict(self.machine),
            "contests": [self._told(contest) for contest in self.contests],
            "mixed": mixed,
            "mixed_bar": MIXED_BAR,
        }

    def _told(self, contest: WorkloadResult) -> dict[str, Any]:
        sides = {
            side.value: {
                "seconds_per_picture": {"median": contest.seconds(side), "turns": contest.each(side)},
                "pictures_per_second": 1 / contest.seconds(side),
                "tflop_per_second": contest.speed(side) / 1e12,
                "share_of_peak": self.share(contest, side),
                "peak_bytes": contest.peak_bytes(side),
                "times_stock": contest.ratio(side),
            }
            for side in contest.sides
        }
        return {**asdict(contest.work), "contestants": sides}
