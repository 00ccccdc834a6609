"""Topics are read within bounds, and what cannot be read is said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import replace
from typing import cast

import pytest

from consumer.admin.trace import scan
from consumer.admin.trace.filters import ArticleFilter
from consumer.admin.trace.scan import TopicScan
from consumer.delivery.ports import BusError, Partition
from consumer.errors import Fatal
from consumer.jobs import Record
from consumer.kafka.partition_reader import PartitionReader
from schemas import names

LANE, HEADS = Partition(names.REQUESTED, 3), Partition(names.HEADS, 3)
RECORD = Record(names.REQUESTED, 3, 0, b"a-1", b"{}", (), 1_000)


class FakeReader:
    """Ten records a partition, of which a broken one ends at offset 4; time stamps begin at offset 7."""

    def __init__(self, broken: Partition | None = None) -> None:
        self.broken = broken

    async def load_metadata(self, _topics: Collection[str]) -> None:
        """Do nothing."""

    async def spans(self, partitions: Collection[Partition]) -> dict[Partition, range]:
        return dict.fromkeys(partitions, range(10))

    async def first_since(self, times: Mapping[Partition, int]) -> dict[Partition, int | None]:
        return {at: 7 if ms < 2_000 else None for at, ms in times.items()}

    async def records(self, partition: Partition, span: range) -> AsyncIterator[Record]:
        for offset in span:
            if partition == self.broken and offset == 4:
                raise BusError("a broken batch")
            yield replace(RECORD, topic=partition.topic, offset=offset)


def scan_of(
    reader: FakeReader,
    *,
    since_ms: int = 0,
    seconds: float = 60.0,
    share: Callable[[float], None] = lambda _share: None,
) -> TopicScan:
    deadline = asyncio.get_running_loop().time() + seconds
    return TopicScan(cast("PartitionReader", reader), since_ms, deadline, share)


async def found(reading: TopicScan) -> dict[Partition, list[int]]:
    """Read both partitions; return the offsets that were found."""
    spans = await reading.spans([LANE, HEADS], names.HEADS)
    wanted = dict.fromkeys([names.REQUESTED, names.HEADS], ArticleFilter("a-1"))
    return {at: [one.offset for one in each] for at, each in (await reading.find(spans, wanted)).items()}


async def test_only_the_newest_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory holds so many of each partition, and the others are counted."""
    monkeypatch.setattr(scan, "MOST", 3)
    reading = scan_of(FakeReader())

    assert await found(reading) == {LANE: [7, 8, 9], HEADS: [7, 8, 9]}
    assert (reading.report.records, reading.report.left_out) == (20, 14)


@pytest.mark.parametrize(("since_ms", "offsets"), [(1_000, [7, 8, 9]), (9_000, [])])
async def test_the_heads_are_read_whole(since_ms: int, offsets: list[int]) -> None:
    """A time limit leaves out old records, but of a compacted topic the old ones are what counts."""
    assert await found(scan_of(FakeReader(), since_ms=since_ms)) == {LANE: offsets, HEADS: list(range(10))}


async def test_a_partition_that_cannot_be_read_does_not_hide_the_others() -> None:
    """What was read before counts, and where it ended is said."""
    reading = scan_of(FakeReader(broken=LANE))

    assert await found(reading) == {LANE: [0, 1, 2, 3], HEADS: list(range(10))}
    assert reading.report.unread == [f"{names.REQUESTED} 3 from offset 4 on: a broken batch"]


async def test_reading_ends_with_its_time() -> None:
    """The sentence says what to do: read less, or longer."""
    with pytest.raises(Fatal, match="--since 2d"):
        await found(scan_of(FakeReader(), seconds=-1.0))


async def test_progress_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a share of all that is to be read."""
    monkeypatch.setattr(scan, "_SHOWN_EVERY", 5)
    shares: list[float] = []
    await found(scan_of(FakeReader(), share=shares.append))

    assert shares == [pytest.approx(share) for share in (0.2, 0.45, 0.7, 0.95)]
