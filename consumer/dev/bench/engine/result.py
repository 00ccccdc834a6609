"""The measurements of `leadart bench engine` and the conclusions. Imports no torch."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from statistics import median
from typing import Any

from consumer.dev.bench.engine.plan import EngineSide

NOT_COMPILED = "none"

MIXED_BAR = 1.5
"""Bar on mixed requests: the denoiser's speed as a multiple of the stock pipeline's, one request at a time."""


@dataclass(frozen=True, slots=True)
class Workload:
    """What each side paints in a turn: `pictures` that need at least `flops` operations."""

    name: str
    batch: int
    pictures: int
    flops: int
    mixed: bool = False


@dataclass(frozen=True, slots=True)
class EngineTurn:
    """One side's turn: seconds for all pictures, and peak memory in bytes.

    `decibels` says how alike its pictures are to those of the stock pipeline, one by one: the least of them; None for
    that one itself.
    """

    side: EngineSide
    turn: int
    seconds: float
    peak_bytes: int
    decibels: float | None = None


@dataclass(frozen=True, slots=True)
class BenchDevice:
    """The model's device: name, number format, matrix peak in operations per second.

    `threads` are those of the CPU, `kernels` what the denoiser computes with between matrix products, `compiled` its
    compiled parts and in how long. `full_size` is true for the model with 6.15 billion parameters.
    """

    kind: str
    dtype: str
    threads: int
    matrix_peak: float
    full_size: bool
    kernels: str = ""
    compiled: str = NOT_COMPILED

    @property
    def has_bars(self) -> bool:
        """Whether the bars hold here: they are those of the full model on a GPU."""
        return self.full_size and self.kind != "cpu"


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

    def decibels(self, side: EngineSide) -> float | None:
        """Return how alike its pictures are at least to those of the stock pipeline, one by one."""
        return min((turn.decibels for turn in self.turns if turn.side is side and turn.decibels), default=None)

    def ratio(self, side: EngineSide) -> float | None:
        """Return its speed as a multiple of the stock pipeline's, one request at a time, from the medians.

        None before both have had a turn.
        """
        if not {EngineSide.ONE_BY_ONE, side} <= {*self.sides}:
            return None
        return self.seconds(EngineSide.ONE_BY_ONE) / self.seconds(side)


@dataclass(frozen=True, slots=True)
class JoinResult:
    """An editor's picture that comes in the middle of a step, while eight others are being painted.

    `others_steps` are those of others that the device ended after it came and before its own first one; seconds run
    from when it came to the end of its first step, and until it was painted.
    """

    side: EngineSide
    others_steps: int
    first_step_seconds: float
    painted_seconds: float


@dataclass(frozen=True, slots=True)
class BusyResult:
    """The share of the time of a turn in which the GPU ran at least one kernel, and the kernels that took longest.

    `longest` are names, each with how often it ran and its milliseconds.
    """

    side: EngineSide
    batch: int
    share: float
    kernels: int
    longest: tuple[tuple[str, int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class DeviceFact:
    """What the device reaches with a piece of the model's work: a figure in `unit`."""

    what: str
    figure: float
    unit: str


@dataclass(frozen=True, slots=True)
class EngineResult:
    """What one run has measured so far; `finished` once it is through.

    `left_out` says of each part why the budget had no room for it, or what it needs; `failed` what went wrong.
    """

    machine: Mapping[str, str]
    device: BenchDevice
    rounds: int
    token_seconds: float
    contests: tuple[WorkloadResult, ...] = ()
    joins: tuple[JoinResult, ...] = ()
    busy: tuple[BusyResult, ...] = ()
    facts: tuple[DeviceFact, ...] = ()
    compile_seconds: Mapping[EngineSide, float] = field(default_factory=dict)
    compile_cache: str | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    finished: bool = False

    @property
    def mixed(self) -> WorkloadResult | None:
        """The mixed requests, None if nothing of them was measured."""
        return next((contest for contest in self.contests if contest.work.mixed), None)

    @property
    def sides(self) -> tuple[EngineSide, ...]:
        """The sides of which anything was measured, in the order of the report."""
        there = {side for contest in self.contests for side in contest.sides}
        there |= {join.side for join in self.joins} | {busy.side for busy in self.busy}
        return tuple(side for side in EngineSide if side in there)

    def with_turn(self, work: Workload, turn: EngineTurn) -> "EngineResult":
        """Return the result with one more turn."""
        found = {contest.work: contest for contest in self.contests}
        before = found.get(work, WorkloadResult(work, ()))
        found[work] = replace(before, turns=(*before.turns, turn))
        return replace(self, contests=tuple(found.values()))

    def share(self, contest: WorkloadResult, side: EngineSide) -> float:
        """Return the share of the matrix peak that a side reached."""
        return contest.speed(side) / self.device.matrix_peak

    def as_json(self) -> dict[str, Any]:
        """Return all measurements and conclusions as JSON types."""
        mixed = self._told(self.mixed) if self.mixed else None
        return {
            **asdict(replace(self, contests=())),
            "machine": dict(self.machine),
            "contests": [self._told(contest) for contest in self.contests if not contest.work.mixed],
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
                "decibels_to_stock": contest.decibels(side),
            }
            for side in contest.sides
        }
        return {**asdict(contest.work), "contestants": sides}
