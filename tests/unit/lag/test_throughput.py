"""Throughput is measured from outcomes, whatever else others write beside them."""

from __future__ import annotations

from typing import cast

import pytest

from consumer.delivery.ports import Partition
from consumer.jobs import Record
from consumer.kafka.partition_reader import PartitionReader, SpanRecords
from consumer.lag.throughput import read_throughput
from consumer.settings import Settings
from schemas.names import IMAGE_READY, OUTCOME

PAINTED = b'{"reused": false, "seconds": {"engine": 3}}'
AT = Partition(OUTCOME, 0)


class Outcomes:
    """A partition of outcomes that holds these values."""

    def __init__(self, values: list[bytes | None]) -> None:
        kind = (("ce_type", IMAGE_READY.encode()),)
        self.records = [Record(OUTCOME, 0, offset, b"a-1", value, kind, 7) for offset, value in enumerate(values)]

    async def spans(self, partitions: list[Partition]) -> dict[Partition, range]:
        return dict.fromkeys(partitions, range(len(self.records)))

    async def side_by_side(self, spans: dict[Partition, range], seconds: float) -> dict[Partition, SpanRecords]:
        assert seconds > 0
        return {at: SpanRecords(self.records[span.start : span.stop], span.stop) for at, span in spans.items()}


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"\xff",
        b"7",
        b"[" * 100_000,
        b'{"reused": true, "seconds": {"engine": 90}}',
        b'{"reused": false, "seconds": 7}',
        b'{"reused": false, "seconds": {"engine": -5}}',
        b'{"reused": false, "seconds": {"engine": 1e999}}',
        b'{"reused": false, "seconds": {"engine": 1' + b"0" * 400 + b"}}",
    ],
)
async def test_only_painted_outcomes_of_workers_count(value: bytes | None) -> None:
    """What is no outcome of a worker, or no painting, is left out, and ends no reading."""
    reader = cast("PartitionReader", Outcomes([value, PAINTED, value]))
    measured = await read_throughput(Settings(), reader, 1)

    assert (measured.engine_seconds, measured.outcomes, measured.newest_ms) == (3.0, 1, {0: 7})
