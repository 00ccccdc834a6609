"""The plan of `leadart bench delivery`, its measurements and the conclusions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from statistics import median, quantiles
from typing import Any

DELIVERY_BAR = 3.0
"""Bar: leadart's throughput as a multiple of the other side's."""


class DeliverySide(StrEnum):
    """Who delivers."""

    LEADART = "leadart"
    FASTSTREAM = "faststream"


@dataclass(frozen=True, slots=True)
class DeliveryPlan:
    """How much to measure. Both sides work on the same records and take turns at going first.

    In each of `rounds`, each side works off `events` waiting requests and then answers `paced_events` that come in at
    `paced_per_second`. With `logs` each side logs every request, as both do by default.
    """

    events: int = 20_000
    rounds: int = 3
    paced_events: int = 100
    paced_per_second: float = 10.0
    partitions: int = 4
    progress: bool = False
    logs: bool = True


@dataclass(frozen=True, slots=True)
class OutcomeCount:
    """Number of outcomes that a read-committed subscriber saw for the requests of one turn."""

    requests: int
    missing: int
    doubled: int

    @classmethod
    def of(cls, requested: Collection[str], announced: Sequence[str]) -> OutcomeCount:
        """Count outcomes by request id. An outcome without a request counts as doubled."""
        seen = Counter(announced)
        return cls(
            len(requested),
            sum(1 for request in requested if not seen[request]),
            len(announced) - len(seen.keys() & requested),
        )


@dataclass(frozen=True, slots=True)
class ThroughputTurn:
    """One side's turn at waiting requests: `per_second` counts outcomes that became visible after the first read."""

    side: DeliverySide
    turn: int
    seconds: float
    per_second: float
    bytes_each: int
    count: OutcomeCount


@dataclass(frozen=True, slots=True)
class LatencyTurn:
    """One side's turn at a steady rate of requests: milliseconds from record to visible outcome."""

    side: DeliverySide
    turn: int
    milliseconds: tuple[float, ...]
    count: OutcomeCount


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """All turns of one run."""

    plan: DeliveryPlan
    machine: Mapping[str, str]
    floods: tuple[ThroughputTurn, ...]
    paced: tuple[LatencyTurn, ...]

    def speeds(self, side: DeliverySide) -> list[float]:
        """Return a side's events per second, turn by turn."""
        return [flood.per_second for flood in self.floods if flood.side is side]

    def speed(self, side: DeliverySide) -> float:
        """Return the median of a side's events per second."""
        return median(self.speeds(side))

    @property
    def ratio(self) -> float:
        """Ratio of the median throughputs, leadart's over the other side's."""
        return self.speed(DeliverySide.LEADART) / self.speed(DeliverySide.FASTSTREAM)

    def percentile(self, side: DeliverySide, percent: int) -> float:
        """Return a percentile of a side's milliseconds from record to visible outcome, over all turns."""
        times = [time for paced in self.paced if paced.side is side for time in paced.milliseconds]
        return quantiles(times, n=100, method="inclusive")[percent - 1]

    def count(self, side: DeliverySide) -> OutcomeCount:
        """Return a side's outcomes over all its turns."""
        turns: list[ThroughputTurn | LatencyTurn] = [*self.floods, *self.paced]
        counts = [turn.count for turn in turns if turn.side is side]
        return OutcomeCount(
            sum(count.requests for count in counts),
            sum(count.missing for count in counts),
            sum(count.doubled for count in counts),
        )

    @property
    def promise_kept(self) -> bool:
        """True if leadart gave exactly one outcome for each request."""
        count = self.count(DeliverySide.LEADART)
        return not count.missing and not count.doubled

    def as_json(self) -> dict[str, Any]:
        """Return all measurements and conclusions as JSON types."""
        sides = {
            side.value: {
                "events_per_second": {"median": self.speed(side), "turns": self.speeds(side)},
                "milliseconds": {"p50": self.percentile(side, 50), "p99": self.percentile(side, 99)},
                "outcomes": asdict(self.count(side)),
            }
            for side in DeliverySide
        }
        verdict = {"ratio": self.ratio, "bar": DELIVERY_BAR, "promise_kept": self.promise_kept}
        return {**verdict, "sides": sides, **asdict(self)}
