"""Articles whose requests lie on two partitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from consumer.admin import partitioning
from consumer.admin.partitioning import split_articles
from consumer.delivery.ports import Partition
from consumer.jobs import Record
from consumer.kafka.partition_reader import SpanRecords

Keys = Mapping[Partition, Sequence[bytes | None]]


class Reader:
    """Logs that hold nothing but keys."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    async def spans(self, partitions: Sequence[Partition]) -> dict[Partition, range]:
        return {partition: range(len(self._keys[partition])) for partition in partitions}

    async def side_by_side(self, spans: Mapping[Partition, range], seconds: float) -> dict[Partition, SpanRecords]:
        assert seconds > 0
        return {
            at: SpanRecords(
                [Record(*at, offset, self._keys[at][offset], b"{}", (), timestamp_ms=0) for offset in span], span.stop
            )
            for at, span in spans.items()
        }


async def split(keys: Keys) -> dict[str, list[int]]:
    reader: Any = Reader(keys)
    return await split_articles(reader, list(keys))


async def test_an_article_on_two_partition_numbers_is_found() -> None:
    """In one lane or over both; records without a key have no article, and bytes that are no text are no error."""
    keys: Keys = {
        Partition("requested", 0): [b"a-1", b"a-2", None, b"a-2"],
        Partition("requested", 1): [b"a-1", b"\xff", None],
        Partition("backfill", 0): [b"a-2", b"\xff"],
    }

    assert await split(keys) == {"a-1": [0, 1], "\N{REPLACEMENT CHARACTER}": [0, 1]}
    assert await split({Partition("requested", 0): [b"a-1"], Partition("requested", 1): [b"a-2"]}) == {}


async def test_only_the_newest_are_read() -> None:
    """What a former partitioner wrote long ago does not count for ever; a long lane costs no more than a short one."""
    old = [b"a-1", *[b"a-2"] * partitioning.RECENT]

    assert await split({Partition("requested", 0): old, Partition("requested", 1): [b"a-1"]}) == {}
