"""The owner of a shard: where the delivery promise is kept.

A shard is partition *n* of every lane. At any time one owner writes for it, with one transactional producer, and
everything a record causes (outcome, dead letter) is in the transaction that moves its offset. A read-committed
subscriber therefore sees exactly one outcome for each record the group processes, whatever dies and whenever.

An *epoch* is one life of that producer. It begins by fencing every older one and only then reads what the group has
committed; all it writes rests on that and on its own commits. Any error between begin and the commit's answer leaves
open whether the transaction went through, so there is one way out: end the epoch, begin another, read. Two owners
taking turns are slow, never wrong.

The work on a record outlives epochs. A record delivered again after a rebalance finds its own work, by coordinates and
digest, and adopts it instead of doing it twice. But an epoch only ever commits results of what was delivered in it:
until its record is read again, work of an earlier epoch may be complete, yet it is not this epoch's to commit.

Before a record enters the engine, the commit's metadata announces it (`engine_exposure`). An owner that leaves in order
takes that back; one that dies does not, and so the next one knows which records may have killed it.
"""

import asyncio
import time
from collections.abc import Collection, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress

import structlog

from consumer.delivery.batch_limit import BatchLimit
from consumer.delivery.editorial_decisions import EditorialDecisions
from consumer.delivery.heads import Heads
from consumer.delivery.held import EndHeld, HeldRequests
from consumer.delivery.in_flight import DeliveryObserver, InFlightRecord, RecordHandler
from consumer.delivery.lane_gate import LaneGate
from consumer.delivery.latest_wins import LatestWins
from consumer.delivery.offset_tracker import OffsetTracker
from consumer.delivery.ports import Bus, BusError, CommittedOffset, Epoch, RecordRefused, RecordResult
from consumer.delivery.restore import OwnerTiming, blame, forget_finished, pause, restore_offsets, skip_deleted
from consumer.delivery.transaction import commit_together
from consumer.errors import OperatorNeeded
from consumer.jobs import Record

log = structlog.get_logger(__name__)


class ShardOwner:
    """Owns one shard while `run` runs. `deliver` and `accepts` are for the poll loop, on the same event loop."""

    def __init__(  # noqa: PLR0913 - its shard, and what it connects
        self,
        shard: int,
        topics: Sequence[str],
        *,
        bus: Bus,
        handler: RecordHandler,
        observer: DeliveryObserver,
        heads: Heads,
        timing: OwnerTiming | None = None,
        end_held: EndHeld | None = None,
        holdable: Collection[str] = (),
    ) -> None:
        self.shard = shard
        self.topics = tuple(topics)
        self._bus = bus
        self._handler = handler
        self._observer = observer
        self._heads = heads
        self._latest_wins = LatestWins(heads)
        self._held = HeldRequests(shard, self._latest_wins, end_held)
        self._decisions = EditorialDecisions(self._latest_wins, self._is_ours)
        self._timing = timing or OwnerTiming()
        self._trackers: dict[str, OffsetTracker] = {}
        self._in_flight: dict[tuple[str, int], InFlightRecord] = {}
        self._gate = LaneGate(bus, shard, handler, holdable)
        self._touched: set[str] = set()
        self._lost: set[str] = set()
        self._committed_outage = ""
        self._in_transaction = False
        self._transacted = 0.0
        self._limit = BatchLimit()
        self._stopping = asyncio.Event()
        self._wake = asyncio.Event()
        self.stuck = ""  # what an operator has to decide before the shard can go on

    @property
    def open(self) -> bool:
        """True while records are taken: fenced, restored, and not yet ended."""
        return bool(self._trackers)

    def in_flight(self, topic: str) -> int:
        """Return how many of the lane's records were delivered in this epoch and are uncommitted; 0 while closed.

        Work of earlier epochs does not count: admission rests on this number, and such work is only ever committed
        after its record is read again.
        """
        tracker = self._trackers.get(topic)
        return len(tracker.unfinished) if tracker else 0

    def crowded(self, topic: str) -> bool:
        """Return whether the lane is half way to where nothing is read until its lowest record is finished."""
        return topic in self._trackers and self._trackers[topic].half_full

    def accepts(self, topic: str) -> bool:
        """Return whether the poll loop may read on in this lane."""
        tracker = self._trackers.get(topic)
        if tracker is None or tracker.full or self._stopping.is_set() or topic in self._lost:
            return False
        return self._gate.open(topic, tracker.next_offset) and self._handler.admits()

    def deliver(self, record: Record) -> None:
        """Take a record from the poll loop. Dropped while the shard is not open: opening it reads it again."""
        tracker = self._trackers.get(record.topic)
        if tracker is None or self._gate.must_wait(record) or not tracker.deliver(record.offset):
            return
        known = self._in_flight.get((record.topic, record.offset))
        if known is None or known.record != record or not self._latest_wins.readmit(known):
            self._begin(record, tracker)
            return
        if known.engine.exposed and tracker.exposure.enter(record.offset, tracker.lowest):
            self._touched.add(record.topic)
        self._wake.set()

    def position_lost(self, topic: str) -> None:
        """Find the lane's next record anew: the log does not hold the one at the cursor."""
        if self.open:
            self._lost.add(topic)
            self._wake.set()

    def rewind(self) -> None:
        """Set the cursors back to what was delivered: a poll that failed half-way may have moved them past more."""
        for topic, tracker in self._trackers.items():
            self._bus.seek(topic, self.shard, tracker.next_offset)

    def stop(self) -> None:
        """Take no more, finish the transaction under way, commit what is complete, and let `run` return."""
        self._stopping.set()
        self._wake.set()

    def release(self, *, cancel_running: bool) -> None:
        """Drop the work in flight: the shard went to another worker. Painting goes on unless `cancel_running`."""
        for in_flight in self._in_flight.values():
            in_flight.release(cancel_running=cancel_running)
        self._in_flight.clear()
        self._latest_wins.forget()

    def run(self) -> Coroutine[None, None, None]:
        """Own the shard, epoch after epoch, until `stop`; which counts from this call on, not from the first step.

        Cancelling ends it after one last commit, or at once in the middle of one: nobody sees what was not committed.
        Where only an operator knows how to go on, the shard stays closed, says so in `stuck`, and is tried again.
        Raises `Fatal` for what no other epoch can do.
        """
        self._stopping.clear()
        return self._run()

    async def _run(self) -> None:
        backoff = self._timing.backoff
        while not self._stopping.is_set():
            try:
                async with self._bus.epoch(self.shard) as epoch:
                    await self._open()
                    backoff = self._timing.backoff
                    await self._serve(epoch)
            except BusError as error:
                self._observer.epoch_ended(self.shard, error)
                await pause(backoff, self._stopping)
                backoff = min(2 * backoff, self._timing.max_backoff)
            except OperatorNeeded as error:
                self._report_stuck(error)
                await pause(self._timing.recheck, self._stopping)
            finally:
                self._trackers = {}

    def _report_stuck(self, error: OperatorNeeded) -> None:
        """Log once what an operator has to decide, and drop the work: nothing of this shard can be committed."""
        if self.stuck != error.message:
            log.error("shard_stopped", shard=self.shard, reason=error.reason, message=error.message)
        self.stuck = error.message
        self._trackers = {}
        self.release(cancel_running=False)

    async def _open(self) -> None:
        await self._heads.restore(self._bus)
        own, timing, stopping = self._heads.own_offsets, self._timing, self._stopping
        restored = restore_offsets(self._bus, own, self.topics, timing, stopping, observer=self._observer)
        trackers, foreign = await restored
        self._latest_wins.begin_epoch()
        forget_finished(self._in_flight, trackers)
        blame(self.shard, self._in_flight, trackers)
        self._gate.begin_epoch(self._heads.controls, self._in_flight)
        self._lost, self._in_transaction = set(), False
        self._transacted = asyncio.get_running_loop().time()
        self._touched = {commit.topic for commit in foreign}
        self._committed_outage = "".join({tracker.outage for tracker in trackers.values()})
        for topic, tracker in trackers.items():
            self._bus.seek(topic, self.shard, tracker.next_offset)
        self._trackers, self.stuck = trackers, ""
        for commit in foreign:
            self._observer.foreign_commit(commit)
        log.info("shard_open", shard=self.shard, adopted=len(self._in_flight))

    async def _serve(self, epoch: Epoch) -> None:
        try:
            while not self._stopping.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._timing.tick):
                        await self._wake.wait()
                self._wake.clear()
                if lost := {topic: self._trackers[topic] for topic in self._lost}:
                    await skip_deleted(self._bus, self.shard, lost, self._observer)
                    self._lost.clear()
                await self._commit(epoch)
        except asyncio.CancelledError:
            if not self._in_transaction:
                with suppress(BusError):
                    await self._leave(epoch)
            raise
        except OperatorNeeded:
            await self._leave(epoch)
            raise
        await self._leave(epoch)

    async def _leave(self, epoch: Epoch) -> None:
        """Commit what is complete, and that nothing is in the engine: records are blamed for deaths, not for exits."""
        while True:
            self._wake.clear()
            await self._commit(epoch, leaving=True)
            if not self._wake.is_set():
                return

    async def _commit(self, epoch: Epoch, *, leaving: bool = False) -> None:
        """Commit results, announce what enters the engine, move idle lanes past control markers: one transaction."""
        batch = self._take_batch()
        entering = [] if leaving else self._expose()
        offsets = self._changed_offsets([in_flight for in_flight, _ in batch] + entering, leaving=leaving)
        if batch or offsets or self._keeps_no_offsets or (self._may_be_fenced and not leaving):
            await self._transact(epoch, batch, offsets)
        for in_flight in entering:
            in_flight.engine.announced()

    async def _transact(
        self, epoch: Epoch, batch: Sequence[tuple[InFlightRecord, RecordResult]], offsets: Mapping[str, CommittedOffset]
    ) -> None:
        started = time.monotonic()
        heads = self._latest_wins.changes(batch)
        records = [outgoing for _, result in batch for outgoing in result.records] + self._heads.records(heads)
        kept = {**{topic: tracker.committed for topic, tracker in self._trackers.items()}, **offsets}
        own = [self._heads.own_offsets.record(kept)] if records or not offsets or self._keeps_no_offsets else []
        self._in_transaction = True
        try:
            await commit_together(epoch, records, own, offsets, self._timing.transaction)
        except TimeoutError as error:
            self._limit.halve(len(batch))
            raise BusError(f"no answer within {self._timing.transaction} s") from error
        except RecordRefused:
            self._limit.refused([in_flight for in_flight, _ in batch])
            raise
        self._in_transaction, self._transacted = False, asyncio.get_running_loop().time()
        self._observer.committed(self.shard, time.monotonic() - started, len(records))
        self._heads.committed(heads)
        self._heads.own_offsets.known = kept
        self._after_commit(batch, offsets)

    @property
    def _may_be_fenced(self) -> bool:
        """True when nothing was committed for a while: only a commit tells of a newer owner, or of other controls."""
        waited = asyncio.get_running_loop().time() - self._transacted
        if any(tracker.unfinished for tracker in self._trackers.values()):
            return waited >= self._timing.fence_check
        return waited >= self._timing.held_check and self._gate.holds

    @property
    def _keeps_no_offsets(self) -> bool:
        """True until this fleet keeps an offset of its own for each lane of the shard."""
        return not self._heads.own_offsets.known.keys() >= self._trackers.keys()

    def _expose(self) -> list[InFlightRecord]:
        """Update who is in the engine; return the records to announce. One without room waits for the next commit."""
        ours = [in_flight for in_flight in self._in_flight.values() if self._is_ours(in_flight)]
        for in_flight in ours:
            topic, offset = in_flight.record.topic, in_flight.record.offset
            if not in_flight.engine.exposed and self._trackers[topic].exposure.leave(offset):
                self._touched.add(topic)
        return [in_flight for in_flight in ours if in_flight.engine.unannounced and self._has_room(in_flight.record)]

    def _has_room(self, entering: Record) -> bool:
        tracker = self._trackers[entering.topic]
        return tracker.exposure.enter(entering.offset, tracker.lowest)

    def _take_batch(self) -> list[tuple[InFlightRecord, RecordResult]]:
        batch: list[tuple[InFlightRecord, RecordResult]] = []
        size = 0
        complete = [each for each in self._in_flight.values() if each.result is not None and self._is_ours(each)]
        for in_flight in sorted(complete, key=lambda each: (each.completed_at, each.record.offset)):
            tracker, offset = self._trackers[in_flight.record.topic], in_flight.record.offset
            self._latest_wins.recheck(in_flight)
            self._held.recheck(in_flight)
            result = in_flight.result
            if result is None or not tracker.can_finish(offset):
                continue
            if not self._limit.admits(result, len(batch), size):
                self._wake.set()
                break
            tracker.finish(offset)
            self._latest_wins.conclude(in_flight, result)
            self._held.conclude(in_flight)
            batch.append((in_flight, result))
            size += result.size
        return batch + self._held.take_ends()

    def _is_ours(self, in_flight: InFlightRecord) -> bool:
        """Return whether the record was delivered in this epoch: only then may this epoch commit its outcome."""
        tracker = self._trackers.get(in_flight.record.topic)
        return tracker is not None and in_flight.record.offset in tracker.unfinished

    def _changed_offsets(self, changed: Sequence[InFlightRecord], *, leaving: bool) -> dict[str, CommittedOffset]:
        """Move idle lanes past control markers; return what to commit, by topic, where it differs from the last."""
        outage = "" if leaving else self._handler.outage
        touched = self._touched | {in_flight.record.topic for in_flight in changed}
        if leaving or outage != self._committed_outage:
            touched = set(self.topics)
        self._touched, self._committed_outage = set(), outage
        offsets = {}
        for topic, tracker in self._trackers.items():
            if leaving:
                tracker.exposure.leave_all()
            if tracker.idle and not leaving:  # leaving may have failed to deliver what the position is already past
                tracker.skip_to(self._bus.position(topic, self.shard) or 0)
            if topic in touched or tracker.idle:
                offsets[topic] = tracker.to_commit(outage)
        return {topic: at for topic, at in offsets.items() if at != self._trackers[topic].committed}

    def _after_commit(
        self, batch: Iterable[tuple[InFlightRecord, RecordResult]], offsets: Mapping[str, CommittedOffset]
    ) -> None:
        for topic, committed in offsets.items():
            self._trackers[topic].committed = committed
        self._limit.double()
        now = time.monotonic()
        for in_flight, result in batch:
            if self._in_flight.get(place := (in_flight.record.topic, in_flight.record.offset)) is in_flight:
                del self._in_flight[place]
            self._observer.announced(in_flight.record, result, now - in_flight.completed_at)

    def _begin(self, record: Record, tracker: OffsetTracker) -> None:
        coordinates = (record.topic, record.offset)
        if stale := self._in_flight.pop(coordinates, None):
            stale.release(cancel_running=True)
        deaths = tracker.exposure.deaths(record.offset)
        in_flight = self._in_flight[coordinates] = InFlightRecord(record, deaths, self._wake.set, self._decisions)
        in_flight.start(self._handler)
