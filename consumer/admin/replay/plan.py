"""What a replay would do, in figures. Pure. What is not known is None here, and absent in JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consumer.admin.replay.reuse import ReuseEstimate
    from consumer.admin.replay.selection import ReplaySpec
    from consumer.admin.replay.source import Survey


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """What painting costs: seconds for a picture, over how many outcomes that was measured (None: it was told).

    `devices` paint side by side; `rate`, in records a second, holds the replay back.
    """

    picture_seconds: float | None = None
    outcomes: int | None = None
    devices: int = 1
    rate: float | None = None

    def gpu_seconds(self, pictures: int | None) -> float | None:
        """Return how long one device is busy with so many pictures, painted one at a time."""
        return None if pictures is None or self.picture_seconds is None else pictures * self.picture_seconds

    def eta(self, pictures: int | None, records: int) -> float | None:
        """Return how many seconds the replay takes, with nothing else to paint."""
        busy = self.gpu_seconds(pictures)
        return None if busy is None else max(busy / self.devices, records / self.rate if self.rate else 0.0)


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """A replay that is not begun. `made` is what the store has, or `unknown` says why it was not asked.

    `waiting`: records that the group has not finished in the lane yet, before those of this replay.
    """

    order: ReplaySpec
    lane: str
    survey: Survey
    cost: CostEstimate
    made: ReuseEstimate | None = None
    unknown: str | None = None
    waiting: int | None = None

    @property
    def pictures_to_make(self) -> int | None:
        """How many pictures a GPU has to paint for it."""
        return self.made.total("pictures") if self.made else None

    def as_json(self) -> dict[str, Any]:
        """Return it for programs."""
        survey, made, gpu_seconds = self.survey, self.made, self.cost.gpu_seconds(self.pictures_to_make)
        shares = survey.shares.values()
        facts = {
            "replay_id": self.order.id,
            "topic": self.order.extent.topic,
            "lane": self.lane,
            "from": self.order.extent.starts,
            "to": self.order.extent.stops,
            "read": sum(share.read for share in shares),
            "valid": sum(share.valid for share in shares),
            "invalid": dict(survey.reasons),
            "invalid_records": _named(survey.told),
            "newest": sum(share.newest for share in shares),
            "chosen": survey.chosen,
            "pictures": survey.pictures,
            "made": made and made.total("made"),
            "to_make": made and made.total("to_make"),
            "pictures_to_make": self.pictures_to_make,
            "unpaintable": made and _named(made.unpaintable),
            "made_unknown": self.unknown,
            "picture_seconds": self.cost.picture_seconds,
            "measured_outcomes": self.cost.outcomes,
            "devices": self.cost.devices,
            "gpu_hours": None if gpu_seconds is None else gpu_seconds / 3600,
            "eta_seconds": self.cost.eta(self.pictures_to_make, survey.chosen),
            "waiting_in_lane": self.waiting,
            "partitions": list(self.rows()),
        }
        return {name: fact for name, fact in facts.items() if fact is not None}

    def rows(self) -> Iterator[dict[str, int]]:
        """Yield the figures of each partition."""
        for partition, share in self.survey.shares.items():
            row = {"partition": partition, "from": share.span.start, "to": share.span.stop, "read": share.read}
            row |= {"valid": share.valid, "newest": share.newest, "chosen": share.chosen}
            tally = self.made.tallies.get(partition) if self.made else None
            if self.made:
                row |= {"made": tally.made if tally else 0, "to_make": tally.to_make if tally else 0}
            yield row


def _named(told: list[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"at": at, "why": why} for at, why in told]
