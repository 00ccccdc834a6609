"""What a run of `leadart bench delivery` is to measure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class DeliverySide(StrEnum):
    """Who delivers."""

    LEADART = "leadart"
    FASTSTREAM = "faststream"


@dataclass(frozen=True, slots=True)
class DeliveryPlan:
    """How much is measured. Both sides work on the same records, alternating in who begins.

    In each of `rounds`, each side works off `events` requests that wait for it, and then answers `paced_events` that
    come in at `paced_per_second`. With `logs` each side tells of every request in its log, as both do by default.
    """

    events: int = 20_000
    rounds: int = 3
    paced_events: int = 100
    paced_per_second: float = 10.0
    partitions: int = 4
    progress: bool = False
    logs: bool = True

    def order(self, turn: int) -> tuple[DeliverySide, ...]:
        """Return who works when in a round: the other way round in every second one."""
        return tuple(DeliverySide) if turn % 2 == 0 else tuple(reversed(DeliverySide))
