"""What a run of `leadart bench engine` measured, and what follows from it. No torch here."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from consumer.dev.bench.engine.plan import EngineSide

if TYPE_CHECKING:
    from collections.abc import Mapping

MIXED_BAR = 1.5
"""Times the speed of the stock pipeline, one request at a time, that the denoiser promises on mixed requests."""


@dataclass(frozen=True, slots=True)
class Workload:
    """What each contestant paints in a turn: so many pictures, which need so many operations at least."""

    name: str
    batch: int
    pictures: int
    flops: int


@dataclass(frozen=True, slots=True)
class EngineTurn:
    """One contestant's turn: seconds for all pictures, and the most memory in bytes meanwhile."""

    contestant: EngineSide
    turn: int
    seconds: float
    peak_bytes: int


@dataclass(frozen=True, slots=True)
class BenchDevice:
    """Where the model was: a device's name, the numbers it computes in, its matrix peak in operations a second.

    `threads` are those of the CPU. `full_size` is true for the real 6.15 billion parameters.
    """

    kind: str
    dtype: str
    threads: int
    matrix_peak: float
    full_size: bool


@dataclass(frozen=True, slots=True)
class WorkloadResult:
    """All turns at one piece of work."""

    work: Workload
    turns: tuple[EngineTurn, ...]

    @property
    def contestants(self) -> tuple[EngineSide, ...]:
        """Who took part, in the order of a report."""
        there = {turn.contestant for turn in self.turns}
        return tuple(contestant for contestant in EngineSide if contestant in there)

    def each(self, contestant: EngineSide) -> list[float]:
        """Return seconds a picture, turn by turn."""
        return [turn.seconds / self.work.pictures for turn in self.turns if turn.contestant is contestant]

    def seconds(self, contestant: EngineSide) -> float:
        """Return the median of seconds a picture."""
        return median(self.each(contestant))

    def speed(self, contestant: EngineSide) -> float:
        """Return operations a second: those needed at least, by the median time."""
        return self.work.flops / self.work.pictures / self.seconds(contestant)

    def peak_bytes(self, contestant: EngineSide) -> int:
        """Return the most memory in any of its turns."""
        return max(turn.peak_bytes for turn in self.turns if turn.contestant is contestant)

    def ratio(self, contestant: EngineSide) -> float:
        """Return how many times as fast as the stock pipeline, one request at a time, it was, median by median."""
        return self.seconds(EngineSide.ONE_BY_ONE) / self.seconds(contestant)


@dataclass(frozen=True, slots=True)
class EngineResult:
    """All of one run. `mixed` is None when that part was left out, `compile_seconds` when nothing was compiled."""

    machine: Mapping[str, str]
    device: BenchDevice
    rounds: int
    call_tokens: int
    contests: tuple[WorkloadResult, ...]
    mixed: WorkloadResult | None
    compile_seconds: float | None = None
    compile_cache: str | None = None

    def share(self, contest: WorkloadResult, contestant: EngineSide) -> float:
        """Return the share of the matrix peak that a contestant reached."""
        return contest.speed(contestant) / self.device.matrix_peak

    def as_json(self) -> dict[str, Any]:
        """Return everything measured and what follows from it, as JSON types."""
        told = {key: value for key, value in asdict(self).items() if key not in {"contests", "mixed"}}
        mixed = self._told(self.mixed) if self.mixed else None
        return {
            **told,
            "machine": dict(self.machine),
            "contests": [self._told(contest) for contest in self.contests],
            "mixed": mixed,
            "mixed_bar": MIXED_BAR,
        }

    def _told(self, contest: WorkloadResult) -> dict[str, Any]:
        sides = {
            contestant.value: {
                "seconds_per_picture": {"median": contest.seconds(contestant), "turns": contest.each(contestant)},
                "pictures_per_second": 1 / contest.seconds(contestant),
                "tflop_per_second": contest.speed(contestant) / 1e12,
                "share_of_peak": self.share(contest, contestant),
                "peak_bytes": contest.peak_bytes(contestant),
                "times_stock": contest.ratio(contestant),
            }
            for contestant in contest.contestants
        }
        return {**asdict(contest.work), "contestants": sides}
