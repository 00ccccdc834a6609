"""The poll loop: read the lanes, deliver records to their shards' owners, throttle by pausing; never await a job.

Rebalances arrive here too. Each stops the world: every owner ends its transaction, and the owners of the shards that
come back begin another epoch. So does leaving the group, which the loop does while the worker is not wanted there.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

import structlog

from consumer import failpoints
from consumer.delivery.assignment import complete_shards, counts_differ, named_strangers
from consumer.delivery.ports import BusError, Partition, PositionLost, Reader
from consumer.delivery.shard_owner import ShardOwner
from consumer.errors import Fatal
from consumer.failpoints import Failpoint
from schemas import Reason

log = structlog.get_logger(__name__)

POLL_SECONDS = 0.2
FULL_SECONDS = 0.02
"""One poll while a lane only waits for a free place: one may come any moment."""
CAREFUL_SECONDS = 0.05
"""One poll of a single partition, after a poll of all failed."""
WATCH_SECONDS = 1.0
REVOKE_SECONDS = 15.0
"""How long a rebalance waits for an owner's transaction before cancelling it; below the rebalance timeout."""

_STRANGERS = (
    "they keep partitions of these shards from this worker, and what they commit counts for the group: stop them, or "
    "give each fleet a group of its own with LEADART_KAFKA__GROUP_ID"
)


class PollLoop:
    """Feeds the owners from the group's reader, and is its `Listener`. All of it runs on the event loop.

    `wanted` says whether to be in the group. `max_in_flight` bounds the records of one lane; `polled` is called after
    each good poll, and outside the group at each turn; `strangers` names the group's members that read other topics,
    empty if there are none, and raises `BusError` when that is unknown.
    """

    def __init__(  # noqa: PLR0913 - what it feeds, and how much of it
        self,
        reader: Reader,
        lanes: Sequence[str],
        owners: Mapping[int, ShardOwner],
        *,
        wanted: Callable[[], bool],
        max_in_flight: int,
        cancel_revoked: bool,
        polled: Callable[[], None],
        strangers: Callable[[], Awaitable[str]],
    ) -> None:
        self._reader = reader
        self.lanes = tuple(lanes)
        self._owners = owners
        self._wanted = wanted
        self._max_in_flight = max_in_flight
        self._cancel_revoked = cancel_revoked
        self._polled = polled
        self._ask_for_strangers = strangers
        self._running: dict[int, asyncio.Task[None]] = {}
        self._closing = asyncio.Lock()
        self._tasks: asyncio.TaskGroup | None = None
        self._failure: Fatal | None = None
        self._stopping = self._leaving = self._rebalancing = False
        self._subscribed = False
        self.joined = False
        """Whether the group has given this worker an assignment, even an empty one, since it joined."""
        self.rebalances = 0
        self.unreadable: dict[Partition, str] = {}
        self.assigned: frozenset[int] = frozenset()
        self.incomplete: frozenset[int] = frozenset()
        self.strangers = ""

    @property
    def all_open(self) -> bool:
        """True if every shard assigned to this worker takes records."""
        return all(self._owners[shard].open for shard in self.assigned)

    @property
    def stuck(self) -> str:
        """What an operator has to decide before shards of this worker can go on, all of it; empty when nothing."""
        return " ".join(owner.stuck for shard in sorted(self.assigned) if (owner := self._owners[shard]).stuck)

    @property
    def open_shards(self) -> int:
        """The number of shards that take records."""
        return sum(owner.open for owner in self._owners.values())

    def in_flight(self, topic: str) -> int:
        """Return how many of the lane's records are worked on or wait to be committed."""
        return sum(owner.in_flight(topic) for owner in self._owners.values())

    def stop(self) -> None:
        """Admit nothing more from now on, not even what a poll under way returns.

        Polling goes on, so that the group keeps this worker while it finishes.
        """
        self._stopping = True
        self._steer()

    async def run(self) -> None:
        """Poll until cancelled. Raises `Fatal` for what only an operator or a new process can fix.

        Owners run in a task group of this loop: when one fails, the loop ends with it, and vice versa.
        """
        async with asyncio.TaskGroup() as self._tasks:
            self._tasks.create_task(self._watch())
            while not self._failure:
                await self._turn()
            raise self._failure

    async def _turn(self) -> None:
        """Join or leave the group if that is due; then poll once, or wait outside as long as an empty poll takes."""
        if self._wanted() and not self._subscribed and not self._stopping:
            self._reader.subscribe(self.lanes, self)
            self._subscribed = self._rebalancing = True
        elif self._subscribed and not self._wanted() and not self._stopping:
            await self._leave()
        if self._subscribed:
            self._steer()
            if await self._poll():
                self._polled()
        else:
            await asyncio.sleep(POLL_SECONDS)
            self._polled()

    async def _leave(self) -> None:
        """Give all shards up and leave the group; not in a rebalance, in which the group waits for this member."""
        self._leaving = True
        self._steer()
        await self.close_shards()
        self._leaving = False
        if self._rebalancing or self._reader.awaits_assignment or self._running:
            return
        self.assigned, self.incomplete, self.strangers = frozenset(), frozenset(), ""
        for owner in self._owners.values():
            owner.release(cancel_running=self._cancel_revoked)
        self._subscribed = self.joined = False
        await self._reader.unsubscribe()
        log.info("left_group")

    async def _watch(self) -> None:
        """End the worker when a part of the client has died: aiokafka restarts none, and polls on regardless."""
        while True:
            if failure := self._reader.failure:
                raise Fatal(
                    Reason.BUS_UNAVAILABLE, f"{failure}; the worker ends, so that a new one can join the group."
                )
            if self._reader.awaits_assignment:
                self._polled()  # a poll waits for the group without a timeout; that is no standstill
            await asyncio.sleep(WATCH_SECONDS)

    async def _poll(self) -> bool:
        """Poll once; return whether it succeeded."""
        try:
            if not await self._read_fetched():
                await self._read(FULL_SECONDS if self._full else POLL_SECONDS, self._admitted())
        except PositionLost as error:
            self._find_lost_positions(error)
            return True
        except BusError as error:
            if not self.unreadable:
                log.warning("poll_failed", error=str(error))
            return await self._read_carefully()
        self.unreadable.clear()
        return True

    async def _read_fetched(self) -> bool:
        """Read a share of each partition without waiting: their shards then work, and commit, side by side."""
        taken = False
        for partition in self._admitted():
            taken |= await self._read(0, [partition])
        await asyncio.sleep(0)  # none of these waits while there is something to read
        return taken

    async def _read(self, seconds: float, among: Sequence[Partition]) -> bool:
        """Read once and deliver; return whether there was anything."""
        room = min((self._room(partition) for partition in among), default=1)
        try:
            batches = await self._reader.read(seconds, room, among)
            # No await between the read's return and this: the cursor is already past these records, and an owner that
            # ran in between would take them for control markers.
            for records in batches.values():
                for record in records:
                    self._owners[record.partition].deliver(record)
        except BaseException:
            self._rewind()
            raise
        return bool(batches)

    def _admitted(self) -> list[Partition]:
        """Return the partitions that may be read now. What was fetched of the others is kept for later."""
        if self._stopping or self._leaving:
            return []
        return [
            partition
            for partition in self._reader.assignment
            if self._room(partition) > 0 and self._owners[partition.number].accepts(partition.topic)
        ]

    def settling_room(self, topic: str, shard: int) -> int:
        """Return how many of this lane's records may wait for newer ones: half its share, none in a crowded lane."""
        owner = self._owners.get(shard)
        return 0 if owner is None or owner.crowded(topic) else self._share // 2

    @property
    def _share(self) -> int:
        return -(-self._max_in_flight // max(1, len(self.assigned)))

    def _room(self, partition: Partition) -> int:
        """Return how many more of this lane's records the shard may have in flight: its share of `max_in_flight`."""
        owner = self._owners.get(partition.number)
        return self._share - owner.in_flight(partition.topic) if owner is not None else 0

    @property
    def _full(self) -> bool:
        """True while a lane waits for nothing but a free place: only the next poll notices when there is one."""
        return any(
            self._room(partition) <= 0 and owner.accepts(partition.topic)
            for partition in self._reader.assignment
            if (owner := self._owners.get(partition.number)) is not None
        )

    def _rewind(self) -> None:
        """Undo what a failed poll did to the cursors: it drops what it had already taken from other partitions."""
        for shard in self.assigned:
            with suppress(BusError):  # the partition was revoked meanwhile, and its cursor with it
                self._owners[shard].rewind()

    async def _read_carefully(self) -> bool:
        """Read partition by partition, so that an unreadable one blocks no other; return whether any could be read.

        aiokafka unpacks batches while returning records: a broken one fails every poll that reaches it. Its partition
        stays where it is; lag and `unreadable` show it.
        """
        read = False
        for partition in self._admitted():
            try:
                await self._read(CAREFUL_SECONDS, [partition])
            except BusError as error:
                if partition not in self.unreadable:
                    log.warning("partition_unreadable", **partition._asdict(), error=str(error))
                self.unreadable[partition] = str(error)
            else:
                read = True
                self.unreadable.pop(partition, None)
        return read

    def _find_lost_positions(self, error: PositionLost) -> None:
        """Have open shards find their positions; before a shard is open, the client looks for one by itself."""
        for partition in error.partitions:
            if (owner := self._owners.get(partition.number)) is not None:
                owner.position_lost(partition.topic)

    def _steer(self) -> None:
        """Pause and resume by what is true now: a rebalance forgets pauses, so nothing may rely on earlier ones."""
        admitted = frozenset(self._admitted())
        for partition in self._reader.assignment:
            if partition in admitted:
                self._reader.resume(partition)
            else:
                self._reader.pause(partition)

    async def on_revoked(self) -> None:
        """End every owner's epoch; their jobs go on, and are adopted if the shard comes back."""
        self._rebalancing = True
        with self._keeping_errors():
            await self.close_shards()

    async def on_assigned(self, partitions: frozenset[Partition]) -> None:
        """Begin an epoch for each shard whose lanes are all assigned."""
        with self._keeping_errors():
            self.rebalances, self.joined = self.rebalances + 1, True
            await failpoints.reached(Failpoint.REBALANCING)
            whole = complete_shards(partitions, self.lanes)
            await self._check_shards(partitions, whole)
            self._begin_epochs(whole)
        self._rebalancing = False

    @contextmanager
    def _keeping_errors(self) -> Iterator[None]:
        """Keep an error for the poll loop: the client swallows what its listener raises, and no shard would open."""
        try:
            yield
        except Fatal as error:
            self._failure = error
        except Exception as error:
            log.exception("rebalance_failed")
            self._failure = Fatal(Reason.INTERNAL, f"A defect in a rebalance: {error!r}. The worker ends.")

    def _begin_epochs(self, shards: frozenset[int]) -> None:
        for shard, owner in self._owners.items():
            if shard not in shards:
                owner.release(cancel_running=self._cancel_revoked)
        self._steer()
        self.assigned = shards
        log.info("assigned", shards=sorted(shards))
        for shard in shards:
            if self._tasks is not None and not self._stopping:
                self._running[shard] = self._tasks.create_task(self._owners[shard].run(), name=f"owner-{shard}")

    async def _check_shards(self, partitions: frozenset[Partition], whole: frozenset[int]) -> None:
        """Find out why some lanes of a shard were assigned without the others: strangers, or other partition counts.

        Strangers in the group do not end this worker: it goes on with the shards that it has whole, and with the others
        once they have left.
        """
        self.strangers, numbers = "", {number for _, number in partitions}
        self.incomplete = frozenset(numbers) - whole
        if not numbers <= self._owners.keys():
            raise counts_differ(partitions, self.lanes, len(self._owners))
        if not self.incomplete:
            return
        self.strangers = await named_strangers(self._ask_for_strangers)
        if not self.strangers:
            raise counts_differ(partitions, self.lanes, len(self._owners))
        log.error("strangers_in_group", shards=sorted(self.incomplete), members=self.strangers, remedy=_STRANGERS)

    async def close_shards(self) -> None:
        """End all owners after their last commit; takes at most twice `REVOKE_SECONDS`.

        A second call waits for the first, which leaving the group and a rebalance may make at once: an owner that has
        not ended must not be run again.
        """
        async with self._closing:
            running, self._running = list(self._running.items()), {}
            for shard, _ in running:
                self._owners[shard].stop()
            if running:
                await self._await_ends([task for _, task in running])

    async def _await_ends(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        _, late = await asyncio.wait(tasks, timeout=REVOKE_SECONDS)
        for task in late:
            task.cancel()
        if late:
            _, stuck = await asyncio.wait(late, timeout=REVOKE_SECONDS)
            if stuck:
                # A second run of the same owner would share its offset trackers with the first.
                self._failure = Fatal(
                    Reason.INTERNAL, "An owner did not end; the worker does, so that it starts afresh."
                )
