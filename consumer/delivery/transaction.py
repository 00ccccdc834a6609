"""One transaction: what records cause, the heads it rests on, and the offsets, visible together or not at all."""

import asyncio
from collections.abc import Mapping, Sequence

from consumer import failpoints
from consumer.delivery.ports import CommittedOffset, Epoch, OutgoingRecord
from consumer.failpoints import Failpoint


async def commit_together(
    epoch: Epoch,
    records: Sequence[OutgoingRecord],
    own: Sequence[OutgoingRecord],
    offsets: Mapping[str, CommittedOffset],
    seconds: float,
) -> None:
    """Write `records`, the offsets that the fleet keeps of its `own`, and the group's `offsets`, by topic.

    Raises `BusError`, and `TimeoutError` without an answer in time: then it may have gone through or not.
    """
    async with asyncio.timeout(seconds):
        await epoch.begin()
        await epoch.write([*records, *own])
        if records:
            await failpoints.reached(Failpoint.BEGUN)
        if offsets:
            await epoch.send_offsets(offsets)
        await epoch.commit()
