"""The poll loop, with a reader that fails on demand."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from consumer.delivery.poll_loop import PollLoop
from consumer.delivery.ports import BusError, Listener, Partition
from consumer.jobs import Record
from consumer.testing.broker import MemoryBroker
from consumer.testing.bus import MemoryBus

BOUND = 5.0
BROKEN = Partition("requested", 1)


class HalfReader:
    """Two partitions, one of which cannot be read."""

    failure: str | None = None
    awaits_assignment = False
    assignment = frozenset({Partition("requested", 0), BROKEN})

    def subscribe(self, topics: Sequence[str], listener: Listener) -> None:
        """Never rebalance."""

    def pause(self, partition: Partition) -> None:
        """Do nothing."""

    def resume(self, partition: Partition) -> None:
        """Do nothing."""

    async def read(self, seconds: float, most: int, among: Sequence[Partition]) -> Mapping[Partition, Sequence[Record]]:
        assert (seconds >= 0, most > 0) == (True, True)
        await asyncio.sleep(0)
        if BROKEN in among:
            raise BusError("a batch that cannot be unpacked")
        return {}


class EagerOwner:
    """A shard that always takes more."""

    open = True

    def accepts(self, topic: str) -> bool:
        return topic == "requested"

    def in_flight(self, topic: str) -> int:
        return len(topic) - len("requested")


async def test_one_unreadable_partition_is_reported_and_is_no_standstill() -> None:
    """The others are read, which is a sign of life; the broken one is reported while it is broken."""
    beats = asyncio.Event()
    owners: Any = {0: EagerOwner(), 1: EagerOwner()}
    intake = PollLoop(
        HalfReader(),
        ["requested"],
        owners,
        max_in_flight=8,
        cancel_revoked=False,
        polled=beats.set,
        strangers=MemoryBus(MemoryBroker(), ["requested"]).strangers,
    )
    running = asyncio.ensure_future(intake.run())
    await asyncio.wait_for(beats.wait(), BOUND)
    running.cancel()
    await asyncio.wait([running], timeout=BOUND)

    assert intake.unreadable == {BROKEN: "a batch that cannot be unpacked"}
