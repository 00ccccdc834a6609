"""A shard on a bench: real handler, decisions and heads; reads, pictures and commits happen when a test says so."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from consumer.delivery.editorial import Choice, Position, Withdrawal
from consumer.delivery.editorial_decisions import EditorialDecisions
from consumer.delivery.heads import WHOLE_ARTICLE, Claim, Head, Heads, Slot
from consumer.delivery.in_flight import Cancellable, InFlightRecord, WithdrawnSlot
from consumer.delivery.latest_wins import LatestWins
from consumer.delivery.ports import OutgoingRecord, RecordResult
from consumer.delivery.ruling import UNRULED, Ruling, Verdict
from consumer.errors import Unstorable
from consumer.jobs import Job, Record
from consumer.kafka.topics import retry_policy
from consumer.processing.ability import Ability
from consumer.processing.circuit_breaker import CircuitBreaker
from consumer.processing.context import JobContext
from consumer.processing.handler import RequestHandler
from consumer.processing.outcomes import OutcomeBuilder
from consumer.processing.store_outage import StoreOutage
from consumer.settings import Settings
from consumer.telemetry.metrics import Metrics, make_metrics
from consumer.testing.store import MemoryStore
from schemas import ImageProgress, ImageReady, ImageRequested, Reason, names
from schemas.cloudevents import Event, write
from schemas.editorial import ImageChosen
from schemas.pictures import FocalSource, ReadyFocalPoint
from schemas.recrop import ImageRecropRequested, PictureReference
from schemas.requested import EditorFocalPoint
from tests.support.newsroom import ARTICLE, SLOT, Look, Newsroom, Place, Remembered, WholeArticle, Wish

ARTICLE_ID, HEADS = "a-1", "heads"
LANES = (names.REQUESTED, names.BACKFILL, names.RETRY_1M)
TURNS = 12
"""Turns of the event loop within which every task comes to its next wait."""

ALL, DRAIN_ROUNDS = 1_000, 20
SINCE = 5.0
"""Seconds for which every save counts as waited for."""

_PICTURES: dict[str, str] = {}
_EXAMPLE = Path(__file__).parents[2] / "schemas" / "examples" / "image-ready" / "v1"
_READY = ImageReady.model_validate(json.loads(min(_EXAMPLE.glob("*.json")).read_text(encoding="utf-8"))["data"])


class Visible(NamedTuple):
    """An outcome that subscribers see, and the newsroom's number of what it answers; 0: of nothing accepted."""

    kind: str
    data: dict[str, Any]
    number: int


class Pictures:
    """A pipeline whose pictures are ready, or fail, when the test says so."""

    def __init__(self) -> None:
        self.waiting: dict[asyncio.Task[Any], asyncio.Future[None]] = {}

    def plan(self, context: JobContext, ruling: Ruling = UNRULED) -> tuple[Look, int]:
        request = context.job.request
        if ruling.verdict is Verdict.KEEP and ruling.choice is not None:
            return self.plan_choice(ruling.choice.decision, standing=True)
        if isinstance(request, ImageRecropRequested):
            return Look(_named(request.picture), _focus(request.focal_point)), 0
        assert isinstance(request, ImageRequested)
        given = request.generation.variation
        variation = ruling.variation if given is None else given
        return Look(f"{request.article.revision}/{variation}", None), variation

    def plan_choice(self, choice: ImageChosen, *, standing: bool) -> tuple[Look, int]:
        del standing
        assert choice.picture is not None
        return Look(_named(choice.picture), _focus(choice.focal_point)), 0

    def handover(self, context: JobContext, plan: object) -> Any:
        assert context
        assert plan
        return nullcontext()

    async def produce(self, context: JobContext, plan: tuple[Look, int]) -> ImageReady:
        task = asyncio.current_task()
        assert task is not None
        waiting = self.waiting[task] = asyncio.get_running_loop().create_future()
        try:
            await waiting
        finally:
            del self.waiting[task]
        (picture, focus), variation = plan
        point = None if focus is None else ReadyFocalPoint(x=focus, y=focus, source=FocalSource.EDITOR)
        named = {"sha256": digest("file", picture), "recipe": digest("recipe", picture), "focal_point": point}
        request = context.job.request
        about = {"id": request.article.id, "revision": request.article.revision}
        return _READY.model_copy(
            update={
                "request_id": context.job.event.id,
                "article": _READY.article.model_copy(update=about),
                "slot": request.slot,
                "variation": variation,
                "reused": False,
                "ordinal": 0,
                "chosen": False,
                "kept": False,
                "offers": False,
                "pictures": (_READY.pictures[0].model_copy(update=named),),
            }
        )


class Watched(LatestWins):
    """Latest wins, telling the newsroom what it accepts."""

    def __init__(self, heads: Heads, room: Newsroom, numbers: dict[InFlightRecord, int]) -> None:
        super().__init__(heads)
        self._room, self._numbers = room, numbers

    def admit(self, request: InFlightRecord, claim: Claim) -> Ruling:
        picture = None if claim.picture is None else _named(claim.picture)
        asked = claim.request_id, claim.revision, claim.variation, claim.fresh
        self._numbers[request] = self._room.ask(Wish(*asked, picture, _data(request.record).focus))
        return super().admit(request, claim)


class WatchedDecisions(EditorialDecisions):
    """Editorial decisions, telling the newsroom what is applied."""

    def __init__(
        self,
        watched: Watched,
        is_ours: Callable[[InFlightRecord], bool],
        room: Newsroom,
        numbers: dict[InFlightRecord, int],
    ) -> None:
        super().__init__(watched, is_ours)
        self._room, self._numbers, self._ours = room, numbers, is_ours

    def choose(self, request: InFlightRecord, slot: Slot, at: Position, choice: Choice) -> Ruling | None:
        if self._ours(request):
            decision, data, place = choice.decision, _data(request.record), (at.topic, at.offset)
            look = None if decision.picture is None else Look(_named(decision.picture), _focus(decision.focal_point))
            if request.claim is not None and look is not None:
                self._numbers[request] = self._room.crop(place, look)
            else:
                ends = {"external": decision.external, "let_go": choice.let_go}
                self._numbers[request] = self._room.choose(place, data.revision, look, **ends)
        return super().choose(request, slot, at, choice)

    def withdraw(
        self, request: InFlightRecord, article_id: str, slot: str | None, at: Position, by: Withdrawal
    ) -> list[WithdrawnSlot] | None:
        if self._ours(request):
            self._room.take_down((at.topic, at.offset), whole=slot is None)
        return super().withdraw(request, article_id, slot, at, by)

    def restore(self, request: InFlightRecord, article_id: str, slot: str | None, at: Position) -> bool | None:
        if self._ours(request):
            self._room.restore((at.topic, at.offset), whole=slot is None)
        return super().restore(request, article_id, slot, at)


class Table:
    """The heads' topic."""

    def __init__(self) -> None:
        self.records: list[tuple[bytes, bytes | None]] = []

    async def read_table(self, topic: str, shard: int, start: int) -> tuple[list[tuple[bytes, bytes | None]], int]:
        assert topic == HEADS
        assert shard == 0
        return self.records[start:], len(self.records)


class Commit(NamedTuple):
    """A transaction under way: what becomes visible with it, and what the newsroom remembers with it."""

    batch: list[tuple[Place, InFlightRecord, RecordResult]]
    heads: dict[Slot, Head]
    records: list[OutgoingRecord]
    room: tuple[Remembered, WholeArticle]


class BenchShard:
    """One shard and its owner, one epoch after another."""

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        settings, metrics, outage, breaker = _settings(), _metrics(), StoreOutage(), CircuitBreaker()
        self.room = Newsroom()
        self.numbers: dict[InFlightRecord, int] = {}
        self.heads = Heads(HEADS, "group", 0)
        self.latest_wins = Watched(self.heads, self.room, self.numbers)
        self.decisions = WatchedDecisions(self.latest_wins, self._is_ours, self.room, self.numbers)
        self.pictures = Pictures()
        self.outcomes: list[Visible] = []
        self.in_flight: dict[Place, InFlightRecord] = {}
        self._tasks: dict[InFlightRecord, asyncio.Task[Any]] = {}
        self._table = Table()
        self._lanes: dict[str, list[Record]] = {lane: [] for lane in LANES}
        self._finished: set[Place] = set()
        self._next = dict.fromkeys(LANES, 0)
        self._ours: set[Place] = set()
        self._commit: Commit | None = None
        self._handler = RequestHandler(
            tasks,
            pipeline=self.pictures,  # type: ignore[arg-type]
            breaker=breaker,
            outage=outage,
            ability=Ability(lambda: True, outage, breaker),
            retries=retry_policy(settings),
            outcomes=OutcomeBuilder(settings),
            store=MemoryStore(),
            progress=NoFeed(),
            metrics=metrics,
            poison_deaths=2,
        )

    def publish(self, lane: str, event: Event) -> None:
        """Append an event to a lane."""
        headers, value = write(event)
        self._append(lane, tuple(headers), value)

    def read(self, lane: str) -> bool:
        """Deliver a lane's next record, as the owner does; False at its end."""
        while (lane, self._next[lane]) in self._finished:
            self._next[lane] += 1
        place = lane, self._next[lane]
        if self._next[lane] >= len(self._lanes[lane]):
            return False
        record = self._lanes[lane][place[1]]
        self._next[lane] += 1
        self._ours.add(place)
        known = self.in_flight.get(place)
        if known is None or not self.latest_wins.readmit(known):
            if known is not None:
                known.release(cancel_running=True)
            begun = self.in_flight[place] = InFlightRecord(record, 0, lambda: None, self.decisions)
            begun.begun -= SINCE
            begun.start(self)  # type: ignore[arg-type]
        return True

    def begin(self, in_flight: InFlightRecord) -> Cancellable:
        """Start the real handler."""
        work = self._handler.begin(in_flight)
        self._tasks[in_flight] = work.task
        return work

    async def turn(self) -> None:
        """Let everything come to its next wait."""
        for _ in range(TURNS):
            await asyncio.sleep(0)

    def painting(self) -> list[asyncio.Future[None]]:
        """The pictures that are waited for, the oldest first."""
        return [waiting for waiting in self.pictures.waiting.values() if not waiting.done()]

    def take(self, most: int) -> None:
        """Begin a transaction, as the owner does: of what is complete, so much."""
        if self._commit is not None:
            return
        batch: list[tuple[Place, InFlightRecord, RecordResult]] = []
        complete = [one for one in self.in_flight.items() if one[1].result is not None and one[0] in self._ours]
        for place, one in sorted(complete, key=lambda each: (each[1].completed_at, each[1].record.offset))[:most]:
            self.latest_wins.recheck(one)
            assert one.result is not None
            self._ours.discard(place)
            self.latest_wins.conclude(one, one.result)
            batch.append((place, one, one.result))
        heads = self.latest_wins.changes([(one, result) for _, one, result in batch])
        records = self.heads.records(heads)
        self._commit = Commit(batch, heads, records, self.room.snapshot())

    async def end(self, *, success: bool) -> None:
        """End the transaction; one that failed ends the epoch."""
        commit, self._commit = self._commit, None
        if commit is None:
            return
        if success:
            self._show(commit)
            self.heads.committed(commit.heads)
            for place, _, _ in commit.batch:
                self.in_flight.pop(place, None)
        else:
            await self.die(killed=False)

    async def die(self, *, killed: bool, committed: bool = False) -> None:
        """End the epoch and open another; what was under way may be `committed` all the same."""
        commit, self._commit = self._commit, None
        if commit is not None and committed:
            self._show(commit)
        self.room.die()
        self._ours.clear()
        if killed:
            for one in self.in_flight.values():
                one.release(cancel_running=True)
            self.in_flight.clear()
            self.latest_wins.forget()
        await self.heads.restore(self._table)  # type: ignore[arg-type]
        self.latest_wins.begin_epoch()
        self._next = dict.fromkeys(LANES, 0)
        for place in self._finished & self.in_flight.keys():
            self.in_flight.pop(place).release(cancel_running=False)

    async def reset(self, lane: str) -> None:
        """Set the group's offset in a lane to its beginning."""
        await self.die(killed=True)
        self._finished = {place for place in self._finished if place[0] != lane}

    async def drain(self) -> None:
        """Read, paint and commit all there is."""
        await self.end(success=True)
        for _ in range(DRAIN_ROUNDS):
            while self._read_all():
                await self.turn()
            for waiting in self.painting():
                waiting.set_result(None)
            await self.turn()
            self.take(ALL)
            await self.end(success=True)
            if not self.in_flight and not self._read_all():
                return
        raise AssertionError(f"not finished: {[one.record for one in self.in_flight.values()]}")

    def _read_all(self) -> bool:
        found = [self.read(lane) for lane in LANES]
        return any(found)

    def _is_ours(self, in_flight: InFlightRecord) -> bool:
        return (in_flight.record.topic, in_flight.record.offset) in self._ours

    def _show(self, commit: Commit) -> None:
        self._table.records += [(record.key or b"", record.value) for record in commit.records]
        parts = {ARTICLE if slot.name == WHOLE_ARTICLE else SLOT for _, one, _ in commit.batch for slot in one.slots}
        self.room.keep(commit.room, parts)
        for place, one, result in commit.batch:
            self._finished.add(place)
            for record in result.records:
                if record.topic == names.OUTCOME:
                    self.outcomes.append(_visible(record, self.numbers.get(one, 0)))
                elif record.topic in LANES:
                    self._append(record.topic, record.headers, record.value)

    def _append(self, lane: str, headers: Any, value: bytes | None) -> None:
        lanes = self._lanes[lane]
        lanes.append(Record(lane, 0, len(lanes), ARTICLE_ID.encode(), value, headers, 1_000))


@cache
def _settings() -> Settings:
    return Settings()


@cache
def _metrics() -> Metrics:
    return make_metrics()


class NoFeed:
    """Publishes no progress."""

    enabled = False

    def publish(self, job: Job, progress: ImageProgress) -> None:
        raise AssertionError(job, progress)


class _Data(NamedTuple):
    revision: int
    focus: float | None


def digest(kind: str, picture: str) -> str:
    """Return the digest of a picture's file, or recipe, by which it is found again."""
    digest = hashlib.sha256(f"{kind} {picture}".encode()).hexdigest()
    _PICTURES[digest] = picture
    return digest


def look_of(outcome: Mapping[str, Any]) -> Look:
    """Return what a ready outcome shows."""
    (picture,) = outcome["pictures"]
    point = picture.get("focal_point")
    return Look(_PICTURES[picture["recipe"]], point and point["x"])


def unstorable() -> Unstorable:
    """Return a failure that costs an attempt and nothing else."""
    return Unstorable(Reason.STORE_UNAVAILABLE, "A test wants this attempt to fail.")


def _visible(record: OutgoingRecord, number: int) -> Visible:
    kind = (dict(record.headers)["ce_type"] or b"").decode().removeprefix(names.TYPE_PREFIX).partition(".")[0]
    return Visible(kind, json.loads(record.value or b""), number)


def _data(record: Record) -> _Data:
    data = json.loads(record.value or b"")
    point = data.get("focal_point")
    return _Data(data["article"].get("revision", 0), point and point["x"])


def _named(picture: PictureReference) -> str:
    return _PICTURES[picture.sha256 or picture.recipe or ""]


def _focus(point: EditorFocalPoint | None) -> float | None:
    return None if point is None else point.x
