"""A run of one schedule: workers come and go, blows fall, and the promise is checked at every commit and at the end."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextvars import Context
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

from consumer.delivery.offset_metadata import read_metadata
from consumer.delivery.ports import BusError, CommittedOffset, OutgoingRecord, Partition, RecordRefused
from consumer.testing.broker import Fate, MemoryBroker
from consumer.testing.clock import simulate
from consumer.testing.group import MemoryGroup
from consumer.testing.line import Journey
from schemas import Reason
from tests.simulation.schedule import LANES, RETRY, Ask, Blow, Ending, Schedule, Strike
from tests.simulation.worker import CAUSE, DEAD, MADE, NEWER, NOT_TAKEN, OUT, Worker

if TYPE_CHECKING:
    from collections.abc import Callable

SESSION_SECONDS, REBALANCE_SECONDS, TRANSACTION_SECONDS = 3.0, 8.0, 3.0
RESTART_SECONDS = 0.3
PATIENCE_SECONDS = 120.0
"""Until which a world that is left in peace must have finished."""


Trace = list[tuple[float, str, str]]
"""When which worker asked the cluster for what."""


def play(schedule: Schedule) -> Trace:
    """Run a schedule to its end. Raises `AssertionError` where the promise is broken."""
    return simulate(_World(schedule).run())


class _World:
    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._asks = schedule.numbered
        self._strikes = {strike.request: strike for strike in schedule.strikes}
        self._trace: Trace = []
        self._requests = 0
        self._names = count()
        self._missing = False
        self._at_peace = self._closing = False
        self._workers: list[Worker] = []
        self._ended: list[Worker] = []
        group = MemoryGroup(SESSION_SECONDS, REBALANCE_SECONDS)
        self._broker = broker = MemoryBroker(schedule.shards, group)
        broker.marker_seconds = schedule.marker_seconds
        broker.transaction_seconds = TRANSACTION_SECONDS
        broker.refused_topics = {NOT_TAKEN}
        broker.faults = self._fault
        broker.journey = self._journey
        broker.transaction_ended = self._check_promise
        broker.offsets = {(lane, shard): CommittedOffset(0, "") for lane in LANES for shard in range(schedule.shards)}

    async def run(self) -> Trace:
        for _ in range(self._schedule.workers):
            self._start()
        loop = asyncio.get_running_loop()
        for number, ask in self._asks.items():
            loop.call_later(ask.at, self._publish, number, ask)
        await asyncio.sleep(max(ask.at for ask in self._schedule.asks) + 0.1)
        await self._until(lambda: self._requests > max(self._strikes, default=-1) or self._settled(), 10.0)
        self._at_peace = True
        await self._until(self._settled, PATIENCE_SECONDS)
        assert self._settled(), f"not finished in peace: {self._broker.offsets}"
        await self._end()
        self._check_end()
        return self._trace

    async def _until(self, condition: Callable[[], bool], seconds: float) -> None:
        end = asyncio.get_running_loop().time() + seconds
        while not condition() and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(0.25)

    def _start(self) -> None:
        if self._closing:
            return
        worker = Worker(f"w{next(self._names)}", self._broker, self._schedule, self._die)
        self._workers.append(worker)
        worker.main.add_done_callback(lambda _: self._start_again(worker), context=Context())

    def _start_again(self, worker: Worker) -> None:
        """Do as a supervisor does when a worker ended by itself: here only for a refusal that nothing mends."""
        if worker in self._workers:
            assert worker.fatal is Reason.ANNOUNCEMENT_REFUSED, worker.main.exception()
            self._replace(worker, RESTART_SECONDS, _nothing)

    def _publish(self, number: bytes, ask: Ask) -> None:
        shard = ask.shard % self._schedule.shards
        self._broker.leave_gap(ask.lane, shard, ask.gap)
        self._broker.publish(OutgoingRecord(ask.lane, shard, b"key", number, ()))

    def _fault(self, step: str) -> None:
        if step == "offsets_missing" and self._missing:
            self._missing = False
            raise BusError("the coordinator is loading")

    def _journey(self, owner: str, step: str, _answered: str) -> Journey:
        self._trace.append((asyncio.get_running_loop().time(), owner, step))
        delays = self._schedule.delays
        if step == "heartbeat":
            return Journey(0.0, _nothing, _nothing)
        request, self._requests = self._requests, self._requests + 1
        journey = Journey(delays[request % len(delays)], _nothing, _nothing)
        strike = self._strikes.get(request)
        worker = next((worker for worker in self._workers if worker.process.name == owner), None)
        if strike is None or worker is None or self._at_peace:
            return journey
        return self._struck(strike, step, worker, journey)

    def _struck(self, strike: Strike, step: str, worker: Worker, journey: Journey) -> Journey:
        if strike.blow is Blow.LATE:
            return replace(journey, seconds=strike.seconds)
        if strike.blow in {Blow.LOST, Blow.REFUSED}:
            refused = strike.blow is Blow.REFUSED and step == "answer"
            lose = _raising(RecordRefused("refused") if refused else BusError("lost"))
            late = strike.served and not refused
            return replace(journey, leave=lose) if late else replace(journey, arrive=lose)

        def fall() -> None:
            # Not in the middle of what the worker does now: it comes to its next await first.
            asyncio.get_running_loop().call_later(strike.after, self._strike, strike, worker, context=Context())

        if strike.served:
            return replace(journey, leave=fall if strike.after else lambda: self._strike(strike, worker))
        fall()
        return journey

    def _strike(self, strike: Strike, worker: Worker) -> None:
        if worker not in self._workers or self._at_peace:
            return
        match strike.blow:
            case Blow.KILL | Blow.STOP:
                self._replace(worker, strike.seconds, worker.kill if strike.blow is Blow.KILL else worker.stop)
            case Blow.FREEZE:
                worker.process.freeze()
                self._later(strike.seconds, worker.process.thaw)
            case Blow.CUT | Blow.OUTAGE:
                for line in [
                    each.reader.line for each in self._workers if each is worker or strike.blow is Blow.OUTAGE
                ]:
                    line.hold()
                    self._later(strike.seconds, line.release)
            case Blow.MISSING:
                self._missing = True
            case Blow.REBALANCE:
                self._broker.group.rebalance()
            case _:
                self._later(0.0, self._start)

    def _replace(self, worker: Worker, seconds: float, end: Callable[[], None]) -> None:
        self._workers.remove(worker)
        self._ended.append(worker)
        end()
        self._later(seconds, self._start)

    def _die(self, worker: Worker) -> None:
        """The worker's own work ends it."""

        def die() -> None:
            if worker in self._workers:
                self._replace(worker, RESTART_SECONDS, worker.kill)
            elif worker in self._ended:
                worker.kill()

        self._later(0.0, die)

    def _later(self, seconds: float, step: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(seconds, step, context=Context())

    def _settled(self) -> bool:
        ends = {
            (lane, shard): CommittedOffset(len(self._broker.logs[lane, shard]), "")
            for lane in LANES
            for shard in range(self._schedule.shards)
        }
        return self._broker.offsets == ends

    async def _end(self) -> None:
        self._closing = True
        for worker in self._workers:
            worker.stop()
        self._ended, self._workers = self._ended + self._workers, []
        await asyncio.wait([worker.main for worker in self._ended], timeout=PATIENCE_SECONDS)
        for worker in self._ended:
            assert worker.process.running == [], "tasks outlive their worker"
            assert worker.fatal in {None, Reason.ANNOUNCEMENT_REFUSED}, worker.main.exception()

    def _check_end(self) -> None:
        outcomes = Counter(letter.value for letter in self._visible(OUT))
        assert outcomes == Counter(self._asks.keys()), "each record has one outcome"
        dead = {letter.value for letter in self._visible(DEAD)}
        failing = {number for number, ask in self._asks.items() if ask.ending in {Ending.FAILED, Ending.POISON}}
        superseded = {letter.value for letter in self._visible(OUT) if NEWER in dict(letter.headers)}
        assert failing <= dead | superseded, "a failed outcome has its dead letter"
        for shard in range(self._schedule.shards):
            self._check_latest_won(shard)
        assert all(left.ending for left in self._broker.open.values()), "no transaction is left open"
        assert self._settled(), "and nothing was moved on the way out"

    def _check_latest_won(self, shard: int) -> None:
        """The newest revision is never superseded, and what is ready is never followed by something older."""
        records = [
            (self._asks[letter.value or b""].revision, dict(letter.headers))
            for letter in self._broker.visible(OUT, shard)
        ]
        newest = max((revision for revision, _ in records), default=0)
        made = 0
        for revision, headers in records:
            if NEWER in headers:
                assert revision < int(headers[NEWER] or b"0") <= newest, "superseded by what is not newer"
            elif MADE in headers and revision:
                assert revision >= made, "an older revision is ready after a newer one"
                made = revision

    def _visible(self, topic: str) -> list[OutgoingRecord]:
        return [letter for shard in range(self._schedule.shards) for letter in self._broker.visible(topic, shard)]

    def _check_promise(self, shard: int) -> None:
        """At every commit: a record of a lane is finished if, and only if, exactly one letter tells of it."""
        told: Counter[str] = Counter()
        for topic in (OUT, RETRY):
            told.update(_cause(letter) for letter in self._committed(topic, shard).values() if _cause(letter))
        finished: Counter[str] = Counter()
        for lane in LANES:
            progress = self._broker.offsets[lane, shard]
            above = read_metadata(progress).finished
            finished.update(
                f"{lane}:{offset}"
                for offset in self._committed(lane, shard)
                if offset < progress.offset or offset in above
            )
        assert told == finished, "what is told and what is finished differ"

    def _committed(self, topic: str, shard: int) -> dict[int, OutgoingRecord]:
        log = self._broker.logs[Partition(topic, shard)]
        return {
            offset: entry.record
            for offset, entry in enumerate(log)
            if entry.fate is Fate.COMMITTED and entry.record is not None
        }


def _cause(letter: OutgoingRecord) -> str:
    return (dict(letter.headers).get(CAUSE) or b"").decode()


def _nothing() -> None:
    pass


def _raising(error: BusError) -> Callable[[], None]:
    def strike() -> None:
        raise error

    return strike
