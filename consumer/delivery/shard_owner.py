"""The owner of a shard: where the delivery promise is kept.

A shard is partition *n* of every lane. At any time one owner writes for it, with one transactional producer, and
everything a record causes (outcome, dead letter) is in the transaction that moves its offset. A read-committed
subscriber therefore sees exactly one outcome for each record the group passes over, whatever dies and whenever.

An *epoch* is one life of that producer. It begins by fencing every older one and only then reads what the group has
committed; all it writes rests on that and on its own commits. Any error between begin and the commit's answer leaves
open whether the transaction went through, so there is one way out: end the epoch, begin another, read. Two owners
taking turns are slow, never wrong.

The work on a record outlives epochs. A record delivered again after a rebalance meets its own job, by coordinates and
digest, and is adopted instead of done twice. But an epoch only ever settles what was delivered in it: until its record
is read again, work of an earlier epoch may be finished, yet it is not this epoch's to commit.

Before a record enters the engine the commit's metadata says so. An owner that leaves in order takes that back; one that
dies does not, and so the next one knows which records may have killed it.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from consumer import failpoints
from consumer.delivery.batch_limit import BatchLimit, instead_of
from consumer.delivery.in_flight import InFlightRecord
from consumer.delivery.latest_wins import LatestWins
from consumer.delivery.offset_metadata import EngineExposure
from consumer.delivery.ports import BusError, RecordRefused
from consumer.delivery.restore import OwnerTiming, pause, restore_offsets
from consumer.failpoints import Failpoint

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Mapping, Sequence

    from consumer.delivery.heads import Heads
    from consumer.delivery.in_flight import RecordHandler
    from consumer.delivery.offset_tracker import OffsetTracker
    from consumer.delivery.ports import Bus, CommittedOffset, Epoch, RecordResult
    from consumer.jobs import Record

log = structlog.get_logger(__name__)


class ShardOwner:
    """Owns one shard for as long as `run` runs. `deliver` and `wants` are for the poll loop, on the same event loop."""

    def __init__(  # noqa: PLR0913 - its shard, and whom it stands between
        self,
        shard: int,
        topics: Sequence[str],
        *,
        bus: Bus,
        crew: RecordHandler,
        heads: Heads,
        pace: OwnerTiming | None = None,
    ) -> None:
        self.shard = shard
        self.topics = tuple(topics)
        self._bus = bus
        self._crew = crew
        self._heads = heads
        self._precedence = LatestWins(heads)
        self._pace = pace or OwnerTiming()
        self._ledgers: dict[str, OffsetTracker] = {}
        self._works: dict[tuple[str, int], InFlightRecord] = {}
        self._due: dict[str, float] = {}
        self._touched: set[str] = set()
        self._told_trouble = ""
        self._in_transaction = False
        self._limit = BatchLimit()
        self._stopping = asyncio.Event()
        self._wake = asyncio.Event()

    @property
    def open(self) -> bool:
        """True while records are taken: fenced, restored, and not yet ended."""
        return bool(self._ledgers)

    def in_hand(self, topic: str) -> int:
        """How many of the lane's records were delivered in this epoch and are not yet committed; 0 while closed.

        Work of earlier epochs does not count: admission rests on this figure, and such work is only ever settled after
        its record is read again.
        """
        ledger = self._ledgers.get(topic)
        return len(ledger.unfinished) if ledger else 0

    def wants(self, topic: str) -> bool:
        """True if the poll loop may read on in this lane."""
        ledger = self._ledgers.get(topic)
        if ledger is None or ledger.full or self._stopping.is_set() or self._stands_still(topic):
            return False
        return self._crew.admits()

    def deliver(self, record: Record) -> None:
        """Take a record from the poll loop. Dropped while the shard is not open: opening it reads it again."""
        ledger = self._ledgers.get(record.topic)
        if ledger is None or self._must_wait(record) or not ledger.deliver(record.offset):
            return
        known = self._works.get((record.topic, record.offset))
        if known is None or known.record != record or not self._precedence.enter_again(known):
            self._begin(record, ledger)
            return
        if known.exposure is not None and ledger.expose(record.offset):
            self._touched.add(record.topic)
        self._wake.set()

    def _must_wait(self, record: Record) -> bool:
        """True for a record that is not due, and for all behind it: the lane is read on from here when it is."""
        if self._stands_still(record.topic):
            return True
        seconds = self._crew.wait(record)
        if seconds <= 0:
            return False
        self._due[record.topic] = asyncio.get_running_loop().time() + seconds
        self._bus.seek(record.topic, self.shard, record.offset)
        return True

    def _stands_still(self, topic: str) -> bool:
        return asyncio.get_running_loop().time() < self._due.get(topic, 0.0)

    def rewind(self) -> None:
        """Set the cursor back to what was delivered: a poll that failed half-way may have moved it past more."""
        for topic, ledger in self._ledgers.items():
            self._bus.seek(topic, self.shard, ledger.next_offset)

    def stop(self) -> None:
        """Take no more, finish the transaction under way, commit what is settled, and let `run` return."""
        self._stopping.set()
        self._wake.set()

    def withdraw(self, *, running: bool) -> None:
        """Let go of the work in hand: the shard went to another worker. Running work goes on unless `running`."""
        for work in self._works.values():
            work.drop(running=running)
        self._works.clear()
        self._precedence.forget()

    def run(self) -> Coroutine[None, None, None]:
        """Own the shard, epoch after epoch, until `stop`; which counts from this call on, not from the first step.

        Cancelling ends it after one last commit, or at once where it is in the middle of one: what was not committed is
        seen by nobody. Raises `Fatal` for what only an operator can mend.
        """
        self._stopping.clear()
        return self._run()

    async def _run(self) -> None:
        backoff = self._pace.backoff
        while not self._stopping.is_set():
            try:
                async with self._bus.epoch(self.shard) as epoch:
                    await self._open()
                    backoff = self._pace.backoff
                    await self._serve(epoch)
            except BusError as error:
                self._crew.epoch_ended(self.shard, error)
                await pause(backoff, self._stopping)
                backoff = min(2 * backoff, self._pace.backoff_most)
            finally:
                self._ledgers = {}

    async def _open(self) -> None:
        ledgers = await restore_offsets(self._bus, self.shard, self.topics, self._pace, self._stopping)
        await self._heads.restore(self._bus)
        self._precedence.begin_epoch()
        self._forget_finished(ledgers)
        self._blame_the_dead(ledgers)
        self._due, self._touched, self._in_transaction = {}, set(), False
        self._told_trouble = "".join({ledger.trouble for ledger in ledgers.values()})
        for topic, ledger in ledgers.items():
            self._bus.seek(topic, self.shard, ledger.next_offset)
        self._ledgers = ledgers
        log.info("shard_open", shard=self.shard, adopted=len(self._works))

    def _forget_finished(self, ledgers: Mapping[str, OffsetTracker]) -> None:
        """Let go of work whose outcome was committed: by a commit that looked lost, or by another owner."""
        for (topic, offset), work in list(self._works.items()):
            ledger = ledgers[topic]
            if offset < ledger.next_offset or offset in ledger.finished:
                work.drop(running=True)
                del self._works[topic, offset]

    def _blame_the_dead(self, ledgers: Mapping[str, OffsetTracker]) -> None:
        """Count a death against the records that were left in an engine, unless it is ours and has them still."""
        for topic, ledger in ledgers.items():
            for offset, risk in list(ledger.risks.items()):
                ours = self._works.get((topic, offset))
                if ours is not None:
                    ledger.risks[offset] = EngineExposure(ours.deaths, exposed=ours.exposure is not None)
                elif risk.exposed:
                    ledger.risks[offset] = EngineExposure(risk.deaths + 1, exposed=False)
                    log.warning("died_in_engine", topic=topic, shard=self.shard, offset=offset, deaths=risk.deaths + 1)

    async def _serve(self, epoch: Epoch) -> None:
        try:
            while not self._stopping.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._pace.tick):
                        await self._wake.wait()
                self._wake.clear()
                await self._commit(epoch)
        except asyncio.CancelledError:
            if not self._in_transaction:
                with suppress(BusError):
                    await self._leave(epoch)
            raise
        await self._leave(epoch)

    async def _leave(self, epoch: Epoch) -> None:
        """Commit what is settled, and that nothing is in the engine: records are blamed for deaths, not for an end."""
        while True:
            self._wake.clear()
            await self._commit(epoch, leaving=True)
            if not self._wake.is_set():
                return

    async def _commit(self, epoch: Epoch, *, leaving: bool = False) -> None:
        """Settle what is finished, tell what enters the engine, move idle lanes past control markers, all at once."""
        batch = self._take_batch()
        entering = [] if leaving else self._expose()
        progress = self._close_up([work for work, _ in batch] + entering, leaving=leaving)
        if progress:
            await self._transact(epoch, batch, progress)
        for work in entering:
            if work.awaits_exposure and work.exposure is not None:
                work.exposure.set_result(None)

    async def _transact(
        self,
        epoch: Epoch,
        batch: Sequence[tuple[InFlightRecord, RecordResult]],
        progress: Mapping[str, CommittedOffset],
    ) -> None:
        started = time.monotonic()
        heads = self._precedence.changes(batch)
        records = [letter for _, settlement in batch for letter in settlement.records] + self._heads.records(heads)
        self._in_transaction = True
        try:
            async with asyncio.timeout(self._pace.transaction):
                await epoch.begin()
                await epoch.write(records)
                if records:
                    await failpoints.reached(Failpoint.BEGUN)
                await epoch.send_offsets(progress)
                await epoch.commit()
        except TimeoutError as error:
            self._limit.halve(len(batch))
            raise BusError(f"no answer within {self._pace.transaction} s") from error
        except RecordRefused:
            self._after_refusal([work for work, _ in batch])
            raise
        self._in_transaction = False
        self._crew.committed(self.shard, time.monotonic() - started, len(records))
        self._heads.committed(heads)
        self._close_books(batch, progress)

    def _expose(self) -> list[InFlightRecord]:
        """Note who left the engine and who enters it; whoever finds no room in the books waits for the next commit."""
        ours = [work for work in self._works.values() if self._is_ours(work)]
        for work in ours:
            if work.exposure is None and self._ledgers[work.record.topic].spare(work.record.offset):
                self._touched.add(work.record.topic)
        return [
            work
            for work in ours
            if work.awaits_exposure and self._ledgers[work.record.topic].expose(work.record.offset)
        ]

    def _take_batch(self) -> list[tuple[InFlightRecord, RecordResult]]:
        batch: list[tuple[InFlightRecord, RecordResult]] = []
        size = 0
        settled = [work for work in self._works.values() if work.settlement is not None and self._is_ours(work)]
        for work in sorted(settled, key=lambda work: (work.settled_at, work.record.offset)):
            ledger, offset = self._ledgers[work.record.topic], work.record.offset
            self._precedence.confirm(work)
            if work.settlement is None or not ledger.can_finish(offset):
                continue
            if not self._limit.admits(work.settlement, len(batch), size):
                self._wake.set()
                break
            ledger.finish(offset)
            self._precedence.leave(work, work.settlement)
            batch.append((work, work.settlement))
            size += work.settlement.size
        return batch

    def _is_ours(self, work: InFlightRecord) -> bool:
        """True if the record was delivered in this epoch: only then may this epoch commit its outcome."""
        ledger = self._ledgers.get(work.record.topic)
        return ledger is not None and work.record.offset in ledger.unfinished

    def _close_up(self, changed: Sequence[InFlightRecord], *, leaving: bool) -> dict[str, CommittedOffset]:
        """Move idle lanes past control markers; return what to commit, by topic, where that changed."""
        trouble = "" if leaving else self._crew.trouble
        touched = self._touched | {work.record.topic for work in changed}
        if leaving or trouble != self._told_trouble:
            touched = set(self.topics)
        self._touched, self._told_trouble = set(), trouble
        progress = {}
        for topic, ledger in self._ledgers.items():
            if leaving:
                ledger.calm()
            if ledger.idle and not leaving:  # who leaves may do so because records could not be delivered
                ledger.skip_to(self._bus.position(topic, self.shard) or 0)
            if topic in touched or ledger.idle:
                progress[topic] = ledger.close_up(trouble)
        return {topic: at for topic, at in progress.items() if at != self._ledgers[topic].committed}

    def _close_books(
        self, batch: Iterable[tuple[InFlightRecord, RecordResult]], progress: Mapping[str, CommittedOffset]
    ) -> None:
        for topic, committed in progress.items():
            self._ledgers[topic].committed = committed
        self._limit.double()
        now = time.monotonic()
        for work, settlement in batch:
            self._works.pop((work.record.topic, work.record.offset), None)
            self._crew.announced(work.record, settlement, now - work.settled_at)

    def _after_refusal(self, batch: Sequence[InFlightRecord]) -> None:
        """Find the record whose letters are refused by halving; alone, it is given its fallback."""
        if len(batch) > 1:
            self._limit.halve(len(batch))
            return
        (work,) = batch
        if work.settlement is not None:
            work.settlement = instead_of(work.record, work.settlement)

    def _begin(self, record: Record, ledger: OffsetTracker) -> None:
        coordinates = (record.topic, record.offset)
        if stale := self._works.pop(coordinates, None):
            stale.drop(running=True)
        work = self._works[coordinates] = InFlightRecord(
            record, ledger.deaths(record.offset), self._wake.set, self._judge
        )
        work.withdraw = self._crew.begin(work)

    def _judge(
        self, work: InFlightRecord
    ) -> bool:  # that of an earlier epoch's work is judged when its record is read again
        return not self._is_ours(work) or self._precedence.enter(work)
