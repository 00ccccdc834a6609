"""What a simulation counts; memory grows only with the number of pictures."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field

from consumer.jobs import Lane


def quantile(waits: Iterable[float], share: float) -> float | None:
    """Return the wait that `share` of them do not exceed; None without any."""
    ordered = sorted(waits)
    return ordered[max(0, -(-int(share * 1e6) * len(ordered) // 1_000_000) - 1)] if ordered else None


@dataclass
class LaneTally:
    """One lane: requests made and done, the wait of each that is done, and the longest wait of the others.

    A wait is the cost of sharing: seconds from request to its last picture, less the seconds one picture takes alone.
    """

    asked: int = 0
    waits: array[float] = field(default_factory=lambda: array("d"))
    oldest: float = 0.0
    passed_over_steps: int = 0
    passed_over_seconds: float = 0.0

    @property
    def done(self) -> int:
        """Number of requests that have all their pictures."""
        return len(self.waits)

    def quantile(self, share: float) -> float | None:
        """Return the wait that `share` of the requests do not exceed; None when none is done."""
        return quantile(self.waits, share)

    @property
    def mean(self) -> float | None:
        """Return the mean wait; None when none is done."""
        return sum(self.waits) / len(self.waits) if self.waits else None

    def passed_over(self, steps: int, seconds: float) -> None:
        """Record a wait between two steps at the GPU."""
        self.passed_over_steps = max(self.passed_over_steps, steps)
        self.passed_over_seconds = max(self.passed_over_seconds, seconds)

    def add(self, other: LaneTally) -> None:
        """Add another worker's counts of this lane."""
        self.asked += other.asked
        self.waits.extend(other.waits)
        self.oldest = max(self.oldest, other.oldest)
        self.passed_over(other.passed_over_steps, other.passed_over_seconds)


@dataclass
class SimulationTally:
    """The counts of one worker or of several. `drained` is when the backfill's last picture was painted, if it was."""

    seconds: float = 0.0
    gpus: int = 0
    busy_seconds: float = 0.0
    pictures: int = 0
    drained: float | None = None
    lanes: dict[Lane, LaneTally] = field(default_factory=lambda: {lane: LaneTally() for lane in Lane})

    @property
    def utilisation(self) -> float:
        """Share of the time in which GPUs were painting."""
        return self.busy_seconds / (self.seconds * self.gpus) if self.seconds else 0.0


def added(tallies: Iterable[SimulationTally]) -> SimulationTally:
    """Add up parallel workers: the backfill is drained when the last of them has drained its own."""
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
