"""What a simulation counts, in memory that grows with the pictures it paints and with nothing else."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from consumer.jobs import Lane

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass
class LaneTally:
    """One lane: requests asked and done, the wait of each that is done, and the longest of those that are not.

    A wait is what others cost: seconds from asked to painted (the last of its pictures), less the seconds that a
    picture takes alone.
    """

    asked: int = 0
    waits: array[float] = field(default_factory=lambda: array("d"))
    oldest: float = 0.0
    passed_over_steps: int = 0
    passed_over_seconds: float = 0.0

    @property
    def done(self) -> int:
        """Requests with all their pictures."""
        return len(self.waits)

    def quantile(self, share: float) -> float | None:
        """Return the least wait that so large a share of the requests keeps; None when none is done."""
        ordered = sorted(self.waits)
        return ordered[max(0, -(-int(share * 1e6) * len(ordered) // 1_000_000) - 1)] if ordered else None

    @property
    def mean(self) -> float | None:
        """Return the mean wait; None when none is done."""
        return sum(self.waits) / len(self.waits) if self.waits else None

    def passed_over(self, steps: int, seconds: float) -> None:
        """Take note of a wait between two steps at the GPU."""
        self.passed_over_steps = max(self.passed_over_steps, steps)
        self.passed_over_seconds = max(self.passed_over_seconds, seconds)

    def add(self, other: LaneTally) -> None:
        """Count what another worker's lane counted."""
        self.asked += other.asked
        self.waits.extend(other.waits)
        self.oldest = max(self.oldest, other.oldest)
        self.passed_over(other.passed_over_steps, other.passed_over_seconds)


@dataclass
class SimulationTally:
    """One worker, or several added up. `drained` is when the last picture of the backfill was painted, if it was."""

    seconds: float = 0.0
    gpus: int = 0
    busy_seconds: float = 0.0
    pictures: int = 0
    drained: float | None = None
    lanes: dict[Lane, LaneTally] = field(default_factory=lambda: {lane: LaneTally() for lane in Lane})

    @property
    def utilisation(self) -> float:
        """The share of the time that GPUs were painting."""
        return self.busy_seconds / (self.seconds * self.gpus) if self.seconds else 0.0


def added(tallies: Iterable[SimulationTally]) -> SimulationTally:
    """Add up workers that ran side by side: the backfill is drained when the last of them has drained its own."""
    parts = list(tallies)
    total = SimulationTally(
        seconds=max(part.seconds for part in parts),
        gpus=sum(part.gpus for part in parts),
        busy_seconds=sum(part.busy_seconds for part in parts),
        pictures=sum(part.pictures for part in parts),
    )
    drains = [part.drained for part in parts if part.lanes[Lane.BACKFILL].asked]
    known = [drained for drained in drains if drained is not None]
    total.drained = max(known) if known and len(known) == len(drains) else None
    for part in parts:
        for lane, counted in part.lanes.items():
            total.lanes[lane].add(counted)
    return total
