"""Run one schedule: workers come and go, faults strike, and the promise is checked at every commit and at the end."""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from contextvars import Context
from dataclasses import replace
from functools import partial
from itertools import count

from consumer.delivery.controls import Controls, Selector, controls_key
from consumer.delivery.offset_metadata import OffsetMetadata, read_metadata, write_metadata
from consumer.delivery.ports import BusError, CommittedOffset, OutgoingRecord, Partition, RecordRefused
from consumer.testing.broker import Fate, MemoryBroker
from consumer.testing.clock import simulate
from consumer.testing.group import MemoryGroup
from consumer.testing.line import Busy, Journey
from schemas import Reason
from tests.simulation import slot_check
from tests.simulation.audit import Audit, controls_of
from tests.simulation.schedule import BACKFILL, LANES, REQUESTED, RETRY, Ask, Decision, Ending, Fault, Schedule, Strike
from tests.simulation.worker import CALLED_OFF, CAUSE, DEAD, HEADS, MADE, NEWER, NOT_TAKEN, OUT, STATE, Worker

SECTION = Selector(section="a")
SHARD_SECONDS = 0.2
"""Between two shards, as a command writes them."""
BUSY_SECONDS = 0.02
"""Before a command asks again for a shard whose last transaction is still ending, as a Kafka client does."""
SESSION_SECONDS, REBALANCE_SECONDS, TRANSACTION_SECONDS = 3.0, 8.0, 3.0
RESTART_SECONDS = 0.3
FINISH_SECONDS = 120.0
"""Within which an undisturbed world must finish."""

Trace = list[tuple[float, str, str]]
"""When which worker sent which request to the cluster."""


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
        self._undisturbed = self._closing = False
        self._workers: list[Worker] = []
        self._ended: list[Worker] = []
        self._changes: defaultdict[int, deque[Callable[[Controls], Controls]]] = defaultdict(deque)
        self._began: dict[bytes, float] = {}
        self._audit = Audit(schedule, self._began)
        group = MemoryGroup(SESSION_SECONDS, REBALANCE_SECONDS)
        self._broker = broker = MemoryBroker(schedule.shards, group)
        broker.marker_seconds = schedule.marker_seconds
        broker.transaction_seconds = TRANSACTION_SECONDS
        broker.refused_topics = {NOT_TAKEN}
        broker.faults = self._fault
        broker.journey = self._journey
        broker.transaction_ended = self._check_transaction
        broker.epoch_begun = self._audit.epoch_begun
        broker.offsets = {
            (lane, shard): CommittedOffset(0, "v1:0:") for lane in LANES for shard in range(schedule.shards)
        }

    async def run(self) -> Trace:
        for _ in range(self._schedule.workers):
            self._start()
        loop = asyncio.get_running_loop()
        for number, ask in self._asks.items():
            loop.call_later(ask.at, self._publish, number, ask)
        await asyncio.sleep(max(ask.at for ask in self._schedule.asks) + 0.1)
        await self._until(lambda: self._requests > max(self._strikes, default=-1) or self._all_finished(), 10.0)
        self._undisturbed = True
        await self._until(self._all_finished, FINISH_SECONDS)
        assert self._all_finished(), f"not finished though undisturbed: {self._broker.offsets}"
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
        worker = Worker(f"w{next(self._names)}", self._broker, self._schedule, self._worker_dies, self._began)
        self._workers.append(worker)
        worker.main.add_done_callback(lambda _: self._restart(worker), context=Context())

    def _restart(self, worker: Worker) -> None:
        """Restart a worker that ended by itself, as a supervisor does: here only after a refusal that nothing fixes."""
        if worker in self._workers:
            assert worker.fatal is Reason.ANNOUNCEMENT_REFUSED, worker.main.exception()
            self._replace(worker, RESTART_SECONDS, _nothing)

    def _publish(self, number: bytes, ask: Ask) -> None:
        shard = ask.shard % self._schedule.shards
        self._broker.leave_gap(ask.by, shard, ask.gap)
        self._broker.publish(OutgoingRecord(ask.by, shard, b"key", number, ()))

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
        if strike is None or worker is None or self._undisturbed:
            return journey
        return self._struck(strike, step, worker, journey)

    def _struck(self, strike: Strike, step: str, worker: Worker, journey: Journey) -> Journey:
        if strike.fault is Fault.LATE:
            return replace(journey, seconds=strike.seconds)
        if strike.fault in {Fault.LOST, Fault.REFUSED}:
            refused = strike.fault is Fault.REFUSED and step == "answer"
            lose = _raising(RecordRefused("refused") if refused else BusError("lost"))
            late = strike.served and not refused
            return replace(journey, leave=lose) if late else replace(journey, arrive=lose)

        def fall() -> None:
            # Not in the middle of what the worker does now: it reaches its next await first.
            asyncio.get_running_loop().call_later(strike.after, self._strike, strike, worker, context=Context())

        if strike.served:
            return replace(journey, leave=fall if strike.after else lambda: self._strike(strike, worker))
        fall()
        return journey

    def _strike(self, strike: Strike, worker: Worker) -> None:
        if worker not in self._workers or self._undisturbed:
            return
        match strike.fault:
            case Fault.KILL | Fault.STOP:
                self._replace(worker, strike.seconds, worker.kill if strike.fault is Fault.KILL else worker.stop)
            case Fault.FREEZE:
                worker.process.freeze()
                self._later(strike.seconds, worker.process.thaw)
            case Fault.CUT | Fault.OUTAGE:
                for line in [
                    each.reader.line for each in self._workers if each is worker or strike.fault is Fault.OUTAGE
                ]:
                    line.hold()
                    self._later(strike.seconds, line.release)
            case Fault.MISSING:
                self._missing = True
            case Fault.UNABLE:
                worker.wanted = False
                self._later(strike.seconds, worker.is_wanted)
            case Fault.REBALANCE:
                self._broker.group.rebalance()
            case Fault.PAUSE | Fault.PAUSE_SECTION | Fault.CANCEL:
                self._command(strike)
            case _:
                self._later(0.0, self._start)

    def _command(self, strike: Strike) -> None:
        """Pause and resume later, or call off what is queued now: shard by shard, as the commands do."""
        shards = range(self._schedule.shards)
        if strike.fault is Fault.CANCEL:
            ends = [{lane: len(self._broker.logs[lane, shard]) for lane in LANES} for shard in shards]
            self._change_controls(lambda shard, known: known.cancel(SECTION, ends[shard], 0))
            return
        match = Selector(lane=BACKFILL) if strike.fault is Fault.PAUSE else SECTION
        now_ms = round(asyncio.get_running_loop().time() * 1000)
        self._change_controls(lambda _, known: known.pause(match, now_ms))
        self._later(strike.seconds, lambda: self._change_controls(lambda _, known: known.resume(match)))

    def _change_controls(self, change: Callable[[int, Controls], Controls]) -> None:
        for shard in range(self._schedule.shards):
            self._changes[shard].append(partial(change, shard))
            self._later(shard * SHARD_SECONDS, partial(self._write_controls, shard))

    def _write_controls(self, shard: int) -> None:
        """Write the oldest change that is left: a command that finds the shard busy comes before a later one."""
        try:
            epoch = self._broker.init(shard)
        except Busy:
            self._later(BUSY_SECONDS, partial(self._write_controls, shard))
            return
        changed = self._changes[shard].popleft()(controls_of(self._broker, shard))
        record = OutgoingRecord(HEADS, shard, controls_key("group"), changed.encode(), ())
        self._broker.produce(shard, epoch, record)
        self._broker.commit(shard, epoch)

    def _replace(self, worker: Worker, seconds: float, end: Callable[[], None]) -> None:
        self._workers.remove(worker)
        self._ended.append(worker)
        end()
        self._later(seconds, self._start)

    def _worker_dies(self, worker: Worker) -> None:
        """Kill a worker whose own work ends it."""

        def die() -> None:
            if worker in self._workers:
                self._replace(worker, RESTART_SECONDS, worker.kill)
            elif worker in self._ended:
                worker.kill()

        self._later(0.0, die)

    def _later(self, seconds: float, step: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(seconds, step, context=Context())

    def _all_finished(self) -> bool:
        places = [(lane, shard) for lane in LANES for shard in range(self._schedule.shards)]
        ends = {place: len(self._broker.logs[place]) for place in places}
        return self._broker.offsets == {
            place: CommittedOffset(end, write_metadata(end, OffsetMetadata())) for place, end in ends.items()
        }

    async def _end(self) -> None:
        self._closing = True
        for worker in self._workers:
            worker.stop()
        self._ended, self._workers = self._ended + self._workers, []
        await asyncio.wait([worker.main for worker in self._ended], timeout=FINISH_SECONDS)
        for worker in self._ended:
            assert worker.process.running == [], "tasks outlive their worker"
            assert worker.fatal in {None, Reason.ANNOUNCEMENT_REFUSED}, worker.main.exception()

    def _check_end(self) -> None:
        outcomes = Counter(record.value for record in self._visible(OUT))
        assert outcomes == Counter(self._asks.keys()), "each record has one outcome"
        dead = {record.value for record in self._visible(DEAD)}
        failing = {
            number
            for number, ask in self._asks.items()
            if ask.ending in {Ending.FAILED, Ending.POISON} and ask.decision is None
        }
        marks = {NEWER, CALLED_OFF, STATE}
        otherwise = {record.value for record in self._visible(OUT) if marks & dict(record.headers).keys()}
        assert failing <= dead | otherwise, "a failed outcome has its dead letter"
        for shard in range(self._schedule.shards):
            self._check_latest_won(shard)
            slot_check.check(self._decided(shard), self._answered(shard))
        assert all(left.ending for left in self._broker.open.values()), "no transaction is left open"
        assert self._all_finished(), "shutting down moved no offset"

    def _check_latest_won(self, shard: int) -> None:
        """The newest revision is never superseded, and what is ready is never followed by something older."""
        records = [
            (self._asks[record.value or b""].revision, dict(record.headers))
            for record in self._broker.visible(OUT, shard)
        ]
        newest = max((revision for revision, _ in records), default=0)
        made = 0
        for revision, headers in records:
            if NEWER in headers:
                assert revision < int(headers[NEWER] or b"0") <= newest, "superseded by what is not newer"
            elif MADE in headers and revision:
                assert revision >= made, "an older revision is ready after a newer one"
                made = revision

    def _decided(self, shard: int) -> list[tuple[str, Decision]]:
        """Return the shard's decisions as they were published, each with its number."""
        published = self._committed(REQUESTED, shard).values()
        asks = [(record.value or b"", self._asks[record.value or b""]) for record in published]
        return [(number.decode(), ask.decision) for number, ask in asks if ask.decision is not None]

    def _answered(self, shard: int) -> list[slot_check.Answer]:
        """Return what the outcomes of the shard's slot say, in the order in which they are visible."""
        answers = []
        for record in self._broker.visible(OUT, shard):
            number, headers = record.value or b"", dict(record.headers)
            if STATE in headers:
                answers.append(slot_check.Answer(number.decode(), *json.loads(headers[STATE] or b"")))
            elif MADE in headers and self._asks[number].revision:
                made = slot_check.Answer(number.decode(), "ready", int(headers[MADE] or b"0"), number.decode())
                answers.append(made._replace(revision=self._asks[number].revision))
        return answers

    def _visible(self, topic: str) -> list[OutgoingRecord]:
        return [record for shard in range(self._schedule.shards) for record in self._broker.visible(topic, shard)]

    def _check_transaction(self, shard: int) -> None:
        self._check_promise(shard)
        self._audit.check(self._broker, shard)

    def _check_promise(self, shard: int) -> None:
        """At every commit: a lane's record is finished if, and only if, exactly one written record answers it."""
        announced: Counter[str] = Counter()
        for topic in (OUT, RETRY):
            announced.update(_cause(record) for record in self._committed(topic, shard).values() if _cause(record))
        finished: Counter[str] = Counter()
        for lane in LANES:
            committed = self._broker.offsets[lane, shard]
            above = read_metadata(committed).finished
            finished.update(
                f"{lane}:{offset}"
                for offset in self._committed(lane, shard)
                if offset < committed.offset or offset in above
            )
        assert announced == finished, "what is announced and what is finished differ"

    def _committed(self, topic: str, shard: int) -> dict[int, OutgoingRecord]:
        log = self._broker.logs[Partition(topic, shard)]
        return {
            offset: entry.record
            for offset, entry in enumerate(log)
            if entry.fate is Fate.COMMITTED and entry.record is not None
        }


def _cause(record: OutgoingRecord) -> str:
    return (dict(record.headers).get(CAUSE) or b"").decode()


def _nothing() -> None:
    pass


def _raising(error: BusError) -> Callable[[], None]:
    def strike() -> None:
        raise error

    return strike
