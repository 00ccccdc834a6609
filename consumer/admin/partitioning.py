"""Articles whose requests lie on two partitions: their publishers do not use one partitioner.

Order holds within a partition only, and each shard decides by itself which save is the newest.
"""

from collections.abc import Sequence

from consumer.delivery.ports import Partition
from consumer.kafka.partition_reader import PartitionReader

RECENT = 4_000
"""Offsets of all partitions together that are read, the newest of each."""

READ_SECONDS = 5.0


async def split_articles(reader: PartitionReader, partitions: Sequence[Partition]) -> dict[str, list[int]]:
    """Return the articles of recent requests in these lanes that lie on several partition numbers, and those numbers.

    Raises `BusError`. What is not read in time is left out.
    """
    each = max(1, RECENT // max(1, len(partitions)))
    spans = await reader.spans(partitions)
    tails = {at: span[-each:] for at, span in spans.items()}
    numbers: dict[bytes, set[int]] = {}
    for partition, read in (await reader.side_by_side(tails, READ_SECONDS)).items():
        for record in read.records:
            if record.key:
                numbers.setdefault(record.key, set()).add(partition.number)
    split = {key.decode("utf-8", "replace"): sorted(on) for key, on in numbers.items() if len(on) > 1}
    return dict(sorted(split.items()))
