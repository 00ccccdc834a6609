"""From where to where a replay reads: as a person tells it, and as offsets. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_AGO: Final = re.compile(r"([0-9]{1,5})([smhdw])")
_OFFSET: Final = re.compile(r"[0-9]{1,18}")
_PAIR: Final = re.compile(r"([0-9]{1,6}):([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class RangeEnd:
    """One end of a range: a `moment`, one `offset` for all partitions, or one for each that `offsets` names."""

    moment: datetime | None = None
    offset: int | None = None
    offsets: tuple[tuple[int, int], ...] = ()

    @classmethod
    def parse(cls, text: str, now: datetime) -> RangeEnd:
        """Read `1200`, `0:1200,1:1180`, `2031-05-17T08:00:00Z` or, before `now`, `36h`. Raises `ValueError`."""
        if _OFFSET.fullmatch(text):
            return cls(offset=int(text))
        if found := _AGO.fullmatch(text):
            return cls(moment=now.astimezone(UTC) - timedelta(**{_UNITS[found[2]]: int(found[1])}))
        pairs = [_PAIR.fullmatch(part) for part in text.split(",")]
        if all(pairs):
            return cls(offsets=_once([(int(pair[1]), int(pair[2])) for pair in pairs if pair]))
        return cls(moment=_moment(text))

    def names(self, partition: int) -> bool:
        """Tell whether the partition takes part; pairs of offsets choose it."""
        return not self.offsets or any(number == partition for number, _ in self.offsets)

    def told(self, partition: int) -> int | None:
        """Return the partition's offset where offsets were given."""
        return self.offset if not self.offsets else dict(self.offsets)[partition]


def _once(pairs: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    if len({partition for partition, _ in pairs}) < len(pairs):
        raise ValueError("A partition is named twice: give it one offset.")
    return tuple(sorted(pairs))


def _moment(text: str) -> datetime:
    try:
        told = datetime.fromisoformat(text)
    except ValueError:
        told = None
    if told is None:
        raise ValueError(
            f"{text[:40]!a} is no place in a topic: give offsets such as 0:1200,1:1180 or 1200 for all partitions, a "
            "moment with its zone such as 2031-05-17T08:00:00Z, or how long ago, such as 90m, 36h, 7d."
        )
    if told.tzinfo is None:
        raise ValueError(
            f"{text[:40]!a} has no zone, and nobody knows which one is meant: write {text[:40]}Z for UTC, or end it in "
            "an offset such as +02:00."
        )
    return told.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class OffsetRange:
    """The offsets of a topic that a replay reads, by partition; some may not be there any more, or not yet."""

    topic: str
    spans: Mapping[int, range]

    @classmethod
    def of(cls, topic: str, spans: Mapping[int, range]) -> OffsetRange:
        """Leave out partitions in which there is nothing between the ends."""
        return cls(topic, {partition: span for partition, span in sorted(spans.items()) if span})

    @property
    def starts(self) -> str:
        """The lower ends as `--from` takes them."""
        return _pairs((partition, span.start) for partition, span in self.spans.items())

    @property
    def stops(self) -> str:
        """The upper ends as `--to` takes them."""
        return _pairs((partition, span.stop) for partition, span in self.spans.items())


def _pairs(offsets: Iterable[tuple[int, int]]) -> str:
    return ",".join(f"{partition}:{offset}" for partition, offset in offsets)
