"""Change one record of `article-image-heads` while workers run.

It is written by the shard's own transactional producer. That fences the worker that owns the shard, which opens it
again and reads the record with everything else its epoch rests on.
"""

import asyncio
import random
from collections.abc import Callable

from consumer.delivery.ports import BusError, OutgoingRecord, Partition
from consumer.kafka.partition_reader import read_table
from consumer.kafka.producer import open_epoch, was_fenced
from consumer.settings import Settings
from schemas import names

FENCED_AGAIN = 8
"""Times that others may fence us in turn: the shard's worker, half a second after it was fenced, or another command."""

BACKOFF_SECONDS = 0.05
"""Longest wait after the first fencing; doubled with each, and drawn at random: two commands would fence each other."""

ValueChange = Callable[[bytes | None], bytes | None]
"""Returns a key's new value, from its newest (None: it has none); None leaves it as it is. Pure: it is called again."""


async def change_value(settings: Settings, shard: int, key: bytes, change: ValueChange) -> bool:
    """Change a key's newest value in the shard's partition; return whether it was written. Raises `BusError`.

    The shard is left alone where nothing changes.
    """
    topic = settings.topics.named(names.HEADS)
    table = Partition(topic, shard)
    pairs, start = await read_table(settings.kafka, table, 0)
    value = dict(pairs).get(key)
    if change(value) is None:
        return False
    fenced = 0
    while True:
        try:
            async with open_epoch(settings.kafka, str(shard), shard) as epoch:
                # What was written until the worker was fenced, also by another command.
                pairs, start = await read_table(settings.kafka, table, start)
                value = dict(pairs).get(key, value)
                changed = change(value)
                if changed is None:
                    return False
                await epoch.write_transaction([OutgoingRecord(topic, shard, key, changed, ())])
                return True
        except BusError as error:
            fenced += 1
            if fenced > FENCED_AGAIN or not was_fenced(error):
                raise
        await asyncio.sleep(random.uniform(0, BACKOFF_SECONDS * 2 ** (fenced - 1)))
