"""One transaction of records only: all of them become visible, or none."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiokafka.errors import ProducerFenced

from consumer import failpoints
from consumer.failpoints import Failpoint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumer.delivery.ports import OutgoingRecord
    from consumer.kafka.producer import KafkaEpoch


async def write(epoch: KafkaEpoch, letters: Sequence[OutgoingRecord], seconds: float) -> None:
    """Write the letters in one transaction of at most so many seconds.

    Raises `RecordRefused`, then none was written; `BusError` or `TimeoutError`, then it is open whether they were.
    """
    async with asyncio.timeout(seconds):
        await epoch.begin()
        await epoch.write(letters)
        await failpoints.reached(Failpoint.BEGUN)
        await epoch.commit()


def was_fenced(error: Exception) -> bool:
    """Tell whether another producer of the same id ended this one, or Kafka did for the transaction's age."""
    return ProducerFenced.__name__ in str(error)  # a letter's future tells it as text only
