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
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import structlog

from consumer import failpoints
from consumer.errors import Fatal
from consumer.failpoints import Place
from consumer.kafka.bus import MAX_LETTER_BYTES, UNCOMMITTED, BusError, LetterRefused, Progress
from consumer.kafka.ledger import Ledger, ProgressUnreadable
from schemas import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence

    from consumer.jobs import Record
    from consumer.kafka.bus import Bus, Epoch, Settlement

log = structlog.get_logger(__name__)

MAX_BATCH = 200
"""Records settled in one transaction at most: keeps it far below the transaction timeout."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long the owner waits, in seconds; tests shorten it."""

    tick: float = 1.0
    """Between looks for an idle lane whose position moved past control markers."""
    reread: float = 0.2
    """Before committed offsets are read again after an answer that cannot be trusted."""
    rereads: int = 100
    """Such answers in a row after which the epoch is given up."""
    transaction: float = 10.0
    """Bound on one transaction, begin to commit."""
    backoff: float = 0.5
    """Before the next epoch after a broken one; doubles with each, up to `backoff_most`."""
    backoff_most: float = 10.0


class Crew(Protocol):
    """Who works on records and hears what became of them."""

    def begin(self, record: Record, settle: Callable[[Settlement], None]) -> Callable[[bool], None]:
        """Start work; `settle` is called once, when it is done. Returns what withdraws it (True: even when running)."""

    def announced(self, record: Record, settlement: Settlement, seconds: float) -> None:
        """The settlement was committed, `seconds` after it was handed over."""

    def epoch_ended(self, shard: int, error: BusError) -> None:
        """An epoch broke; the next begins after a pause."""

    def committed(self, shard: int, seconds: float, letters: int) -> None:
        """A transaction went through."""


@dataclass(slots=True)
class Work:
    """A record in hand, across epochs."""

    record: Record
    digest: str
    withdraw: Callable[[bool], None]
    settlement: Settlement | None = None
    settled_at: float = 0.0


class ShardOwner:
    """Owns one shard for as long as `run` runs. `deliver` and `wants` are for the poll loop, on the same event loop."""

    def __init__(self, shard: int, topics: Sequence[str], bus: Bus, crew: Crew, pace: Pace | None = None) -> None:
        self.shard = shard
        self.topics = tuple(topics)
        self._bus = bus
        self._crew = crew
        self._pace = pace or Pace()
        self._ledgers: dict[str, Ledger] = {}
        self._works: dict[tuple[str, int], Work] = {}
        self._batch_limit = MAX_BATCH
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
        return ledger is not None and not ledger.full and not self._stopping.is_set()

    def deliver(self, record: Record) -> None:
        """Take a record from the poll loop. Dropped while the shard is not open: opening it reads it again."""
        ledger = self._ledgers.get(record.topic)
        if ledger is None or not ledger.deliver(record.offset):
            return
        known = self._works.get((record.topic, record.offset))
        if known is None or known.digest != record.digest:
            self._begin(record)
        elif known.settlement is not None:
            self._wake.set()

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
            work.withdraw(running)
        self._works.clear()

    def run(self) -> Coroutine[None, None, None]:
        """Own the shard, epoch after epoch, until `stop`; which counts from this call on, not from the first step.

        Cancelling ends the epoch where it is: what was not committed is seen by nobody. Raises `Fatal` for what only an
        operator can mend.
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
                await self._pause(backoff)
                backoff = min(2 * backoff, self._pace.backoff_most)
            finally:
                self._ledgers = {}

    async def _open(self) -> None:
        progress = await self._read_progress()
        ledgers = {topic: self._restore(topic, progress[topic]) for topic in self.topics}
        self._forget_finished(ledgers)
        for topic, ledger in ledgers.items():
            self._bus.seek(topic, self.shard, ledger.next_offset)
        self._ledgers = ledgers
        log.info("shard_open", shard=self.shard, adopted=len(self._works))

    async def _read_progress(self) -> Mapping[str, Progress]:
        """Read the committed offsets of every lane; a lane missing from the answer means that the call failed."""
        for _ in range(self._pace.rereads):
            progress = await self._bus.progress(self.shard)
            if all(topic in progress for topic in self.topics):
                return progress
            if self._stopping.is_set():
                break
            await self._pause(self._pace.reread)
        raise BusError(f"the committed offsets of shard {self.shard} could not be read")

    def _restore(self, topic: str, progress: Progress) -> Ledger:
        if progress.offset == UNCOMMITTED:
            raise Fatal(
                Reason.NO_STARTING_OFFSET,
                f"The group has no committed offset for {topic}:{self.shard} (never set, or expired while the group "
                "was empty). Say where to begin: leadart topics apply --start earliest, or --start latest.",
            )
        try:
            return Ledger.restore(progress)
        except ProgressUnreadable as error:
            raise Fatal(
                Reason.PROGRESS_UNREADABLE,
                f"The progress committed for {topic}:{self.shard} cannot be read: {error}. Stop the workers and run: "
                f"leadart topics forget-progress {topic}:{self.shard}; records finished above offset {progress.offset} "
                "are then announced once more, under the same ids.",
            ) from error

    def _forget_finished(self, ledgers: Mapping[str, Ledger]) -> None:
        """Let go of work whose outcome was committed: by a commit that looked lost, or by another owner."""
        for (topic, offset), work in list(self._works.items()):
            ledger = ledgers[topic]
            if offset < ledger.next_offset or offset in ledger.finished:
                work.withdraw(True)
                del self._works[topic, offset]

    async def _serve(self, epoch: Epoch) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pace.tick):
                    await self._wake.wait()
            self._wake.clear()
            await self._commit(epoch)
            if self._stopping.is_set() and not self._wake.is_set():
                return

    async def _commit(self, epoch: Epoch) -> None:
        """Settle what is finished, and move idle lanes past control markers, in one transaction."""
        batch = self._take_batch()
        progress = self._close_up(batch)
        if not progress:
            return
        started = time.monotonic()
        letters = [letter for _, settlement in batch for letter in settlement.letters]
        try:
            async with asyncio.timeout(self._pace.transaction):
                await epoch.begin()
                # A refused record only fails its own future: a commit that did not wait for every one of them would
                # move the offset past a record whose outcome nobody will ever see.
                await asyncio.gather(*[await epoch.send(letter) for letter in letters])
                await failpoints.reached(Place.BEGUN)
                await epoch.send_offsets(progress)
                await epoch.commit()
        except TimeoutError as error:
            raise BusError(f"no answer within {self._pace.transaction} s") from error
        except LetterRefused:
            self._after_refusal([work for work, _ in batch])
            raise
        self._crew.committed(self.shard, time.monotonic() - started, len(letters))
        self._close_books(batch, progress)

    def _take_batch(self) -> list[tuple[Work, Settlement]]:
        batch = []
        settled = [work for work in self._works.values() if work.settlement is not None and self._is_ours(work)]
        for work in sorted(settled, key=lambda work: (work.settled_at, work.record.offset)):
            ledger, offset = self._ledgers[work.record.topic], work.record.offset
            if work.settlement is not None and ledger.can_finish(offset):
                ledger.finish(offset)
                batch.append((work, work.settlement))
                if len(batch) == self._batch_limit:
                    self._wake.set()
                    break
        return batch

    def _is_ours(self, work: Work) -> bool:
        """True if the record was delivered in this epoch: only then may this epoch commit its outcome."""
        return work.record.offset in self._ledgers[work.record.topic].unfinished

    def _close_up(self, batch: Sequence[tuple[Work, Settlement]]) -> dict[str, Progress]:
        """Move idle lanes past control markers; return what to commit, by topic, where that changed."""
        touched = {work.record.topic for work, _ in batch}
        progress = {}
        for topic, ledger in self._ledgers.items():
            if ledger.idle:
                ledger.skip_to(self._bus.position(topic, self.shard) or 0)
            if topic in touched or ledger.idle:
                progress[topic] = ledger.close_up()
        return {topic: at for topic, at in progress.items() if at != self._ledgers[topic].committed}

    def _close_books(self, batch: Iterable[tuple[Work, Settlement]], progress: Mapping[str, Progress]) -> None:
        for topic, committed in progress.items():
            self._ledgers[topic].committed = committed
        self._batch_limit = min(2 * self._batch_limit, MAX_BATCH)
        now = time.monotonic()
        for work, settlement in batch:
            self._works.pop((work.record.topic, work.record.offset), None)
            self._crew.announced(work.record, settlement, now - work.settled_at)

    def _after_refusal(self, batch: Sequence[Work]) -> None:
        """Find the record whose letters are refused by halving; alone, it is given its fallback."""
        if len(batch) > 1:
            self._batch_limit = len(batch) // 2
            return
        (work,) = batch
        if work.settlement is None:
            return
        if not work.settlement.fallback:
            raise Fatal(
                Reason.ANNOUNCEMENT_REFUSED,
                f"The broker refuses even a short outcome for {work.record.topic}:{self.shard} offset "
                f"{work.record.offset}. Check the outcome topic's max.message.bytes and this worker's rights: "
                "leadart doctor.",
            )
        log.error("announcement_refused", topic=work.record.topic, shard=self.shard, offset=work.record.offset)
        work.settlement = work.settlement.fall_back()

    def _begin(self, record: Record) -> None:
        coordinates = (record.topic, record.offset)
        if stale := self._works.pop(coordinates, None):
            stale.withdraw(True)

        def settle(settlement: Settlement) -> None:
            if self._works.get(coordinates) is not work:
                return
            if settlement.fallback and any(letter.size > MAX_LETTER_BYTES for letter in settlement.letters):
                log.error("announcement_too_large", topic=record.topic, shard=self.shard, offset=record.offset)
                settlement = settlement.fall_back()
            work.settlement, work.settled_at = settlement, time.monotonic()
            self._wake.set()

        work = Work(record, record.digest, withdraw=lambda _running: None)
        self._works[coordinates] = work
        work.withdraw = self._crew.begin(record, settle)

    async def _pause(self, seconds: float) -> None:
        """Wait, but not past a stop."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
