"""What the group assigned: which shards are whole, and what it means when one is not."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence

from consumer.delivery.ports import BusError, Partition
from consumer.errors import Fatal
from schemas import Reason

STRANGERS_SECONDS = 5.0
"""How long a rebalance waits for the names of strangers in the group."""


def complete_shards(partitions: Collection[Partition], lanes: Sequence[str]) -> frozenset[int]:
    """Return the shards of which every lane is among the partitions."""
    return frozenset.intersection(
        *(frozenset(number for topic, number in partitions if topic == lane) for lane in lanes)
    )


def counts_differ(partitions: Collection[Partition], lanes: Sequence[str], count: int) -> Fatal:
    """Return the error for lanes that no longer have `count` partitions each, or are gone."""
    by_lane = {lane: sorted(number for topic, number in partitions if topic == lane) for lane in lanes}
    if gone := [lane for lane, numbers in by_lane.items() if not numbers]:
        message = f"{', '.join(gone)}: no such topic any more. Make it: leadart topics apply."
    else:
        message = (
            f"The lanes' partition counts changed while the worker ran, from {count} each: this worker was given "
            f"{by_lane}. Growing moves articles between shards: drain the lanes, stop the workers, then "
            "LEADART_TOPICS__PARTITIONS=N leadart topics apply --grow."
        )
    return Fatal(Reason.TOPICS_MISMATCH, message)


async def named_strangers(ask: Callable[[], Awaitable[str]]) -> str:
    """Return who else is in the group, or why that is unknown; empty if there is nobody."""
    try:
        async with asyncio.timeout(STRANGERS_SECONDS):
            return await ask()
    except (BusError, TimeoutError) as error:  # the next rebalance is near
        return f"unknown ({error or 'no answer'})"
