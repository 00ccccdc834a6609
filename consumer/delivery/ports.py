"""What the owner of a shard asks of Kafka, at the level of the client: every step that can fail is its own await.

`consumer.kafka.bus` and `consumer.kafka.producer` are the real thing, `consumer.testing` the in-memory twin.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from consumer.jobs import Record

UNCOMMITTED = -1
"""The offset a broker answers for a partition the group never committed."""


MAX_RECORD_BYTES = 1_000_000
"""Largest record the worker writes: a dead letter holds a whole original and stays below its topic's limit."""


@dataclass(frozen=True, slots=True)
class OutgoingRecord:
    """One record to be written. `partition` is always the shard's own number."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]

    @property
    def size(self) -> int:
        """Bytes of key, value and headers, with room for the framing of each."""
        parts = [self.key, self.value, *(part for name, value in self.headers for part in (name.encode(), value))]
        return 70 + sum(5 + len(part) for part in parts if part is not None)


@dataclass(frozen=True, slots=True)
class RecordResult:
    """What a finished record causes: everything in `records` becomes visible together with its offset, or nothing.

    `fallback` makes what is settled instead if the broker will never take `records`; without one there is nothing left
    to try. `facts` go into the log line that tells of it. `announces`: its letters announce pictures.
    """

    records: tuple[OutgoingRecord, ...]
    fallback: Callable[[], RecordResult] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    announces: bool = False

    @property
    def size(self) -> int:
        """Bytes of all its letters."""
        return sum(letter.size for letter in self.records)

    def fall_back(self) -> RecordResult:
        """The settlement to try once `records` proved impossible; only where there is a `fallback`."""
        if self.fallback is None:
            raise ValueError("this settlement has no fallback")
        instead = self.fallback()
        return replace(instead, facts={**self.facts, **instead.facts, "fell_back": True})


@dataclass(frozen=True, slots=True)
class CommittedOffset:
    """A committed offset and the metadata string committed with it."""

    offset: int
    metadata: str


class BusError(Exception):
    """The bus did not do, or may not have done, what was asked: ambiguous, so the epoch is over."""


class RecordRefused(BusError):
    """The broker will never take one of the letters of this transaction."""


class Epoch(Protocol):
    """One life of a transactional producer, from InitProducerId to the close. Every method may raise `BusError`."""

    async def begin(self) -> None:
        """Open a transaction."""

    async def write(self, records: Sequence[OutgoingRecord]) -> None:
        """Write the letters. When this returns the broker took them all.

        Raises `RecordRefused` if it will never take one of them: the others may be in the transaction.
        """

    async def send_offsets(self, offsets: Mapping[str, CommittedOffset]) -> None:
        """Put the shard's offsets, by topic, into the transaction."""

    async def commit(self) -> None:
        """End the transaction. When this returns, all of it is visible."""


class Bus(Protocol):
    """Kafka as one shard sees it."""

    def epoch(self, shard: int) -> AbstractAsyncContextManager[Epoch]:
        """Open the shard's transactional producer: fences every older one and settles what that left pending.

        Raises `BusError`. Closing is bounded in time and leaves no socket and no task behind, whatever state the
        producer is in.
        """

    async def committed_offsets(self, shard: int) -> Mapping[str, CommittedOffset]:
        """Read the group's committed offsets of the shard, by topic.

        A topic missing from the answer means that the call failed; an offset of `UNCOMMITTED` means that the group
        never committed. Raises `BusError`.
        """

    async def read_table(self, topic: str, shard: int, start: int) -> tuple[list[tuple[bytes, bytes | None]], int]:
        """Read one partition of a compacted topic from offset `start` to the end of what is committed.

        Returns keys and values in their order (None: deleted), and where to read on another time. Raises `BusError`.
        """

    def seek(self, topic: str, shard: int, offset: int) -> None:
        """Read on from `offset`. Raises `BusError` when the partition is no longer assigned."""

    def position(self, topic: str, shard: int) -> int | None:
        """Return the offset to be read next (past control markers), None when unknown."""


class Partition(NamedTuple):
    """One partition of a lane."""

    topic: str
    number: int


class PositionLost(BusError):
    """The place where the group stopped in these partitions is not in the log, or was never set."""

    def __init__(self, message: str, partitions: Iterable[Partition]) -> None:
        super().__init__(message)
        self.partitions = tuple(partitions)


class Listener(Protocol):
    """Who hears what the group decides. No error may escape: nobody would hear of it."""

    async def on_revoked(self) -> None:
        """Every partition is about to go; the member stays in the group while this runs."""

    async def on_assigned(self, partitions: frozenset[Partition]) -> None:
        """These partitions are the member's, all resumed, whatever was paused before."""


class Reader(Protocol):
    """One member of the group, as the poll loop sees it. It never commits."""

    @property
    def assignment(self) -> frozenset[Partition]:
        """What the group gave this member last."""

    @property
    def failure(self) -> str | None:
        """Say what part of the client has died, if any: a read does not always tell."""

    @property
    def awaits_assignment(self) -> bool:
        """True while the group has yet to give this member its partitions; reads wait for it without a bound."""

    def subscribe(self, topics: Sequence[str], listener: Listener) -> None:
        """Join the group."""

    def pause(self, partition: Partition) -> None:
        """Read no more of an assigned partition, until `resume` or the next rebalance."""

    def resume(self, partition: Partition) -> None:
        """Read an assigned partition again."""

    async def read(self, seconds: float, most: int, among: Sequence[Partition]) -> Mapping[Partition, Sequence[Record]]:
        """Wait for records of these partitions, at most so long and so many, and move the cursors past them.

        What was fetched of others is kept. With no partition at all it waits its time. Not to be cancelled.

        Raises `PositionLost`; `BusError` when it failed half-way, which may have moved the cursor past more than was
        returned; `Fatal` for missing rights.
        """
