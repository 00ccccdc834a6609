"""What delivery needs of Kafka, at the level of a client: every step that can fail is its own await.

`consumer.kafka.bus` and `consumer.kafka.producer` are the real thing, `consumer.testing` the in-memory twin.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

from consumer.jobs import Record

UNCOMMITTED = -1
"""The offset a broker answers for a partition the group never committed."""

MAX_RECORD_BYTES = 1_000_000
"""Largest record the worker writes: a dead letter holds a whole original and must stay below its topic's limit."""


@dataclass(frozen=True, slots=True)
class OutgoingRecord:
    """A record to be written. `partition` is always the shard's number."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]

    @property
    def size(self) -> int:
        """Bytes of key, value and headers, including an allowance for framing."""
        parts = [self.key, self.value, *(part for name, value in self.headers for part in (name.encode(), value))]
        return 70 + sum(5 + len(part) for part in parts if part is not None)


@dataclass(frozen=True, slots=True)
class RecordResult:
    """What a finished record causes: all of `records` becomes visible together with its offset, or nothing.

    `fallback` makes the result to commit instead if the broker will never take `records`; without one there is nothing
    left to try. `facts` go into the log line about it. `announces`: its records announce pictures.
    """

    records: tuple[OutgoingRecord, ...]
    fallback: Callable[[], RecordResult] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    announces: bool = False

    @property
    def size(self) -> int:
        """Bytes of all its records."""
        return sum(record.size for record in self.records)

    def fall_back(self) -> RecordResult:
        """Return the result to try once `records` proved impossible. Raises ValueError without a `fallback`."""
        if self.fallback is None:
            raise ValueError("this result has no fallback")
        instead = self.fallback()
        return replace(instead, facts={**self.facts, **instead.facts, "fell_back": True})


@dataclass(frozen=True, slots=True)
class CommittedOffset:
    """A committed offset and the metadata string committed with it."""

    offset: int
    metadata: str


class BusError(Exception):
    """The bus failed, or may have failed, to do what was asked: ambiguous, so the epoch is over."""


class RecordRefused(BusError):
    """The broker will never take one of the records of this transaction."""


class Epoch(Protocol):
    """One life of a transactional producer, from InitProducerId to the close. Every method may raise `BusError`."""

    async def begin(self) -> None:
        """Open a transaction."""

    async def write(self, records: Sequence[OutgoingRecord]) -> None:
        """Write the records. When this returns, the broker has taken them all.

        Raises `RecordRefused` if it will never take one of them; the others may be in the transaction.
        """

    async def send_offsets(self, offsets: Mapping[str, CommittedOffset]) -> None:
        """Put the shard's offsets, by topic, into the transaction."""

    async def commit(self) -> None:
        """End the transaction. When this returns, all of it is visible."""


class Bus(Protocol):
    """Kafka as one shard sees it."""

    def epoch(self, shard: int) -> AbstractAsyncContextManager[Epoch]:
        """Open the shard's transactional producer: fence every older one and end what that left pending.

        Raises `BusError`. Closing takes bounded time and leaves no socket and no task behind, whatever state the
        producer is in.
        """

    async def committed_offsets(self, shard: int) -> Mapping[str, CommittedOffset]:
        """Read the group's committed offsets of the shard, by topic.

        A topic missing from the answer means that the call failed; an offset of `UNCOMMITTED` means that the group
        never committed. Raises `BusError`.
        """

    async def strangers(self) -> str:
        """Name the group's members that read other topics than this one; empty if there are none.

        Raises `BusError` when that is unknown, as while the group rebalances.
        """

    async def log_spans(self, shard: int) -> Mapping[str, range]:
        """Return what the log of each of the shard's lanes holds: its first offset, to one past its last.

        Raises `BusError`.
        """

    async def read_table(self, topic: str, shard: int, start: int) -> tuple[list[tuple[bytes, bytes | None]], int]:
        """Read one partition of a compacted topic from offset `start` to the end of what is committed.

        Return keys and values in order (None: deleted), and the offset to resume from. Raises `BusError`.
        """

    def seek(self, topic: str, shard: int, offset: int) -> None:
        """Continue from `offset`. Raises `BusError` when the partition is no longer assigned."""

    def position(self, topic: str, shard: int) -> int | None:
        """Return the offset to read next (past control markers), None when unknown."""


class Partition(NamedTuple):
    """One partition of a lane."""

    topic: str
    number: int


class PositionLost(BusError):
    """The group's position in these partitions is no longer in the log, or was never set."""

    def __init__(self, message: str, partitions: Iterable[Partition]) -> None:
        super().__init__(message)
        self.partitions = tuple(partitions)


class Listener(Protocol):
    """Hears what the group decides. No error may escape: nobody would notice it."""

    async def on_revoked(self) -> None:
        """All partitions are about to be revoked; the member stays in the group while this runs."""

    async def on_assigned(self, partitions: frozenset[Partition]) -> None:
        """These partitions are the member's now, all resumed, whatever was paused before."""


class Reader(Protocol):
    """One member of the group, as the poll loop sees it. It never commits."""

    @property
    def assignment(self) -> frozenset[Partition]:
        """The partitions the group assigned to this member last."""

    @property
    def failure(self) -> str | None:
        """What part of the client has died, if any: a read does not always show it."""

    @property
    def awaits_assignment(self) -> bool:
        """True until the group has assigned this member its partitions; reads wait for that without a timeout."""

    def subscribe(self, topics: Sequence[str], listener: Listener) -> None:
        """Join the group, for the first time or once more."""

    async def unsubscribe(self) -> None:
        """Leave the group, which then gives its partitions to others; the listener is not told. Takes bounded time.

        Call it only while the member has an assignment. Reads wait until the group was joined again.
        """

    def pause(self, partition: Partition) -> None:
        """Stop reading an assigned partition, until `resume` or the next rebalance."""

    def resume(self, partition: Partition) -> None:
        """Read an assigned partition again."""

    async def read(self, seconds: float, most: int, among: Sequence[Partition]) -> Mapping[Partition, Sequence[Record]]:
        """Wait up to `seconds` for up to `most` records of these partitions, and move the cursors past them.

        What was fetched of others is kept. Without any partition it just waits. Must not be cancelled.

        Raises `PositionLost`; `BusError` for a failure half-way, which may have moved a cursor past more than was
        returned; `Fatal` for missing rights.
        """
