"""Reads topics for what is wanted, partition by partition: memory holds what was found, and only the newest of it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from consumer.admin.trace.filters import RecordFilter
from consumer.delivery.ports import BusError, Partition
from consumer.errors import Fatal
from consumer.jobs import Record
from consumer.kafka.partition_reader import PartitionReader
from schemas import Reason

MOST: Final = 1_000
"""Records kept of one partition of a topic: the newest."""

_SHOWN_EVERY: Final = 500
"""Records between two looks at how much is done: a progress bar costs more than a record."""


@dataclass(slots=True)
class ScanReport:
    """How many records were read, how many found ones were left out as too old, and where reading ended early."""

    records: int = 0
    left_out: int = 0
    unread: list[str] = field(default_factory=list)


@dataclass(slots=True)
class TopicScan:
    """Reads within one deadline. `reader` is one of committed records; `since_ms` 0 reads all that there is.

    `share` is told how much is done, from 0 to 1.
    """

    reader: PartitionReader
    since_ms: int
    deadline: float
    share: Callable[[float], None]
    report: ScanReport = field(default_factory=ScanReport)

    async def spans(self, partitions: Collection[Partition], whole: str) -> dict[Partition, range]:
        """Return what is to be read of each partition, of the topic `whole` all. Raises `BusError`, `Fatal`."""
        await self.reader.load_metadata({partition.topic for partition in partitions})
        spans = await self.reader.spans(partitions)
        aged = {at: self.since_ms for at in spans if self.since_ms and at.topic != whole}
        first = await self.reader.first_since(aged) if aged else {}
        starts = {at: spans[at].stop if start is None else start for at, start in first.items()}
        return {at: range(starts.get(at, span.start), span.stop) for at, span in spans.items()}

    async def find(
        self, spans: Mapping[Partition, range], wanted: Mapping[str, RecordFilter]
    ) -> dict[Partition, list[Record]]:
        """Return the wanted records of each span; `wanted` has a filter for each topic.

        One that cannot be read to its end is reported. Raises `Fatal` once the time is up.
        """
        total, done, found = sum(map(len, spans.values())), 0, {}
        for partition, span in spans.items():
            kept: deque[Record] = deque(maxlen=MOST)
            async for record in self._read(partition, span):
                self.report.records += 1
                if self.report.records % _SHOWN_EVERY == 0:
                    self.share((done + record.offset - span.start) / total)
                if wanted[partition.topic].matches(record):
                    self.report.left_out += len(kept) == MOST
                    kept.append(record)
            done += len(span)
            found[partition] = list(kept)
        return found

    async def _read(self, partition: Partition, span: range) -> AsyncIterator[Record]:
        position = span.start
        try:
            async for record in self.reader.records(partition, span):
                if asyncio.get_running_loop().time() > self.deadline:
                    raise _too_long(partition)
                position = record.offset + 1
                yield record
        except BusError as error:
            self.report.unread.append(f"{partition.topic} {partition.number} from offset {position} on: {error}")


def _too_long(partition: Partition) -> Fatal:
    return Fatal(
        Reason.BUS_UNAVAILABLE,
        f"The topics are too long to be read in this time: it was up at {partition.topic}:{partition.number}. Read "
        "only what is recent (--since 2d), or give it longer (--timeout 30min).",
    )
