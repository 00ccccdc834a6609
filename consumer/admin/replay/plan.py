"""What a replay would do, in figures. Pure. An unknown figure is None here and absent in JSON."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from consumer.admin.replay.reuse import ReuseEstimate
from consumer.admin.replay.selection import ReplaySpec
from consumer.admin.replay.source import RangeSurvey


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """What painting costs: seconds per picture, and over how many outcomes that was measured (None: it was given).

    `devices` paint side by side; `rate`, in records per second, limits the replay.
    """

    picture_seconds: float | None = None
    outcomes: int | None = None
    devices: int = 1
    rate: float | None = None

    def gpu_seconds(self, pictures: int | None) -> float | None:
        """Return the seconds that one device takes for the pictures, painted one at a time."""
        return None if pictures is None or self.picture_seconds is None else pictures * self.picture_seconds

    def eta(self, pictures: int | None, records: int) -> float | None:
        """Return the seconds that the replay takes with nothing else to paint."""
        busy = self.gpu_seconds(pictures)
        return None if busy is None else max(busy / self.devices, records / self.rate if self.rate else 0.0)


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """A replay before it begins. `reuse` is what the store has; None: `unknown` says why it was not asked.

    `waiting`: records of the lane that the group has not finished, ahead of those of this replay.
    """

    spec: ReplaySpec
    lane: str
    survey: RangeSurvey
    cost: CostEstimate
    reuse: ReuseEstimate | None = None
    unknown: str | None = None
    waiting: int | None = None

    @property
    def pictures_to_make(self) -> int | None:
        """The number of pictures that GPUs have to paint."""
        return self.reuse.total("pictures") if self.reuse else None

    def as_json(self) -> dict[str, Any]:
        """Return the plan for programs."""
        facts = {
            "replay_id": self.spec.id,
            "topic": self.spec.range.topic,
            "lane": self.lane,
            "from": self.spec.range.starts,
            "to": self.spec.range.stops,
            **self._survey_facts(),
            **self._cost_facts(),
            "waiting_in_lane": self.waiting,
            "partitions": list(self.rows()),
        }
        return {name: fact for name, fact in facts.items() if fact is not None}

    def _survey_facts(self) -> dict[str, Any]:
        partitions = self.survey.partitions.values()
        return {
            "read": sum(partition.read for partition in partitions),
            "valid": sum(partition.valid for partition in partitions),
            "decisions": self.survey.decisions,
            "invalid": dict(self.survey.reasons),
            "invalid_records": _named(self.survey.invalid),
            "newest": sum(partition.newest for partition in partitions),
            "chosen": self.survey.chosen,
            "pictures": self.survey.pictures,
        }

    def _cost_facts(self) -> dict[str, Any]:
        reuse, gpu_seconds = self.reuse, self.cost.gpu_seconds(self.pictures_to_make)
        return {
            "made": reuse and reuse.total("made"),
            "to_make": reuse and reuse.total("to_make"),
            "pictures_to_make": self.pictures_to_make,
            "unpaintable": reuse and _named(reuse.unpaintable),
            "made_unknown": self.unknown,
            "picture_seconds": self.cost.picture_seconds,
            "measured_outcomes": self.cost.outcomes,
            "devices": self.cost.devices,
            "gpu_hours": None if gpu_seconds is None else gpu_seconds / 3600,
            "eta_seconds": self.cost.eta(self.pictures_to_make, self.survey.chosen),
        }

    def rows(self) -> Iterator[dict[str, int]]:
        """Yield the figures of each partition."""
        for number, partition in self.survey.partitions.items():
            row = {"partition": number, "from": partition.span.start, "to": partition.span.stop, "read": partition.read}
            row |= {"valid": partition.valid, "newest": partition.newest, "chosen": partition.chosen}
            if self.reuse:
                counts = self.reuse.partitions.get(number)
                row |= {"made": counts.made if counts else 0, "to_make": counts.to_make if counts else 0}
            yield row


def _named(records: list[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"at": at, "why": why} for at, why in records]
