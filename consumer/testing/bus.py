"""The in-memory twin of the bus, at the level of the client: every step that can fail is its own await."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from consumer.delivery.ports import BusError, CommittedOffset, OutgoingRecord, Partition
from consumer.delivery.shard_owner import ShardOwner
from consumer.jobs import Record
from consumer.testing.broker import MemoryBroker
from consumer.testing.line import Line
from consumer.testing.reader import MemoryReader

__all__ = ["MemoryBroker", "MemoryBus", "MemoryEpoch"]


class MemoryEpoch:
    """The twin of a transactional producer."""

    def __init__(self, broker: MemoryBroker, line: Line, shard: int, number: int) -> None:
        self._broker = broker
        self._line = line
        self._shard = shard
        self._number = number
        self._sent: list[asyncio.Future[object]] = []

    async def begin(self) -> None:
        """Open a transaction; the broker only learns of it with the first record or offset."""
        await asyncio.sleep(0)
        self._broker.faults("begin")
        self._sent = []

    async def write(self, records: Sequence[OutgoingRecord]) -> None:
        """Send the records, and wait until all are taken."""
        await asyncio.gather(*[await self.send(record) for record in records])

    async def send(self, record: OutgoingRecord) -> asyncio.Future[object]:
        """Send one record; it is under way, and may be refused, while the caller goes on."""
        await asyncio.sleep(0)
        self._broker.faults("send")
        answer = self._line.post("answer", lambda: self._broker.produce(self._shard, self._number, record))
        self._sent.append(answer)
        return answer

    async def send_offsets(self, offsets: Mapping[str, CommittedOffset]) -> None:
        """Put offsets into the transaction."""
        await self._line.ask("send_offsets", lambda: self._broker.put_offsets(self._shard, self._number, dict(offsets)))

    async def commit(self) -> None:
        """End the transaction after what is still under way; the fault `committed` loses only the answer."""
        if self._sent:
            await asyncio.wait(self._sent)
        await self._line.ask("commit", lambda: self._broker.commit(self._shard, self._number), "committed")


class MemoryBus:
    """The twin of one worker's bus. Without a `reader` it reads all partitions itself, outside of any group."""

    def __init__(self, broker: MemoryBroker, topics: Sequence[str], reader: MemoryReader | None = None) -> None:
        self._broker = broker
        self._topics = tuple(topics)
        self._reader = reader or MemoryReader(broker)
        if reader is None:
            self._reader.assign(Partition(topic, shard) for topic in topics for shard in range(broker.partitions))

    @asynccontextmanager
    async def epoch(self, shard: int) -> AsyncIterator[MemoryEpoch]:
        """Fence every older producer of the shard and abort what that left open."""
        number = await self._reader.line.ask("init", lambda: self._broker.init(shard))
        try:
            yield MemoryEpoch(self._broker, self._reader.line, shard, number)
        finally:
            await asyncio.sleep(0)

    async def committed_offsets(self, shard: int) -> Mapping[str, CommittedOffset]:
        """Return committed offsets; the fault `offsets_missing` loses a part, as aiokafka's admin client does."""
        committed: dict[str, CommittedOffset] = await self._reader.line.ask("offsets", lambda: self._offsets(shard))
        return committed

    def _offsets(self, shard: int) -> dict[str, CommittedOffset]:
        answer = self._broker.committed(self._topics, shard)
        if self._broker.answers_in_part():
            answer.pop(self._topics[0])
        return answer

    async def strangers(self) -> str:
        """Return what the test says: all members of the twin read the same topics."""
        return self._broker.strangers

    async def log_spans(self, shard: int) -> Mapping[str, range]:
        """Return where the shard's logs begin and end."""
        spans: dict[str, range] = await self._reader.line.ask("spans", lambda: self._broker.spans(self._topics, shard))
        return spans

    async def read_table(self, topic: str, shard: int, start: int) -> tuple[list[tuple[bytes, bytes | None]], int]:
        """Return what is committed from an offset on. Raises `BusError` where an open transaction hides a part."""
        log = Partition(topic, shard)
        records: list[Record]
        records, following = await self._reader.line.ask(
            "table", lambda: self._broker.read(log, start, len(self._broker.logs[log]))
        )
        if following < len(self._broker.logs[log]):
            raise BusError("an open transaction hides a part of the table")
        return [(record.key or b"", record.value) for record in records], following

    def seek(self, topic: str, shard: int, offset: int) -> None:
        """Move the cursor."""
        self._reader.seek(Partition(topic, shard), offset)

    def position(self, topic: str, shard: int) -> int | None:
        """Return the cursor, None before the first seek."""
        return self._reader.position(Partition(topic, shard))

    def poll(self, owner: ShardOwner, most: int = 500) -> int:
        """Deliver what may be read to the owner, up to `most` records of each lane; return how many."""
        delivered = 0
        for topic in self._topics:
            for _ in range(most):
                if self._reader.is_out_of_range(Partition(topic, owner.shard)):
                    owner.position_lost(topic)
                records = self._reader.take(1, [Partition(topic, owner.shard)]) if owner.accepts(topic) else {}
                for record in records.get(Partition(topic, owner.shard), []):
                    owner.deliver(record)
                    delivered += 1
                if not records:
                    break
        return delivered
