"""The twin of the group's consumer: one member, its coordination and its heartbeats as tasks of their own."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from consumer.delivery.ports import UNCOMMITTED, BusError, Listener, Partition, PositionLost
from consumer.jobs import Record
from consumer.testing.broker import MemoryBroker
from consumer.testing.group import Evicted, Rebalancing
from consumer.testing.line import Line


@dataclass(slots=True)
class Cursor:
    """A partition's position. A rebalance makes a new one: pauses and positions are lost."""

    position: int | None = None
    paused: bool = False


class MemoryReader:
    """The `Reader` port on the in-memory broker. As a member it sends a heartbeat every `heartbeat_seconds`."""

    def __init__(self, broker: MemoryBroker, name: str = "member", heartbeat_seconds: float = 2.0) -> None:
        self.line = Line(broker, name)
        self._broker = broker
        self._heartbeat = heartbeat_seconds
        self._incarnations = 0
        self._generation = 0
        self._cursors: dict[Partition, Cursor] = {}
        self._lost: list[Partition] = []
        self._assigned = asyncio.Event()
        self._rejoin = asyncio.Event()
        self._coordination: asyncio.Task[None] | None = None
        self._heartbeats: asyncio.Task[None] | None = None

    @property
    def assignment(self) -> frozenset[Partition]:
        """The partitions the group assigned to this member last."""
        return frozenset(self._cursors)

    @property
    def failure(self) -> str | None:
        """Which task of this member died, if any."""
        for task in (self._coordination, self._heartbeats):
            if task is not None and task.done() and not task.cancelled() and task.exception() is not None:
                return f"{task.get_name()} died of {task.exception()!r}"
        return None

    @property
    def awaits_assignment(self) -> bool:
        """True from the start of a rebalance until the group has assigned partitions again."""
        return not self._assigned.is_set()

    def subscribe(self, topics: Sequence[str], listener: Listener) -> None:
        """Join the group."""
        self._coordination = asyncio.get_running_loop().create_task(self._coordinate(tuple(topics), listener))

    async def unsubscribe(self) -> None:
        """Leave the group, until it is joined again as a new member."""
        await self.close()
        self._incarnations += 1
        self._cursors = {}
        self._lost.clear()
        self._assigned.clear()
        self._rejoin.clear()

    def assign(self, partitions: Iterable[Partition]) -> None:
        """Take partitions without a group; `seek` sets where each is read."""
        self._cursors = {partition: Cursor() for partition in sorted(partitions)}
        self._assigned.set()

    async def close(self) -> None:
        """Leave the group."""
        tasks = [task for task in (self._coordination, self._heartbeats) if task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        with suppress(BusError):
            await self.line.ask("leave", lambda: self._broker.group.leave(self._name))

    def pause(self, partition: Partition) -> None:
        """Stop reading a partition."""
        self._cursors[partition].paused = True

    def resume(self, partition: Partition) -> None:
        """Read a partition again."""
        self._cursors[partition].paused = False

    def seek(self, partition: Partition, offset: int) -> None:
        """Continue from an offset. Raises `BusError` when the partition is not assigned."""
        if partition not in self._cursors:
            raise BusError(f"{partition} is no longer assigned")
        self._cursors[partition].position = offset

    def position(self, partition: Partition) -> int | None:
        """Return the offset to read next, None when unknown."""
        cursor = self._cursors.get(partition)
        return cursor.position if cursor is not None else None

    async def read(self, seconds: float, most: int, among: Sequence[Partition]) -> Mapping[Partition, Sequence[Record]]:
        """Poll once."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while True:
            await self._assigned.wait()
            if lost := [partition for partition in self._lost if self.position(partition) is None]:
                self._lost.clear()
                raise PositionLost("the group never committed here", lost)
            if lost := [partition for partition in among if self.is_out_of_range(partition)]:
                raise PositionLost("the log does not hold this position", lost)
            # No await between this and the caller, as in the real one.
            if (records := self.take(most, among)) or loop.time() >= end:
                return records
            await self._broker.wait_for_write(end - loop.time())

    def take(self, most: int, among: Sequence[Partition]) -> dict[Partition, list[Record]]:
        """Return what can be read now, and move past it."""
        taken: dict[Partition, list[Record]] = {}
        for partition, cursor in self._cursors.items():
            if cursor.position is None or cursor.paused or not self.line.up or partition not in among:
                continue
            if self.is_out_of_range(partition):
                continue
            records, cursor.position = self._broker.read(partition, cursor.position, most)
            if records:
                taken[partition] = records
                most -= len(records)
        return taken

    def is_out_of_range(self, partition: Partition) -> bool:
        """Return whether the log does not hold what is to be read next, nor ends there."""
        cursor = self._cursors.get(partition)
        if cursor is None or cursor.paused or cursor.position is None:
            return False
        span = self._broker.spans([partition.topic], partition.number)[partition.topic]
        return not span.start <= cursor.position <= span.stop

    @property
    def _name(self) -> str:
        return f"{self.line.owner}-{self._incarnations}"

    async def _coordinate(self, topics: Sequence[str], listener: Listener) -> None:
        while True:
            self._assigned.clear()
            await listener.on_revoked()  # heartbeats go on meanwhile
            await self._stop_heartbeats()
            partitions = await self._join(topics)
            self._rejoin.clear()
            self.assign(partitions)
            await self._find_positions(topics)
            await listener.on_assigned(partitions)
            self._heartbeats = asyncio.get_running_loop().create_task(self._send_heartbeats())
            await self._rejoin.wait()

    async def _join(self, topics: Sequence[str]) -> frozenset[Partition]:
        group, count = self._broker.group, self._broker.partitions
        while True:
            try:
                joined = await self.line.ask("join", lambda: group.join(self._name))
                self._generation = joined.generation
                partitions: frozenset[Partition] = await self.line.ask(
                    "sync", lambda: group.sync(self._name, self._generation, topics, count)
                )
            except BusError as error:
                if isinstance(error, Evicted):
                    self._incarnations += 1
                await asyncio.sleep(0.1)
            else:
                return partitions

    async def _find_positions(self, topics: Sequence[str]) -> None:
        """Find where to read, as the client does by itself before anybody seeks."""
        for shard in sorted({partition.number for partition in self._cursors}):
            with suppress(BusError):
                offsets = await self.line.ask("look_up", lambda: self._broker.committed(topics, shard))  # noqa: B023 - awaited here
                for partition, cursor in self._cursors.items():
                    if partition.number == shard and cursor.position is None:
                        if offsets[partition.topic].offset == UNCOMMITTED:
                            self._lost.append(partition)
                        else:
                            cursor.position = offsets[partition.topic].offset

    async def _send_heartbeats(self) -> None:
        while True:
            await asyncio.sleep(self._heartbeat)
            try:
                await self.line.ask("heartbeat", lambda: self._broker.group.heartbeat(self._name, self._generation))
            except Rebalancing:
                self._rejoin.set()
            except Evicted:
                self._incarnations += 1
                self._rejoin.set()
                return
            except BusError:
                continue

    async def _stop_heartbeats(self) -> None:
        if self._heartbeats is not None:
            self._heartbeats.cancel()
            await asyncio.wait([self._heartbeats])
