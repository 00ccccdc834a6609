"""A simulated worker: the real poll loop, owners and trackers over the twins; its jobs only take time."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import NamedTuple

from consumer.delivery.controls import Traits
from consumer.delivery.editorial import Choice, Position, Withdrawal
from consumer.delivery.heads import Claim, Heads, Slot
from consumer.delivery.in_flight import InFlightRecord
from consumer.delivery.own_offsets import ForeignCommit
from consumer.delivery.poll_loop import PollLoop
from consumer.delivery.ports import BusError, OutgoingRecord, RecordResult
from consumer.delivery.restore import OwnerTiming
from consumer.delivery.retry import Headers
from consumer.delivery.ruling import Ruling, Verdict
from consumer.delivery.shard_owner import ShardOwner
from consumer.errors import Fatal
from consumer.jobs import Record
from consumer.testing.broker import MemoryBroker
from consumer.testing.bus import MemoryBus
from consumer.testing.clock import Process
from consumer.testing.reader import MemoryReader
from schemas import Reason
from schemas.editorial import ImageChosen
from tests.simulation.schedule import BACKFILL, LANES, RETRY, Ask, Decision, Ending, Schedule

OUT, DEAD, NOT_TAKEN, HEADS = "outcome", "dead-letter", "takes-nothing", "heads"
CAUSE, DUE, NEWER, MADE, ORIGIN, CALLED_OFF = "cause", "due", "newer", "made", "origin", "called-off"
STATE = "state"
CHOSEN = ImageChosen.model_validate({"article": {"id": "a-1", "revision": 1}, "picture": {"sha256": "0" * 64}})
SLOT = Slot("a-1", "hero")
RETRY_SECONDS = 1.0
HEARTBEAT_SECONDS = 1.0
DEATHS = 2
GRACE_SECONDS = 1.0
TIMING = OwnerTiming(tick=0.5, reread=0.1, rereads=10, transaction=2.0, backoff=0.1, max_backoff=1.0)


class Work(NamedTuple):
    """The task that works on a record, and whether it is being painted."""

    task: asyncio.Task[None]
    at_engine: asyncio.Event

    @property
    def painting(self) -> bool:
        return self.at_engine.is_set()

    def cancel(self, *, running: bool) -> None:
        if running or not self.painting:
            self.task.cancel()


class Handler:
    """Jobs that take their time, half of it in the engine, and complete as the asks say."""

    def __init__(
        self, tasks: asyncio.TaskGroup, asks: Mapping[bytes, Ask], die: Callable[[], None], began: dict[bytes, float]
    ) -> None:
        self.outage = ""
        self._began = began
        self._tasks = tasks
        self._die = die
        self._asks = asks
        self._busy: dict[asyncio.Task[None], None] = {}
        self._turns: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)

    def admits(self) -> bool:
        return True

    def seconds_until_due(self, record: Record) -> float:
        return float(dict(record.headers).get(DUE) or b"0") - asyncio.get_running_loop().time()

    def begin(self, in_flight: InFlightRecord) -> Work:
        painting = asyncio.Event()
        task = self._tasks.create_task(self._work(in_flight, painting))
        self._busy[task] = None
        task.add_done_callback(self._busy.pop)
        return Work(task, painting)

    async def finish(self, seconds: float) -> None:
        if self._busy:
            await asyncio.wait(self._busy, timeout=seconds)
        for task in list(self._busy):
            task.cancel()

    async def _work(self, in_flight: InFlightRecord, painting: asyncio.Event) -> None:
        assert self.seconds_until_due(in_flight.record) <= 0, "a retry record was begun before it was due"
        ask = self._asks[in_flight.record.value or b""]
        if ask.decision is not None:
            in_flight.decides = True
            async with self._turns[in_flight.record.partition]:
                await _decide(in_flight, ask, ask.decision)
            return
        if in_flight.engine.deaths >= DEATHS:
            last = in_flight.record.topic == RETRY
            in_flight.complete(_result(in_flight.record, Ending.FAILED if last else Ending.RETRIED))
            return
        ruling = in_flight.register_claim(
            _claim(in_flight.record, ask),
            lambda newer: _superseded(in_flight.record, newer),
            lambda withdrawn: _stated(in_flight.record, "withdrawn", withdrawn.ordinal),
        )
        if ruling.verdict is Verdict.SUPERSEDED:
            return
        if (unpainted := _unpainted(in_flight.record, ruling)) is not None:
            in_flight.complete(unpainted)
            return
        await self._paint(in_flight, ask, painting)
        if ruling.verdict is Verdict.KEEP and ruling.choice is not None:
            in_flight.complete(_stated(in_flight.record, "chosen", ruling.ordinal, ruling.choice.sha256))
            return
        again = ask.ending is Ending.RETRIED and in_flight.record.topic == RETRY
        in_flight.complete(_result(in_flight.record, Ending.READY if again else ask.ending, ruling.ordinal))

    async def _paint(self, in_flight: InFlightRecord, ask: Ask, painting: asyncio.Event) -> None:
        """Be in the engine for half of the time that the request takes, or die there."""
        await asyncio.sleep(ask.seconds / 2)
        with in_flight.engine.entering() as announced:
            await announced()
            painting.set()
            self._began[in_flight.record.value or b""] = asyncio.get_running_loop().time()
            if ask.ending is Ending.POISON:
                self._die()
                await asyncio.get_running_loop().create_future()
            await asyncio.sleep(ask.seconds / 2)
            painting.clear()

    def announced(self, record: Record, result: RecordResult, seconds: float) -> None:
        assert result.records
        assert seconds >= 0
        assert record.topic in LANES

    def foreign_commit(self, commit: ForeignCommit) -> None:
        raise AssertionError(f"taken for somebody else's: {commit}")

    def records_deleted(self, topic: str, shard: int, records: int) -> None:
        raise AssertionError(topic, shard, records)

    def epoch_ended(self, shard: int, error: BusError) -> None:
        assert shard >= 0
        assert str(error)

    def committed(self, shard: int, seconds: float, records: int) -> None:
        assert shard >= 0
        assert seconds >= 0
        assert records >= 0


async def _decide(in_flight: InFlightRecord, ask: Ask, decision: Decision) -> None:
    """Apply an editor's decision, which takes its time if a picture has to be found for it."""
    record, name = in_flight.record, (in_flight.record.value or b"").decode()
    at = Position(topic=record.topic, partition=record.partition, offset=record.offset)
    match decision:
        case Decision.CHOICE:
            await asyncio.sleep(ask.seconds / 2)
            ruling = in_flight.choose(SLOT, at, Choice(decision=CHOSEN, sha256=name))
            if ruling is not None:
                kind = "chosen" if ruling.verdict is Verdict.CHOOSE else "refused"
                in_flight.complete(_stated(record, kind, ruling.ordinal, name))
        case Decision.DOWN:
            slots = in_flight.withdraw_slots(*SLOT, at, Withdrawal(source="/cms", request_id=name))
            if slots is not None:
                in_flight.complete(_stated(record, "withdrawn", slots[0].ordinal))
        case Decision.UP:
            if in_flight.restore_slots(*SLOT, at) is not None:
                in_flight.complete(_stated(record, "restored", 0))


def _unpainted(record: Record, ruling: Ruling) -> RecordResult | None:
    """Return the result of a request that the ruling keeps from the engine; None for one that is painted."""
    match ruling.verdict:
        case Verdict.WITHDRAWN:
            return _stated(record, "withdrawn", ruling.ordinal)
        case Verdict.CANCELLED:
            return _called_off(record)
        case Verdict.PAUSED:
            return _result(record, Ending.RETRIED)
        case _:
            return None


def _stated(record: Record, kind: str, ordinal: int, picture: str = "") -> RecordResult:
    """Say what a slot shows by an editor's decision; `kind` and `ordinal` are as in the contract."""
    cause = (CAUSE, f"{record.topic}:{record.offset}".encode())
    state = (STATE, json.dumps([kind, ordinal, picture]).encode())
    return RecordResult((OutgoingRecord(OUT, record.partition, record.key, record.value, (cause, state)),))


def _result(record: Record, ending: Ending, ordinal: int = 0) -> RecordResult:
    cause = (CAUSE, f"{record.topic}:{record.offset}".encode())
    origin = (ORIGIN, dict(record.headers).get(ORIGIN) or cause[1])
    due = (DUE, b"%f" % (asyncio.get_running_loop().time() + RETRY_SECONDS))

    def outgoing(topic: str, *headers: tuple[str, bytes | None]) -> OutgoingRecord:
        return OutgoingRecord(topic, record.partition, record.key, record.value, (cause, *headers))

    short = RecordResult((outgoing(OUT),))
    return {
        Ending.READY: RecordResult((outgoing(OUT, (MADE, b"%d" % ordinal)),), announces=True),
        Ending.FAILED: RecordResult((outgoing(OUT), outgoing(DEAD))),
        Ending.RETRIED: RecordResult((outgoing(RETRY, due, origin),)),
        Ending.REFUSED: RecordResult((outgoing(NOT_TAKEN),), fallback=lambda: short),
    }[ending]


def _superseded(record: Record, newer: int) -> RecordResult:
    cause = (CAUSE, f"{record.topic}:{record.offset}".encode())
    return RecordResult(
        (OutgoingRecord(OUT, record.partition, record.key, record.value, (cause, (NEWER, b"%d" % newer))),)
    )


def _called_off(record: Record) -> RecordResult:
    cause = (CAUSE, f"{record.topic}:{record.offset}".encode())
    return RecordResult((OutgoingRecord(OUT, record.partition, record.key, record.value, (cause, (CALLED_OFF, b""))),))


def _claim(record: Record, ask: Ask) -> Claim:
    """Return a record's claim: one without a revision has a slot of its own."""
    slot = SLOT if ask.revision else Slot(f"own-{(record.value or b'').decode()}", "hero")
    name = (record.value or b"").decode()
    traits = traits_of(record.topic, record.offset, record.headers, ask)
    return Claim(slot, ask.revision, "/cms", name, time_ms=round(ask.at * 1000), traits=traits)


def traits_of(topic: str, offset: int, headers: Headers, ask: Ask) -> Traits:
    """Return what controls go by, of a record read there."""
    lane, _, number = (dict(headers).get(ORIGIN) or f"{topic}:{offset}".encode()).decode().rpartition(":")
    return Traits(lane, int(number), topic, ask.section, "/cms", None)


class Worker:
    """One process, from its start to its end, however that comes."""

    def __init__(
        self,
        name: str,
        broker: MemoryBroker,
        plan: Schedule,
        die: Callable[[Worker], None],
        began: dict[bytes, float] | None = None,
    ) -> None:
        self.process = Process(name)
        self.reader = MemoryReader(broker, name, HEARTBEAT_SECONDS)
        self._broker = broker
        self._plan = plan
        self._die = die
        self._began = {} if began is None else began
        self._stopping = asyncio.Event()
        self.wanted = True
        self.main = self.process.run(self._work())

    @property
    def fatal(self) -> Reason | None:
        """The reason it ended by itself; None if it did not."""
        error = None if self.main.cancelled() else self.main.exception()
        while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
            (error,) = error.exceptions
        if error is not None and not isinstance(error, Fatal):
            raise error
        return error.reason if error is not None else None

    def is_wanted(self) -> None:
        self.wanted = True

    def stop(self) -> None:
        self._stopping.set()

    def kill(self) -> None:
        self.reader.line.cut()
        self.process.end()

    async def _work(self) -> None:
        try:
            async with asyncio.TaskGroup() as jobs:
                handler = Handler(jobs, self._plan.numbered, lambda: self._die(self), self._began)
                poll_loop = self._poll_loop(handler)
                async with asyncio.TaskGroup() as services:
                    polling = services.create_task(poll_loop.run())
                    await self._stopping.wait()
                    poll_loop.stop()
                    await handler.finish(GRACE_SECONDS)
                    await poll_loop.close_shards()
                    polling.cancel()
        finally:
            await self.reader.close()

    def _poll_loop(self, handler: Handler) -> PollLoop:
        bus = MemoryBus(self._broker, LANES, self.reader)
        owners = {
            shard: ShardOwner(
                shard,
                LANES,
                bus=bus,
                handler=handler,
                observer=handler,
                heads=Heads(HEADS, "group", shard),
                timing=TIMING,
                holdable={BACKFILL},
            )
            for shard in range(self._broker.partitions)
        }
        return PollLoop(
            self.reader,
            LANES,
            owners,
            wanted=lambda: self.wanted,
            max_in_flight=4,
            cancel_revoked=self._plan.cancel_revoked,
            polled=lambda: None,
            strangers=bus.strangers,
        )
