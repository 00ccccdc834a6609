"""What a run of `leadart bench engine` measured, and what follows from it. No torch here."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from consumer.dev.bench.engine.plan import Contestant

if TYPE_CHECKING:
    from collections.abc import Mapping

MIXED_BAR = 1.5
"""Times the speed of the stock pipeline, one request at a time, that the denoiser promises on mixed requests."""


@dataclass(frozen=True, slots=True)
class Work:
    """What each contestant paints in a turn: so many pictures, which need so many operations at least."""

    name: str
    batch: int
    pictures: int
    flops: int


@dataclass(frozen=True, slots=True)
class Turn:
    """One contestant's turn: seconds for all pictures, and the most memory in bytes meanwhile."""

    contestant: Contestant
    turn: int
    seconds: float
    peak_bytes: int


@dataclass(frozen=True, slots=True)
class Device:
    """Where the model was: a device's name, the numbers it computes in, its matrix peak in operations a second.

    `threads` are those of the CPU. `full_size` is true for the real 6.15 billion parameters.
    """

    kind: str
    dtype: str
    threads: int
    matrix_peak: float
    full_size: bool


@dataclass(frozen=True, slots=True)
class Contest:
    """All turns at one piece of work."""

    work: Work
    turns: tuple[Turn, ...]

    @property
    def contestants(self) -> tuple[Contestant, ...]:
        """Who took part, in the order of a report."""
        there = {turn.contestant for turn in self.turns}
        return tuple(contestant for contestant in Contestant if contestant in there)

    def each(self, contestant: Contestant) -> list[float]:
        """Return seconds a picture, turn by turn."""
        return [turn.seconds / self.work.pictures for turn in self.turns if turn.contestant is contestant]

    def seconds(self, contestant: Contestant) -> float:
        """Return the median of seconds a picture."""
        return median(self.each(contestant))

    def speed(self, contestant: Contestant) -> float:
        """Return operations a second: those needed at least, by the median time."""
        return self.work.flops / self.work.pictures / self.seconds(contestant)

    def peak_bytes(self, contestant: Contestant) -> int:
        """Return the most memory in any of its turns."""
        return max(turn.peak_bytes for turn in self.turns if turn.contestant is contestant)

    def ratio(self, contestant: Contestant) -> float:
        """Return how many times as fast as the stock pipeline, one request at a time, it was, median by median."""
        return self.seconds(Contestant.ONE_BY_ONE) / self.seconds(contestant)


@dataclass(frozen=True, slots=True)
class EngineResult:
    """All of one run. `mixed` is None when that part was left out, `compile_seconds` when nothing was compiled."""

    machine: Mapping[str, str]
    device: Device
    rounds: int
    call_tokens: int
    contests: tuple[Contest, ...]
    mixed: Contest | None
    compile_seconds: float | None = None
    compile_cache: str | None = None

    def share(self, contest: Contest, contestant: Contestant) -> float:
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

    def _told(self, contest: Contest) -> dict[str, Any]:
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
