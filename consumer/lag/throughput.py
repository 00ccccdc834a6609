"""Recent throughput, read from the newest outcome events: seconds per job, and when each shard last finished one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Annotated

from pydantic import BaseModel, Field, ValidationError

from consumer.delivery.ports import Partition
from consumer.jobs import Record
from consumer.kafka.partition_reader import PartitionReader
from consumer.settings import Settings
from schemas.names import IMAGE_READY, OUTCOME

TAIL = 64
"""Offsets read at the end of each partition; every other one may be the marker of a transaction."""

TAIL_SECONDS = 2.0
"""Time after which whatever was not read stays unknown."""


class _StageSeconds(BaseModel, strict=True):
    engine: Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _ReadyOutcome(BaseModel, strict=True):
    """What is read of an outcome; others may have written anything."""

    reused: bool
    seconds: _StageSeconds


@dataclass(frozen=True, slots=True)
class Throughput:
    """What the newest outcomes say.

    `engine_seconds` is the median over painted ones, each by its longest picture; None if there are none. `outcomes` is
    their number. `newest_ms` is the time of each partition's newest outcome of any kind, in milliseconds since 1970; a
    partition without one, or whose end was not read in time, is missing.
    """

    engine_seconds: float | None
    outcomes: int
    newest_ms: Mapping[int, int]


NO_THROUGHPUT = Throughput(None, 0, {})


async def read_throughput(settings: Settings, reader: PartitionReader, partitions: int) -> Throughput:
    """Read the end of the outcome topic and its `partitions` (0: there is none) with a reader of committed records.

    Raises `BusError` when no broker answers, `Fatal` where reading is not allowed.
    """
    if not partitions:
        return NO_THROUGHPUT
    topic = settings.topics.named(OUTCOME)
    there = await reader.spans([Partition(topic, number) for number in range(partitions)])
    spans = {partition: span[-TAIL:] for partition, span in there.items()}
    read = await reader.side_by_side(spans, TAIL_SECONDS)
    painted = [seconds for tail in read.values() for seconds in _painted(tail.records)]
    newest = {
        partition.number: tail.records[-1].timestamp_ms
        for partition, tail in read.items()
        if tail.records and tail.stop >= spans[partition].stop
    }
    return Throughput(median(painted) if painted else None, len(painted), newest)


def _painted(records: Iterable[Record]) -> Iterable[float]:
    """Yield the engine's seconds of each outcome whose pictures were painted for it."""
    for record in records:
        if dict(record.headers).get("ce_type") != IMAGE_READY.encode():
            continue
        try:
            outcome = _ReadyOutcome.model_validate_json(record.value or b"")
        except ValidationError:  # not written by a worker
            continue
        if not outcome.reused:
            yield outcome.seconds.engine
