"""This fleet's own offsets, looked up where somebody else committed for its group: read from the end of the heads."""

from collections.abc import Collection, Mapping

from consumer.delivery.offset_metadata import has_mark
from consumer.delivery.own_offsets import OwnOffsets, is_foreign
from consumer.delivery.ports import UNCOMMITTED, CommittedOffset, Partition
from consumer.kafka.partition_reader import PartitionReader

TAIL = 256
"""Offsets read from the end of a partition of the heads: each transaction that writes any ends with what is wanted."""

TAIL_SECONDS = 5.0


async def foreign_commits(
    reader: PartitionReader, heads: str, group_id: str, committed: Mapping[Partition, CommittedOffset]
) -> dict[Partition, CommittedOffset]:
    """Return our own offsets of partitions that somebody else committed at or ahead of them; others are left out.

    `heads` is the topic's full name. Only partitions without our mark are looked up. Raises `BusError`.
    """
    unmarked = [at for at, offset in committed.items() if offset.offset != UNCOMMITTED and not has_mark(offset)]
    own = await _own_offsets(reader, heads, group_id, {partition.number for partition in unmarked})
    known = {partition: own[partition] for partition in unmarked if partition in own}
    return {partition: at for partition, at in known.items() if is_foreign(committed[partition], at)}


async def _own_offsets(
    reader: PartitionReader, heads: str, group_id: str, shards: Collection[int]
) -> dict[Partition, CommittedOffset]:
    if not shards:
        return {}
    spans = await reader.spans([Partition(heads, shard) for shard in shards])
    tails = {at: span[-TAIL:] for at, span in spans.items()}
    found: dict[Partition, CommittedOffset] = {}
    for partition, read in (await reader.side_by_side(tails, TAIL_SECONDS)).items():
        own = OwnOffsets(heads, group_id, partition.number)
        for record in read.records:
            own.take(record.key or b"", record.value)
        found |= {Partition(topic, partition.number): at for topic, at in own.known.items()}
    return found
