"""The poll loop: reads the lanes, hands records to the owners of their shards, steers by pausing; never awaits a job.

Rebalances arrive here too. aiokafka stops the world at each: every owner ends its transaction, and those of the shards
that come back begin another epoch.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog
from aiokafka import TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError

from consumer import failpoints
from consumer.errors import Fatal
from consumer.failpoints import Place
from consumer.jobs import Record
from consumer.kafka.bus import BusError
from consumer.kafka.client import NO_RIGHTS, awaits_assignment, client_trouble, no_rights
from consumer.kafka.lenient import read_leniently
from schemas import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from aiokafka import AIOKafkaConsumer
    from aiokafka.structs import ConsumerRecord

    from consumer.kafka.owner import ShardOwner

log = structlog.get_logger(__name__)

POLL_MS = 200
POLL_RECORDS = 500
CAREFUL_MS = 50
WATCH_SECONDS = 1.0
REVOKE_SECONDS = 15.0
"""How long a rebalance waits for an owner's transaction before it is cut off; below the rebalance timeout."""


class Intake(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka's base class is untyped
    """Feeds the owners from the group's consumer. All of it runs on the event loop."""

    def __init__(  # noqa: PLR0913 - what it feeds, and how much of it
        self,
        consumer: AIOKafkaConsumer,
        lanes: Sequence[str],
        owners: Mapping[int, ShardOwner],
        *,
        jobs_in_hand: int,
        cancel_revoked: bool,
        polled: Callable[[], None],
    ) -> None:
        self._consumer = consumer
        self.lanes = tuple(lanes)
        self._owners = owners
        self._jobs_in_hand = jobs_in_hand
        self._cancel_revoked = cancel_revoked
        self._polled = polled
        self._running: dict[int, asyncio.Task[None]] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._failure: Fatal | None = None
        self._stopping = False
        self.rebalances = 0
        self.unreadable: dict[TopicPartition, str] = {}
        self.assigned: frozenset[int] = frozenset()

    @property
    def joined(self) -> bool:
        """True once the group gave this worker an assignment, be it an empty one."""
        return self.rebalances > 0

    @property
    def all_open(self) -> bool:
        """True if every shard assigned to this worker takes records."""
        return all(self._owners[shard].open for shard in self.assigned)

    @property
    def open_shards(self) -> int:
        """How many shards take records."""
        return sum(owner.open for owner in self._owners.values())

    def in_hand(self, topic: str) -> int:
        """How many of the lane's records are being worked on or wait to be committed."""
        return sum(owner.in_hand(topic) for owner in self._owners.values())

    def stop(self) -> None:
        """Admit nothing more. Polling goes on, so that the group keeps this worker while it finishes."""
        self._stopping = True

    async def run(self) -> None:
        """Poll until cancelled. Raises `Fatal` for what only an operator can mend, or a new process.

        Owners run in a task group of this loop: when one fails, the loop ends with it, and the other way round.
        """
        async with asyncio.TaskGroup() as self._tasks:
            self._consumer.subscribe(topics=list(self.lanes), listener=self)
            self._tasks.create_task(self._watch())
            while True:
                self._steer()
                if await self._poll():
                    self._polled()
                if self._failure:
                    raise self._failure

    async def _watch(self) -> None:
        """End the worker when a part of the client has died: aiokafka starts none again, and polls on regardless."""
        while True:
            if trouble := client_trouble(self._consumer):
                raise Fatal(
                    Reason.BUS_UNAVAILABLE, f"{trouble}; the worker ends, so that a new one can join the group."
                )
            if awaits_assignment(self._consumer):
                self._polled()  # a poll waits for the group without a bound of its own; that is no standstill
            await asyncio.sleep(WATCH_SECONDS)

    async def _poll(self) -> bool:
        """Poll once; True if it went well."""
        try:
            # Only ever `getmany` with a timeout: aiokafka forgets to uncount a poll that is cancelled or raises, after
            # which its max_poll_interval is never enforced again. Our own liveness (see `polled`) does not rely on it.
            batches = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=self._room())
        except (NoOffsetForPartitionError, OffsetOutOfRangeError) as error:
            self._judge_offset_error(error)
            return True
        except NO_RIGHTS as error:
            raise no_rights(error) from error
        except UnicodeDecodeError as error:
            log.warning("header_name_not_utf8", error=repr(error))
            read_leniently()
            self._rewind()
            return True
        except KafkaError as error:
            log.warning("poll_failed", error=repr(error))
            self._rewind()
            await self._read_carefully()
            return False
        # No await between the poll's return and this: the cursor is already past these records, and an owner that ran
        # in between would take them for control markers.
        for tp, records in batches.items():
            self._deliver(tp, records)
        self.unreadable.clear()
        return True

    def _room(self) -> int:
        """Return how many records may be read at once without overfilling the fullest lane that still admits."""
        rooms = [self._jobs_in_hand - self.in_hand(lane) for lane in self.lanes]
        return min([POLL_RECORDS, *(room for room in rooms if room > 0)])

    def _rewind(self) -> None:
        """Undo what a failed poll did to the cursors: it loses what it had already taken from other partitions."""
        with suppress(BusError):  # the partition went away meanwhile, and its cursor with it
            for shard in self.assigned:
                self._owners[shard].rewind()

    async def _read_carefully(self) -> None:
        """Read partition by partition, so that one that cannot be read holds up no other.

        aiokafka unpacks batches while it hands records out: one that is broken fails every poll that comes to it. It
        stays where it is, and its lag and `unreadable` tell of it.
        """
        for tp in self._consumer.assignment():
            if not self._admits(self._owners[tp.partition], tp.topic):
                continue
            try:
                batches = await self._consumer.getmany(tp, timeout_ms=CAREFUL_MS, max_records=self._room())
            except (KafkaError, UnicodeDecodeError) as error:
                self.unreadable[tp] = repr(error)
                log.warning("partition_unreadable", topic=tp.topic, partition=tp.partition, error=repr(error))
                self._rewind()
                continue
            self.unreadable.pop(tp, None)
            for records in batches.values():
                self._deliver(tp, records)

    def _deliver(self, tp: TopicPartition, records: Iterable[ConsumerRecord[bytes, bytes]]) -> None:
        owner = self._owners[tp.partition]
        for record in records:
            owner.deliver(
                Record(
                    topic=record.topic,
                    partition=record.partition,
                    offset=record.offset,
                    key=record.key,
                    value=record.value,
                    headers=tuple(record.headers),
                    timestamp_ms=record.timestamp,
                )
            )

    def _judge_offset_error(self, error: KafkaError) -> None:
        """Before a shard is open aiokafka looks for a position by itself; only an open shard's error means anything."""
        tps = error.args[0] if error.args and isinstance(error.args[0], (dict, TopicPartition)) else {}
        for tp in [tps] if isinstance(tps, TopicPartition) else list(tps):
            owner = self._owners.get(tp.partition)
            if owner is not None and owner.open:
                raise Fatal(
                    Reason.NO_STARTING_OFFSET,
                    f"The group's offset for {tp.topic}:{tp.partition} is not in the log any more ({error!r}): records "
                    "were deleted before they were worked on. Decide where to go on, with the workers stopped: "
                    "leadart topics apply --start earliest --force, or --start latest --force.",
                )

    def _steer(self) -> None:
        """Pause and resume by what is true now: aiokafka forgets pauses at a rebalance, so they are never a state."""
        for tp in self._consumer.assignment():
            owner = self._owners.get(tp.partition)
            if owner is not None and self._admits(owner, tp.topic):
                self._consumer.resume(tp)
            else:
                self._consumer.pause(tp)

    def _admits(self, owner: ShardOwner, topic: str) -> bool:
        if self._stopping or not owner.wants(topic):
            return False
        return self.in_hand(topic) < self._jobs_in_hand

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """End every owner's epoch; their jobs go on, to be adopted if the shard comes back."""
        del revoked  # all of them, always: there is no cooperative rebalancing in aiokafka
        await self.close_shards()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Begin an epoch for each shard whose lanes are all here. No error may escape: aiokafka would swallow it."""
        tps = list(assigned)
        self.rebalances += 1
        await failpoints.reached(Place.REBALANCING)
        try:
            shards = self._complete_shards(tps)
        except Fatal as error:
            self._failure = error
            return
        for shard, owner in self._owners.items():
            if shard not in shards:
                owner.withdraw(running=self._cancel_revoked)
        self._steer()
        self.assigned = shards
        log.info("assigned", shards=sorted(shards))
        for shard in shards:
            if self._tasks is not None and not self._stopping:
                self._running[shard] = self._tasks.create_task(self._owners[shard].run(), name=f"owner-{shard}")

    def _complete_shards(self, tps: Sequence[TopicPartition]) -> frozenset[int]:
        by_lane = {lane: {tp.partition for tp in tps if tp.topic == lane} for lane in self.lanes}
        shards = set.intersection(*by_lane.values())
        gone = [lane for lane, partitions in by_lane.items() if tps and not partitions]
        if gone:
            raise Fatal(
                Reason.TOPICS_MISMATCH, f"{', '.join(gone)}: no such topic any more. Make it: leadart topics apply."
            )
        if shards != set.union(*by_lane.values()) or not shards <= self._owners.keys():
            raise Fatal(
                Reason.TOPICS_MISMATCH,
                f"The lanes' partition counts changed while the worker ran, from {len(self._owners)} each: this worker "
                f"was given { {lane: sorted(parts) for lane, parts in by_lane.items()} }. Growing moves articles "
                "between shards: stop the workers, drain the lanes, then apply the new count (leadart topics apply).",
            )
        return frozenset(shards)

    async def close_shards(self) -> None:
        """End all owners after their last commit; bounded in time."""
        running, self._running = list(self._running.items()), {}
        for shard, _ in running:
            self._owners[shard].stop()
        tasks = [task for _, task in running]
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=REVOKE_SECONDS)
        for task in late:
            task.cancel()
        if late:
            _, stuck = await asyncio.wait(late, timeout=REVOKE_SECONDS)
            if stuck:
                # A second run of the same owner would share its books with the first.
                self._failure = Fatal(
                    Reason.INTERNAL, "An owner did not end; the worker does, so that it starts afresh."
                )
