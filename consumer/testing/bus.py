"""The in-memory twin of the bus, at the level of the client: every step that can fail is its own await.

It knows transactions, fencing, control markers, aborted copies and consumer offsets with metadata. It does not know
networks: `faults` decides before and after each step whether it fails, which is how tests break it where it hurts.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from consumer.jobs import Record
from consumer.kafka.bus import MAX_LETTER_BYTES, UNCOMMITTED, BusError, Letter, LetterRefused, Progress

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from consumer.kafka.owner import ShardOwner

Coordinates = tuple[str, int]


class Fate(Enum):
    """What became of an entry of the log."""

    OPEN = "open"
    COMMITTED = "committed"
    ABORTED = "aborted"
    MARKER = "marker"


@dataclass(slots=True)
class Entry:
    """One offset of a partition."""

    letter: Letter | None
    fate: Fate


@dataclass(slots=True)
class Transaction:
    """What a producer wrote and did not yet end."""

    entries: list[tuple[Coordinates, Entry]] = field(default_factory=list)
    offsets: dict[Coordinates, Progress] = field(default_factory=dict)


class MemoryBroker:
    """The cluster: logs, one group's offsets, and the newest epoch of each shard's producer."""

    def __init__(self) -> None:
        self.logs: defaultdict[Coordinates, list[Entry]] = defaultdict(list)
        self.offsets: dict[Coordinates, Progress] = {}
        self.epochs: defaultdict[int, int] = defaultdict(int)
        self.open: dict[int, Transaction] = {}
        self.refused_topics: set[str] = set()
        self.faults: Callable[[str], None] = lambda _step: None

    def publish(self, letter: Letter) -> int:
        """Append a record outside of all transactions; returns its offset."""
        log = self.logs[letter.topic, letter.partition]
        log.append(Entry(letter, Fate.COMMITTED))
        return len(log) - 1

    def leave_gap(self, topic: str, partition: int, offsets: int = 1) -> None:
        """Append offsets that no consumer ever sees, as markers and aborted copies are."""
        self.logs[topic, partition].extend(Entry(None, Fate.MARKER) for _ in range(offsets))

    def visible(self, topic: str, partition: int) -> list[Letter]:
        """Return what a read-committed subscriber sees: nothing at or above the first open transaction."""
        seen = []
        for entry in self.logs[topic, partition]:
            if entry.fate is Fate.OPEN:
                break
            if entry.fate is Fate.COMMITTED and entry.letter is not None:
                seen.append(entry.letter)
        return seen

    def end(self, shard: int, fate: Fate) -> None:
        """End a shard's open transaction: markers, and the offsets if it was committed."""
        transaction = self.open.pop(shard, Transaction())
        for _, entry in transaction.entries:
            entry.fate = fate
        for topic, partition in {coordinates for coordinates, _ in transaction.entries}:
            self.leave_gap(topic, partition)
        if fate is Fate.COMMITTED:
            self.offsets.update(transaction.offsets)


class MemoryEpoch:
    """The twin of a transactional producer."""

    def __init__(self, broker: MemoryBroker, shard: int, number: int) -> None:
        self._broker = broker
        self._shard = shard
        self._number = number

    async def begin(self) -> None:
        """Open a transaction."""
        await self._step("begin")
        self._broker.open[self._shard] = Transaction()

    async def send(self, letter: Letter) -> asyncio.Future[object]:
        """Append the letter, or fail its future, as a broker does that refuses a record."""
        await self._step("send")
        answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        answer.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            self._broker.faults("answer")
            if letter.topic in self._broker.refused_topics or letter.size > MAX_LETTER_BYTES:
                raise LetterRefused(f"{letter.topic} does not take {letter.size} bytes")
        except BusError as error:
            answer.set_exception(error)
            return answer
        entry = Entry(letter, Fate.OPEN)
        self._broker.logs[letter.topic, letter.partition].append(entry)
        self._broker.open[self._shard].entries.append(((letter.topic, letter.partition), entry))
        answer.set_result(None)
        return answer

    async def send_offsets(self, progress: Mapping[str, Progress]) -> None:
        """Put offsets into the transaction."""
        await self._step("send_offsets")
        offsets = {(topic, self._shard): at for topic, at in progress.items()}
        self._broker.open[self._shard].offsets.update(offsets)

    async def commit(self) -> None:
        """End the transaction; the fault `committed` loses only the answer."""
        await self._step("commit")
        self._broker.end(self._shard, Fate.COMMITTED)
        self._broker.faults("committed")

    async def _step(self, name: str) -> None:
        await asyncio.sleep(0)
        if self._broker.epochs[self._shard] != self._number:
            raise BusError("a newer epoch fenced this producer")
        self._broker.faults(name)


class MemoryBus:
    """The twin of one worker's bus: its own cursor over the shared broker."""

    def __init__(self, broker: MemoryBroker, topics: Sequence[str]) -> None:
        self._broker = broker
        self._topics = tuple(topics)
        self._cursor: dict[Coordinates, int] = {}

    @asynccontextmanager
    async def epoch(self, shard: int) -> AsyncIterator[MemoryEpoch]:
        """Fence every older producer of the shard and abort what it left open."""
        await asyncio.sleep(0)
        self._broker.faults("init")
        self._broker.epochs[shard] += 1
        self._broker.end(shard, Fate.ABORTED)
        yield MemoryEpoch(self._broker, shard, self._broker.epochs[shard])

    async def progress(self, shard: int) -> Mapping[str, Progress]:
        """Return committed offsets; the fault `progress_missing` loses a part, as aiokafka's admin client does."""
        await asyncio.sleep(0)
        self._broker.faults("progress")
        answer = {topic: self._broker.offsets.get((topic, shard), Progress(UNCOMMITTED, "")) for topic in self._topics}
        try:
            self._broker.faults("progress_missing")
        except BusError:
            answer.pop(self._topics[0])
        return answer

    def seek(self, topic: str, shard: int, offset: int) -> None:
        """Move the cursor."""
        self._cursor[topic, shard] = offset

    def position(self, topic: str, shard: int) -> int | None:
        """Return the cursor, None before the first seek."""
        return self._cursor.get((topic, shard))

    def poll(self, owner: ShardOwner, most: int = 500) -> int:
        """Deliver what may be read to the owner, at most so many records of each lane; returns how many."""
        delivered = 0
        for topic in self._topics:
            log = self._broker.logs[topic, owner.shard]
            for _ in range(most):
                position = self._cursor.get((topic, owner.shard), len(log))
                if not owner.wants(topic) or position >= len(log) or log[position].fate is Fate.OPEN:
                    break
                self._cursor[topic, owner.shard] = position + 1
                letter = log[position].letter
                if letter is not None and log[position].fate is Fate.COMMITTED:
                    owner.deliver(_record(letter, position))
                    delivered += 1
        return delivered


def _record(letter: Letter, offset: int) -> Record:
    return Record(letter.topic, letter.partition, offset, letter.key, letter.value, letter.headers, timestamp_ms=0)
