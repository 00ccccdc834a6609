"""What was measured of late: the outcomes that workers announced last tell how long one takes and when one came."""

from __future__ import annotations

import json
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from consumer.delivery.ports import Partition
from schemas.names import IMAGE_READY, OUTCOME

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from consumer.jobs import Record
    from consumer.kafka.partition_reader import PartitionReader
    from consumer.settings import Settings

TAIL = 64
"""Offsets looked at from the end of each partition; every other one may be the marker of a transaction."""

TAIL_SECONDS = 2.0
"""Time after which the rest stays unknown."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What the newest outcomes tell.

    `engine_seconds` is the median over those painted, each by its longest picture; None when there were none.
    `outcomes` is how many it rests on. `newest_ms` is the time of each partition's newest outcome of any kind, in
    milliseconds since 1970; a partition without one, or whose end could not be read in time, is missing.
    """

    engine_seconds: float | None
    outcomes: int
    newest_ms: Mapping[int, int]


NOTHING_MEASURED = Measured(None, 0, {})


async def measure(settings: Settings, reader: PartitionReader, partitions: int) -> Measured:
    """Read the end of the outcome topic, which has so many partitions (0: it is not there).

    `consumer` is in no group, reads what is committed, and is assigned these partitions from here on. Best with a
    `fetch_max_wait_ms` of some 20. Raises `BusError` when no broker answers, `Fatal` where reading is not allowed.
    """
    topic = settings.topics.named(OUTCOME)
    tps = [Partition(topic, number) for number in range(partitions)]
    if not tps:
        return NOTHING_MEASURED
    spans = {tp: span[-TAIL:] for tp, span in (await reader.spans(tps)).items()}
    read = await reader.side_by_side(spans, TAIL_SECONDS)
    painted = [seconds for stretch in read.values() for seconds in _painted(stretch.records)]
    newest = {
        tp.number: stretch.records[-1].timestamp_ms
        for tp, stretch in read.items()
        if stretch.records and stretch.stop >= spans[tp].stop
    }
    return Measured(median(painted) if painted else None, len(painted), newest)


def _painted(records: Iterable[Record]) -> Iterable[float]:
    """Yield the engine's seconds of each outcome that pictures were painted for."""
    for record in records:
        if dict(record.headers).get("ce_type") != IMAGE_READY.encode():
            continue
        try:
            told: Any = json.loads(record.value or b"")
            if not told["reused"]:
                yield float(told["seconds"]["engine"])
        except (KeyError, TypeError, ValueError):  # not written by a worker
            continue
