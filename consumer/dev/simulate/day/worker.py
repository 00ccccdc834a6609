"""One worker's day in virtual time: the real policy, latest wins, choices and pipeline, over simulated devices.

Left out are Kafka and the commits: what ends is committed at once. As in the worker, a limited number of requests is in
flight, read in order; when the limit is reached the next one waits in Kafka.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from typing import Final

from consumer.delivery.editorial import Choice, Position
from consumer.delivery.editorial_decisions import EditorialDecisions
from consumer.delivery.heads import Heads, Slot
from consumer.delivery.in_flight import InFlightRecord
from consumer.delivery.latest_wins import LatestWins
from consumer.delivery.ports import RecordResult
from consumer.delivery.ruling import Verdict
from consumer.dev.simulate.day.stages import SimulatedEngine, simulated_pipeline
from consumer.dev.simulate.day.stories import Save
from consumer.dev.simulate.day.tally import WITH_PICTURE, DayTally, SaveEnd
from consumer.dev.simulate.scenario import Fleet
from consumer.jobs import Job, Lane, Record
from consumer.processing.context import JobContext
from consumer.processing.policy import Policy
from consumer.processing.progress import ProgressReporter
from consumer.processing.reading import claim_of
from consumer.processing.request_task import RequestTask
from consumer.processing.screening import Screening, applied, supersedes
from consumer.processing.settling import Settling
from consumer.processing.styles import Styles
from consumer.testing.clock import simulate
from schemas import ImageReady
from schemas.cloudevents import Event
from schemas.editorial import DecidedArticle, ImageChosen
from schemas.names import IMAGE_REQUESTED, REQUESTED
from schemas.recrop import PictureReference

_SOURCE: Final = "/newsroom"
_DAY: Final = 1_767_225_600_000
"""Midnight of the day, in milliseconds since 1970."""
_NOTHING: Final = RecordResult(())


class _DayWorker:
    """A worker, its owner and the editors; `tally` is complete after `run`."""

    outage = ""

    def __init__(self, fleet: Fleet, policy: Policy, styles: Styles, saves: Sequence[Save]) -> None:
        self._fleet = fleet
        self._styles = styles
        self._saves = saves
        self._loop = asyncio.get_running_loop()
        self._latest_wins = LatestWins(Heads("heads", "leadart", 0))
        self._decisions = EditorialDecisions(self._latest_wins, lambda _: True)
        self._screening = Screening(lambda: policy)
        self._settling = Settling(lambda: _DAY / 1000 + self._loop.time())
        self._settling.room = lambda _topic, _partition: fleet.in_flight // 2
        self._room = asyncio.Semaphore(fleet.in_flight)
        self._offsets = count(len(saves))
        self.tally = DayTally()

    async def run(self) -> None:
        """Work until every request has ended."""
        engine = SimulatedEngine(self._fleet)
        async with asyncio.TaskGroup() as self._tasks:
            self._pipeline = simulated_pipeline(self._tasks, engine, self._fleet, self._styles)
            for offset, save in enumerate(self._saves):
                await self._room.acquire()
                await asyncio.sleep(save.at - self._loop.time())
                InFlightRecord(_record(save, offset), 0, _not_woken, self._decisions).start(self)
        self.tally.pictures, self.tally.gpu_seconds = engine.painted, engine.busy_seconds

    def admits(self) -> bool:
        """Read on."""
        return True

    def seconds_until_due(self, _record: Record) -> float:
        """Return that it is due."""
        return 0.0

    def begin(self, in_flight: InFlightRecord) -> RequestTask:
        """Start work on a request."""
        progress = ProgressReporter()
        return RequestTask(self._tasks.create_task(self._handle(in_flight)), progress)

    async def _handle(self, in_flight: InFlightRecord) -> None:
        save = self._saves[in_flight.record.offset]
        stages = _Stages()
        ready: ImageReady | None = None
        try:
            end = await self._end(in_flight, save, stages)
            if isinstance(end, ImageReady):
                ready, end = end, SaveEnd.REUSED if end.reused else SaveEnd.PAINTED
        except asyncio.CancelledError:
            if not in_flight.overruled:
                raise
            end = stages.superseded
        in_flight.complete(RecordResult((), announces=end in WITH_PICTURE))
        self._latest_wins.recheck(in_flight)
        self._latest_wins.conclude(in_flight, in_flight.result or _NOTHING)
        self._room.release()
        if in_flight.overruled and end in WITH_PICTURE:
            end = stages.superseded
        self.tally.add(save, end, self._loop.time() - save.at)
        if ready and save.decides_after is not None:
            self._tasks.create_task(self._choose(save, ready))

    async def _end(self, in_flight: InFlightRecord, save: Save, stages: _Stages) -> SaveEnd | ImageReady:
        """Do as the worker's handler does."""
        context = JobContext(_job(in_flight.record, save), stages)
        claim = claim_of(context.job)
        preview = in_flight.preview(claim)
        policy = self._screening.decide(context.job, preview)
        context.job, claim = applied(policy, context.job), replace(claim, supersedes=supersedes(policy))
        if preview.verdict is Verdict.KEEP or policy.never or policy.needs_approval:
            end = SaveEnd.DECLINED if policy.never else SaveEnd.HELD if policy.needs_approval else SaveEnd.KEPT
            ruling = in_flight.register_claim(claim, _superseded)
            return SaveEnd.SUPERSEDED if ruling.verdict is Verdict.SUPERSEDED else end
        plan = self._pipeline.plan(context, preview)
        with self._pipeline.handover(context, plan):
            if in_flight.register_claim(claim, _superseded).verdict is Verdict.SUPERSEDED:
                return SaveEnd.SUPERSEDED
            seconds = self._settling.seconds_left(context.job, policy.settle_seconds)
            if seconds > 0:
                await self._settle(in_flight, stages, seconds)
            return await self._pipeline.produce(context, plan)

    async def _settle(self, in_flight: InFlightRecord, stages: _Stages, seconds: float) -> None:
        in_flight.settle(seconds)
        stages.settling = True
        await self._settling.wait(in_flight.record, seconds)
        stages.settling = False
        in_flight.settle(0.0)

    async def _choose(self, save: Save, ready: ImageReady) -> None:
        """Choose the first picture, as an editor does after some thought."""
        await asyncio.sleep(save.decides_after or 0.0)
        article, picture = save.request.article, ready.pictures[0]
        decision = ImageChosen(
            article=DecidedArticle(id=article.id, revision=article.revision),
            picture=PictureReference(recipe=picture.recipe),
        )
        record = _record(save, next(self._offsets))
        in_flight = InFlightRecord(record, 0, _not_woken, self._decisions)
        choice = Choice(decision=decision, sha256=picture.sha256, recipe=picture.recipe)
        at = Position(topic=record.topic, partition=record.partition, offset=record.offset)
        in_flight.choose(Slot(article.id, decision.slot), at, choice)
        self.tally.choices += 1


class _Stages(ProgressReporter):
    """How far a request has come."""

    settling = False

    @property
    def superseded(self) -> SaveEnd:
        """How it ends if it is superseded now."""
        if self.settling:
            return SaveEnd.SETTLED
        return SaveEnd.INTERRUPTED if self.painting else SaveEnd.SUPERSEDED

    def started(self, _index: int) -> None:
        """One of its pictures is at the engine."""
        self.painting = True


def _record(save: Save, offset: int) -> Record:
    key = save.request.article.id.encode()
    return Record(REQUESTED, 0, offset, key, None, (), _DAY + int(save.at * 1000))


def _job(record: Record, save: Save) -> Job:
    event = Event(f"save-{record.offset}", _SOURCE, IMAGE_REQUESTED)
    return Job(event, save.request, record, Lane.INTERACTIVE if save.interactive else Lane.LIVE)


def _superseded(_revision: int) -> RecordResult:
    return _NOTHING


def _not_woken() -> None:
    """Wake nobody: what ends is committed where it ends."""


def simulate_day(fleet: Fleet, policy: Policy, styles: Styles, saves: Sequence[Save]) -> DayTally:
    """Simulate one worker with these GPUs and requests, which are in order of time."""

    async def main() -> DayTally:
        worker = _DayWorker(fleet, policy, styles, saves)
        await worker.run()
        return worker.tally

    return simulate(main())
