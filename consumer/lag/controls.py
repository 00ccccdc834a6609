"""What is paused, read from one partition of the heads: commands write it into every one."""

import asyncio
from contextlib import suppress

from consumer.delivery.controls import NO_CONTROLS, Controls, controls_key, read_controls
from consumer.delivery.ports import Partition
from consumer.kafka.partition_reader import PartitionReader

READ_SECONDS = 2.0
"""Time after which it stays unknown what is paused: a partition may hold a hundred thousand heads."""


class ControlsReader:
    """Reads the controls of a group again and again, after the first time only what is new."""

    def __init__(self, heads: str, group_id: str) -> None:
        self._partition = Partition(heads, 0)
        self._key = controls_key(group_id)
        self._next = 0
        self._controls = NO_CONTROLS

    async def read(self, reader: PartitionReader) -> Controls | None:
        """Return the controls; None if they could not be read in time. Raises `BusError`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(READ_SECONDS):
                span = await reader.span(self._partition)
                span = range(min(max(self._next, span.start), span.stop), span.stop)
                for key, value in await reader.table(self._partition, span) if span else ():
                    if key == self._key:
                        self._controls = read_controls(value)
                self._next = span.stop
                return self._controls
        return None
