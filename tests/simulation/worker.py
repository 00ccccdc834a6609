"""A simulated worker: the real intake, owners and ledgers, over the twins, with a crew whose jobs only take time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from consumer.delivery.heads import Claim, Heads, Slot
from consumer.delivery.poll_loop import PollLoop
from consumer.delivery.ports import BusError, OutgoingRecord, RecordResult
from consumer.delivery.restore import OwnerTiming
from consumer.delivery.shard_owner import ShardOwner
from consumer.errors import Fatal
from consumer.testing.bus import MemoryBus
from consumer.testing.clock import Process
from consumer.testing.reader import MemoryReader
from tests.simulation.schedule import LANES, RETRY, Ending

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from consumer.delivery.in_flight import InHand
    from consumer.jobs import Record
    from consumer.testing.broker import MemoryBroker
    from schemas import Reason
    from tests.simulation.schedule import Ask, Schedule

OUT, DEAD, NOT_TAKEN, HEADS = "outcome", "dead-letter", "takes-nothing", "heads"
CAUSE, DUE, NEWER, MADE = "cause", "due", "newer", "made"
SLOT = Slot("a-1", "hero")
RETRY_SECONDS = 1.0
HEARTBEAT_SECONDS = 1.0
DEATHS = 2
GRACE_SECONDS = 1.0
PACE = OwnerTiming(tick=0.5, reread=0.1, rereads=10, transaction=2.0, backoff=0.1, backoff_most=1.0)


class Crew:
    """Jobs that take their time, half of it in the engine, and settle as the asks say."""

    def __init__(self, tasks: asyncio.TaskGroup, asks: Mapping[bytes, Ask], die: Callable[[], None]) -> None:
        self.trouble = ""
        self._tasks = tasks
        self._die = die
        self._asks = asks
        self._busy: dict[asyncio.Task[None], None] = {}

    def admits(self) -> bool:
        return True

    def wait(self, record: Record) -> float:
        return float(dict(record.headers).get(DUE) or b"0") - asyncio.get_running_loop().time()

    def begin(self, hand: InHand) -> Callable[[bool], None]:
        painting = asyncio.Event()
        task = self._tasks.create_task(self._work(hand, painting))
        self._busy[task] = None
        task.add_done_callback(self._busy.pop)
        return lambda running: None if painting.is_set() and not running else _cancel(task)

    async def finish(self, seconds: float) -> None:
        if self._busy:
            await asyncio.wait(self._busy, timeout=seconds)
        for task in list(self._busy):
            task.cancel()

    async def _work(self, hand: InHand, painting: asyncio.Event) -> None:
        assert self.wait(hand.record) <= 0, "a retry record was begun before it was due"
        ask = self._asks[hand.record.value or b""]
        if hand.deaths >= DEATHS:
            hand.settle(_settlement(hand.record, Ending.FAILED))
            return
        if ask.revision and not hand.claims(
            Claim(SLOT, ask.revision, "/cms", ""), lambda newer: _superseded(hand.record, newer)
        ):
            return
        await asyncio.sleep(ask.seconds / 2)
        with hand.in_engine() as told:
            await told()
            painting.set()
            if ask.ending is Ending.POISON:
                self._die()
                await asyncio.get_running_loop().create_future()
            await asyncio.sleep(ask.seconds / 2)
            painting.clear()
        again = ask.ending is Ending.RETRIED and hand.record.topic == RETRY
        hand.settle(_settlement(hand.record, Ending.READY if again else ask.ending))

    def announced(self, record: Record, settlement: RecordResult, seconds: float) -> None:
        assert settlement.records
        assert seconds >= 0
        assert record.topic in LANES

    def epoch_ended(self, shard: int, error: BusError) -> None:
        assert shard >= 0
        assert str(error)

    def committed(self, shard: int, seconds: float, records: int) -> None:
        assert shard >= 0
        assert seconds >= 0
        assert records >= 0


def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()


def _settlement(record: Record, ending: Ending) -> RecordResult:
    cause = (CAUSE, f"{record.topic}:{record.offset}".encode())
    due = (DUE, b"%f" % (asyncio.get_running_loop().time() + RETRY_SECONDS))

    def letter(topic: str, *headers: tuple[str, bytes | None]) -> OutgoingRecord:
        return OutgoingRecord(topic, record.partition, record.key, record.value, (cause, *headers))

    short = RecordResult((letter(OUT),))
    return {
        Ending.READY: RecordResult((letter(OUT, (MADE, b"")),), announces=True),
        Ending.FAILED: RecordResult((letter(OUT), letter(DEAD))),
        Ending.RETRIED: RecordResult((letter(RETRY, due),)),
        Ending.REFUSED: RecordResult((letter(NOT_TAKEN),), fallback=lambda: short),
    }[ending]


def _superseded(record: Record, newer: int) -> RecordResult:
    cause = (CAUSE, f"{record.topic}:{record.offset}".encode())
    return RecordResult(
        (OutgoingRecord(OUT, record.partition, record.key, record.value, (cause, (NEWER, b"%d" % newer))),)
    )


class Worker:
    """One process of it, from its start to its end, however that comes."""

    def __init__(self, name: str, broker: MemoryBroker, plan: Schedule, die: Callable[[Worker], None]) -> None:
        self.process = Process(name)
        self.reader = MemoryReader(broker, name, HEARTBEAT_SECONDS)
        self._broker = broker
        self._plan = plan
        self._die = die
        self._stopping = asyncio.Event()
        self.main = self.process.run(self._work())

    @property
    def fatal(self) -> Reason | None:
        """Why it ended by itself; None if it did not."""
        error = None if self.main.cancelled() else self.main.exception()
        while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
            (error,) = error.exceptions
        if error is not None and not isinstance(error, Fatal):
            raise error
        return error.reason if error is not None else None

    def stop(self) -> None:
        self._stopping.set()

    def kill(self) -> None:
        self.reader.line.cut()
        self.process.end()

    async def _work(self) -> None:
        try:
            async with asyncio.TaskGroup() as jobs:
                crew = Crew(jobs, self._plan.numbered, lambda: self._die(self))
                intake = self._intake(crew)
                async with asyncio.TaskGroup() as services:
                    polling = services.create_task(intake.run())
                    await self._stopping.wait()
                    intake.stop()
                    await crew.finish(GRACE_SECONDS)
                    await intake.close_shards()
                    polling.cancel()
        finally:
            await self.reader.close()

    def _intake(self, crew: Crew) -> PollLoop:
        bus = MemoryBus(self._broker, LANES, self.reader)
        owners = {
            shard: ShardOwner(shard, LANES, bus=bus, crew=crew, heads=Heads(HEADS, "group", shard), pace=PACE)
            for shard in range(self._broker.partitions)
        }
        return PollLoop(
            self.reader,
            LANES,
            owners,
            jobs_in_hand=4,
            cancel_revoked=self._plan.cancel_revoked,
            polled=lambda: None,
        )
