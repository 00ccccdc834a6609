"""A job's way through the stages, with the swatch engine and the in-memory store."""

from __future__ import annotations

import asyncio
import gc
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from consumer.engine.swatch import MODEL, SwatchEngine
from consumer.errors import Expired, Fatal, HandedBack, Overloaded, Rejected, Transient
from consumer.jobs import Job, Lane, Paintable, Picture, Record
from consumer.pictures.encoder import PictureEncoder
from consumer.processing.admission import Admission
from consumer.processing.circuit_breaker import IN_A_ROW, BreakerPermit, CircuitBreaker
from consumer.processing.context import JobContext, Timings
from consumer.processing.pipeline import Pipeline, _gravest
from consumer.processing.progress import ProgressReporter
from consumer.processing.store_outage import Operation, StoreOutage
from consumer.processing.styles import DEFAULT, Styles, WantedAdapter, load_styles
from consumer.settings import EngineSettings
from consumer.telemetry.metrics import Stage
from consumer.testing.store import MemoryStore
from schemas import ImageReady, ImageRequested, ReadyAdapter, Reason, names
from schemas.cloudevents import Event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from consumer.jobs import Recipe

BOUND = 10.0


class Easel(SwatchEngine):
    """A swatch engine that fails as it is told and counts what it paints."""

    def __init__(self, failures: list[Exception] | None = None) -> None:
        super().__init__(EngineSettings(swatch_seconds=0))
        self.failures = failures or []
        self.painted = 0
        self.wait: asyncio.Event | None = None
        self.cuts: list[bool] = []
        self.identity = MODEL
        self.loaded: dict[str, str] = {}

    @property
    def paintable(self) -> Paintable:
        return Paintable(self.identity, self.loaded)

    async def paint(self, recipe: Recipe, lane: Lane, on_step: Callable[[int, int], None]) -> Picture:
        if self.wait:
            await asyncio.wait_for(self.wait.wait(), BOUND)
        if self.failures:
            raise self.failures.pop(0)
        self.painted += 1
        picture = await super().paint(recipe, lane, on_step)
        return replace(picture, prompt_cut=self.cuts.pop(0)) if self.cuts else picture


class Notes(ProgressReporter):
    def __init__(self) -> None:
        self.told: list[str] = []

    def started(self, index: int) -> None:
        self.told.append(f"started {index}")

    def step(self, index: int, done: int, of: int) -> None:
        self.told.append(f"step {index} {done}/{of}")

    def storing(self, index: int) -> None:
        self.told.append(f"storing {index}")


def job(**parts: Any) -> Job:
    data = {
        "article": {"id": "a-1", "revision": 1, "headline": "Storm over the harbour"},
        "output": {"width": 64, "height": 64},
        "generation": {"steps": 2},
        **parts,
    }
    event = Event(id="r-1", source="/cms", type=names.IMAGE_REQUESTED, data=data)
    record = Record("requested", 0, 0, b"a-1", b"", (), 0)
    return Job(event, ImageRequested.model_validate(data), record, Lane.LIVE)


class Studio:
    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        engine: Easel,
        encoder: PictureEncoder,
    ) -> None:
        self.engine, self.store, self.admission = engine, MemoryStore(), Admission(window=4, unstored=8)
        self.notes, self.timings = Notes(), Timings()
        self.pipeline = Pipeline(
            tasks,
            styles=load_styles(),
            admission=self.admission,
            engine=engine,
            encoder=encoder,
            store=self.store,
            outage=StoreOutage(retry_seconds=0.001),
        )

    async def produce(self, asked: Job) -> ImageReady:
        async with asyncio.timeout(BOUND):
            return await self.go(JobContext(asked, self.notes, self.timings))

    async def go(self, context: JobContext) -> ImageReady:
        plan = self.pipeline.plan(context)
        async with context.until_expiry():
            with self.pipeline.handover(context, plan):
                return await self.pipeline.produce(context, plan)


@asynccontextmanager
async def studio(failures: list[Exception] | None = None) -> AsyncIterator[Studio]:
    with PictureEncoder(1) as encoder:
        async with Easel(failures) as engine, asyncio.TaskGroup() as tasks:
            yield Studio(tasks, engine, encoder)


async def test_a_job_becomes_its_pictures() -> None:
    """Every variant is painted, stored and told, in the order of the variants."""
    async with studio() as bench:
        ready = await bench.produce(job(output={"width": 64, "height": 64, "variants": 3}))

    assert [picture.index for picture in ready.pictures] == [0, 1, 2]
    assert len({picture.recipe for picture in ready.pictures}) == 3
    assert {picture.key for picture in ready.pictures} == bench.store.objects.keys()
    assert ready.model.name == "swatch"
    assert not ready.reused
    assert {"started 0", "storing 2", "step 1 2/2"} <= set(bench.notes.told)
    assert bench.timings.stages.keys() == {Stage.BRIEF, Stage.QUEUED, Stage.ENGINE, Stage.ENCODE, Stage.STORE}


async def test_a_made_picture_is_not_painted_again() -> None:
    """A recipe whose manifest exists is announced again without the engine."""
    async with studio() as bench:
        first = await bench.produce(job())
        second = await bench.produce(job())

    assert bench.engine.painted == 1
    assert second.reused
    assert [picture.sha256 for picture in first.pictures] == [picture.sha256 for picture in second.pictures]


async def test_a_cut_prompt_is_said_by_every_event_of_the_picture() -> None:
    """One of the pictures is enough, and an event that reuses it says the same."""
    asked = job(output={"width": 64, "height": 64, "variants": 2})
    async with studio() as bench:
        bench.engine.cuts = [False, True]
        told = [(ready.reused, ready.prompt_cut) for ready in [await bench.produce(asked) for _ in range(2)]]

    assert told == [(False, True), (True, True)]


async def test_an_uncut_prompt_is_said_too() -> None:
    """A prompt that the model reads to its end is not said to be cut."""
    async with studio() as bench:
        assert (await bench.produce(job())).prompt_cut is False


async def test_the_model_that_painted_is_told_with_its_coverage() -> None:
    """A subscriber learns how much of the model is the house's; of the base model as it is, nothing is said."""
    async with studio() as bench:
        plain = await bench.produce(job())
        bench.engine.identity = replace(MODEL, sha256="1" * 64, coverage=0.75)
        overlaid = await bench.produce(job())

    assert (plain.model.coverage, overlaid.model.coverage) == (None, 0.75)


async def test_the_adapters_that_took_part_are_told() -> None:
    """The event names each LoRA of the style with its digest and strength, as the recipe was made with it."""
    house = replace(load_styles().get(None), adapters=(WantedAdapter("grain", 0.5),))
    async with studio() as bench:
        bench.pipeline._styles = Styles({DEFAULT: house})
        plain = await bench.produce(job())
        bench.engine.loaded = {"grain": "a" * 64}
        grainy = await bench.produce(job())

    assert plain.model.adapters == ()
    assert grainy.model.adapters == (ReadyAdapter(name="grain", sha256="a" * 64, scale=0.5),)
    assert grainy.pictures[0].recipe != plain.pictures[0].recipe


async def test_equal_jobs_at_once_paint_once() -> None:
    """Two saves of the same content in flight together cost one picture."""
    async with studio() as bench, asyncio.TaskGroup() as tasks:
        made = [tasks.create_task(bench.produce(job())) for _ in range(3)]

    assert bench.engine.painted == 1
    assert sorted(task.result().reused for task in made) == [False, True, True]


async def test_a_failed_attempt_is_told_as_itself() -> None:
    """What the engine could not do this time is raised as it is, not in a group; trying again is not decided here."""
    async with studio([Transient(Reason.ENGINE_FAILED, "this time")]) as bench:
        with pytest.raises(Transient, match="this time"):
            await bench.produce(job())


async def test_a_store_that_is_down_costs_waiting_only() -> None:
    """While the store is down nothing is failed and nothing painted twice; when it is back the job ends well."""
    async with studio() as bench:
        refusals = 0
        keep = bench.store.keep

        async def reluctant(recipe: Recipe, renditions: Any) -> Any:
            nonlocal refusals
            refusals += 1
            if refusals <= 5:
                raise Overloaded(Reason.STORE_UNAVAILABLE, "down")
            return await keep(recipe, renditions)

        bench.store.keep = reluctant  # type: ignore[method-assign]
        ready = await bench.produce(job())

    assert len(ready.pictures) == 1
    assert bench.engine.painted == 1


async def test_a_recipe_that_never_paints_is_rejected_at_once() -> None:
    """A verdict of the engine on the recipe is not tried again."""
    async with studio([Rejected(Reason.NOT_PAINTED, "no")]) as bench:
        with pytest.raises(Rejected):
            await bench.produce(job())
        assert bench.engine.painted == 0


async def test_an_unknown_style_names_the_field() -> None:
    """A request for a style the house does not have is rejected before any work."""
    async with studio() as bench:
        with pytest.raises(Rejected) as raised:
            await bench.produce(job(style={"preset": "cubism"}))

    assert raised.value.field == "style.preset"


async def test_a_stopping_worker_hands_the_job_back() -> None:
    """A job whose picture has not begun when the worker stops is handed back, not failed."""
    async with studio() as bench:
        bench.admission.close()
        with pytest.raises(HandedBack):
            await bench.produce(job())


async def test_a_stopping_worker_finishes_the_picture_at_the_engine() -> None:
    """When a job's second picture is handed back, its first one, already begun, is still painted and stored."""
    async with studio() as bench:
        bench.admission = Admission(window=1, unstored=1)
        bench.pipeline._admission = bench.admission
        bench.engine.wait = asyncio.Event()
        task = asyncio.ensure_future(bench.produce(job(output={"width": 64, "height": 64, "variants": 2})))
        async with asyncio.timeout(BOUND):
            while (bench.admission.in_memory, bench.admission.waiting) != (1, 1):
                await asyncio.sleep(0)
        bench.admission.close()
        bench.engine.wait.set()
        with pytest.raises(HandedBack):
            await task
        assert len(bench.store.manifests) == 1


async def test_addresses_wait_for_the_store_too() -> None:
    """A store that is down when the address is made costs waiting, not the finished job."""
    async with studio() as bench:
        url, refusals = bench.store.url, [Overloaded(Reason.STORE_UNAVAILABLE, "down") for _ in range(3)]

        async def reluctant(picture: Any) -> Any:
            if refusals:
                raise refusals.pop()
            return await url(picture)

        bench.store.url = reluctant  # type: ignore[method-assign]
        assert (await bench.produce(job())).pictures


async def test_fatal_outweighs_what_a_request_did() -> None:
    """When pictures of one job fail differently, the error that ends the worker is not hidden by a lesser one."""
    group = BaseExceptionGroup("", [Transient(Reason.ENGINE_FAILED, ""), Fatal(Reason.ENGINE_FAILED, "")])

    assert isinstance(_gravest(BaseExceptionGroup("", [Rejected(Reason.NOT_PAINTED, ""), group])), Fatal)


async def test_one_failed_variant_fails_the_job_and_frees_every_place() -> None:
    """When one of several pictures can never be made, the others are let go and no place at the engine is kept."""
    async with studio([Rejected(Reason.NOT_PAINTED, "no")]) as bench:
        with pytest.raises(Rejected):
            await bench.produce(job(output={"width": 64, "height": 64, "variants": 6}))
        assert (bench.admission.in_memory, bench.admission.waiting) == (0, 0)


async def test_cancelling_a_job_frees_every_place() -> None:
    """A withdrawn job leaves nothing behind at the engine or in memory."""
    async with studio() as bench:
        bench.engine.wait = asyncio.Event()
        task = asyncio.ensure_future(bench.produce(job(output={"width": 64, "height": 64, "variants": 6})))
        async with asyncio.timeout(BOUND):
            while bench.admission.in_memory < 4:
                await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task], timeout=BOUND)
        assert task.cancelled()
        assert (bench.admission.in_memory, bench.admission.waiting) == (0, 0)


async def test_waiting_in_the_engines_own_queue_is_waiting() -> None:
    """What a picture waits at the engine before it is painted counts as queued, and the engine's time from then on."""
    async with studio() as bench:
        bench.engine.wait = asyncio.Event()
        task = asyncio.ensure_future(bench.produce(job()))
        await asyncio.sleep(0.2)
        bench.engine.wait.set()
        ready = await asyncio.wait_for(task, BOUND)

    assert ready.seconds.queued > 0.1
    assert ready.seconds.queued + ready.seconds.engine <= ready.seconds.total


async def test_trouble_is_told_once_and_seen_while_it_lasts() -> None:
    """Many jobs that wait for one store make one trouble, which is over with an answer."""
    counted: list[Reason] = []
    outage = StoreOutage(counted.append)
    assert outage() is None
    for _ in range(3):
        outage.begin(Operation.KEEP, Overloaded(Reason.STORE_UNAVAILABLE, "the store cannot be reached"))
    outage.end(Operation.FIND)

    assert outage() == "the store cannot be reached"
    assert counted == [Reason.STORE_UNAVAILABLE] * 3
    outage.end(Operation.KEEP)
    assert outage() is None


async def test_a_trouble_lasts_until_everybody_who_met_it_is_through() -> None:
    """To the log, a store that refuses every second call is in one trouble; who gets through opens the way again."""
    outage, well = StoreOutage(retry_seconds=0.001), asyncio.Event()

    async def refused() -> None:
        if not well.is_set():
            raise Overloaded(Reason.STORE_UNAVAILABLE, "slow down")

    async def fine() -> None:
        """One of the calls that get through."""

    with capture_logs() as told:
        async with asyncio.timeout(BOUND):
            struggling = asyncio.ensure_future(outage.retry_until_up(Operation.FIND, refused))
            for _ in range(3):
                await until(lambda: outage() is not None)
                await outage.retry_until_up(Operation.FIND, fine)
                assert outage() is None
            well.set()
            await struggling
    assert outage() is None
    assert [line["event"] for line in told] == ["overloaded", "overload_over"]


async def test_a_trouble_that_is_given_up_is_told_anew() -> None:
    """Who was refused may be cancelled after others got through: the next trouble is a new one to the log."""
    outage = StoreOutage(retry_seconds=BOUND)

    async def refused() -> None:
        raise Overloaded(Reason.STORE_UNAVAILABLE, "down")

    async def fine() -> None:
        """Another call, which gets through."""

    with capture_logs() as told:
        for _ in range(2):
            struggling = asyncio.ensure_future(outage.retry_until_up(Operation.FIND, refused))
            await until(lambda: outage() is not None)
            await outage.retry_until_up(Operation.FIND, fine)
            struggling.cancel()
            await asyncio.wait([struggling], timeout=BOUND)
    assert [line["event"] for line in told] == ["overloaded", "overload_forgotten"] * 2


async def test_pixels_do_not_wait_for_the_store() -> None:
    """While a store is down its pictures wait as files: their pixels, several times as large, are gone."""
    async with studio() as bench:
        bench.engine.wait = asyncio.Event()
        held = _pictures_held()
        made = asyncio.ensure_future(bench.produce(job()))
        await until(lambda: "started 0" in bench.notes.told)
        bench.store.down = True
        bench.engine.wait.set()
        await until(lambda: bench.pipeline._outage() is not None)
        assert _pictures_held() == held
        bench.store.down = False
        await made


def _pictures_held() -> int:
    gc.collect()
    return sum(type(one) is Picture for one in gc.get_objects())


async def test_a_store_is_greeted_until_all_is_well() -> None:
    """What the check at the start finds stays told although other calls succeed, and ends without any request."""
    outage, answers = StoreOutage(retry_seconds=0.001), [Overloaded(Reason.MISCONFIGURED, "conditions")] * 3
    seen = []

    async def prepare() -> None:
        outage.end(Operation.FIND)
        seen.append(outage())
        if answers:
            raise answers.pop()

    await asyncio.wait_for(outage.retry_until_up(Operation.STARTUP_CHECK, prepare), BOUND)
    assert seen == [None, "conditions", "conditions", "conditions"]
    assert outage() is None


async def test_a_probe_never_waits_for_one_that_is_held() -> None:
    """With the breaker open, a request that is let through makes every picture, whoever else wants one of them."""
    async with studio() as bench:
        breaker, permit = CircuitBreaker(BOUND), BreakerPermit()
        bench.pipeline._breaker = breaker
        bench.admission = bench.pipeline._admission = Admission(window=1, unstored=8)
        bench.engine.wait = asyncio.Event()
        elsewhere = job(article={"id": "b", "revision": 1, "headline": "Storm"})
        probe = replace(job(output={"width": 64, "height": 64, "variants": 3}), lane=Lane.INTERACTIVE)
        tasks = [asyncio.ensure_future(bench.produce(asked)) for asked in (elsewhere, job())]
        tasks.append(asyncio.ensure_future(bench.go(JobContext(probe, permit=permit))))
        async with asyncio.timeout(BOUND):
            while (bench.admission.in_memory, bench.admission.waiting) != (2, 3):
                await asyncio.sleep(0)
        for _ in range(IN_A_ROW):
            breaker.failed(BreakerPermit(), Reason.ENGINE_FAILED)
        permit.probing = True
        bench.engine.wait.set()
        assert (await asyncio.wait_for(asyncio.shield(tasks[2]), BOUND)).pictures
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=BOUND)
        breaker.stop()


async def test_a_store_that_only_refuses_writes_is_down() -> None:
    """While nothing can be kept, finding what is missing does not end the trouble; the last waiter's leaving does."""
    outage = StoreOutage()
    async with studio() as bench:
        bench.pipeline._outage = outage

        async def full(recipe: Recipe, renditions: Any) -> Any:
            del recipe, renditions
            raise Overloaded(Reason.STORE_UNAVAILABLE, "disk full")

        bench.store.keep = full  # type: ignore[method-assign]
        tasks = [asyncio.ensure_future(bench.produce(job())) for _ in range(2)]
        async with asyncio.timeout(BOUND):
            while outage() is None:
                await asyncio.sleep(0)
        tasks.append(asyncio.ensure_future(bench.produce(job(article={"id": "b", "revision": 1, "headline": "x"}))))
        async with asyncio.timeout(BOUND):
            while len(bench.notes.told) < 8:
                assert outage() == "disk full"
                await asyncio.sleep(0)
        tasks[0].cancel()
        await asyncio.wait(tasks[:1], timeout=BOUND)
        assert outage() == "disk full"
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=BOUND)
        assert outage() is None


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(BOUND):
        while not condition():
            await asyncio.sleep(0)


async def handed_over(bench: Studio, first: Job, second: Job) -> ImageReady:
    """Withdraw the first job while it is painted, the second one having said what it wants."""
    running = asyncio.ensure_future(bench.produce(first))
    await until(lambda: "started 0" in bench.notes.told)
    context = JobContext(second, progress := Notes())
    plan = bench.pipeline.plan(context)
    with bench.pipeline.handover(context, plan):
        running.cancel()
        await asyncio.sleep(0)
        task = asyncio.ensure_future(bench.pipeline.produce(context, plan))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert bench.engine.wait is not None
        bench.engine.wait.set()
        ready = await task
    bench.notes = progress
    return ready


async def test_a_painting_is_handed_over_to_who_wants_the_same() -> None:
    """A save whose picture is being painted for an older one gets that picture: it is painted once, and not anew."""
    async with studio() as bench:
        bench.engine.wait = asyncio.Event()
        newer = job(article={"id": "a-1", "revision": 2, "headline": "Storm over the harbour"})
        ready = await handed_over(bench, job(), newer)

    assert (bench.engine.painted, ready.article.revision, ready.reused) == (1, 2, True)
    assert "storing 0" in bench.notes.told


@pytest.mark.parametrize("late", [False, True])
async def test_who_waits_for_a_painting_is_in_the_engine_with_it(*, late: bool) -> None:
    """Should it end the process, the death counts against each, whoever had it begun and is withdrawn by then."""
    inside: list[str] = []

    async def known() -> None:
        assert inside

    @contextmanager
    def entered(name: str) -> Iterator[Callable[[], Awaitable[None]]]:
        inside.append(name)
        yield known
        inside.remove(name)

    async with studio() as bench:
        bench.engine.wait = asyncio.Event()
        first, second = (JobContext(job(), Notes(), in_engine=partial(entered, name)) for name in ("first", "second"))
        running = [asyncio.ensure_future(bench.go(first))]
        if late:
            await until(lambda: inside == ["first"])
        running.append(asyncio.ensure_future(bench.go(second)))
        await until(lambda: inside == ["first", "second"])
        running[0].cancel()
        bench.engine.wait.set()
        await running[1]

    assert (bench.engine.painted, inside) == (1, [])


async def test_a_painting_that_nobody_wants_any_more_ends() -> None:
    """A save with another picture leaves the older one's painting to be cancelled."""
    async with studio() as bench:
        bench.engine.wait = asyncio.Event()
        newer = job(article={"id": "a-1", "revision": 2, "headline": "Calm over the harbour"})
        ready = await handed_over(bench, job(), newer)

    assert (bench.engine.painted, ready.reused) == (1, False)


async def test_another_jobs_failure_is_not_ours() -> None:
    """Whoever waited for a painting that failed tries by itself, and only the one that began it has failed."""
    async with studio([Transient(Reason.ENGINE_FAILED, "x")]) as bench:
        bench.engine.wait = asyncio.Event()
        first, second = (asyncio.ensure_future(bench.produce(job())) for _ in range(2))
        await until(lambda: "started 0" in bench.notes.told)
        bench.engine.wait.set()
        with pytest.raises(Transient):
            await first

        assert not (await second).reused


async def test_a_request_past_use_is_not_painted() -> None:
    """A request whose expirytime has passed costs nothing, whether it had or not when it began to wait for its turn."""
    async with studio() as bench:
        with pytest.raises(Expired):
            await bench.produce(expiring(-1.0))
        bench.pipeline._admission = Admission(window=1, unstored=1)
        async with bench.pipeline._admission.slot(Lane.LIVE):
            with pytest.raises(Expired):
                await bench.produce(expiring(0.05))
        assert (await bench.produce(expiring(60.0))).pictures

    assert bench.engine.painted == 1


async def test_who_waits_for_anothers_picture_expires_too() -> None:
    """A request that joined another's making ends when its time passes before the turn came; the other goes on."""
    async with studio() as bench:
        bench.pipeline._admission = admission = Admission(window=1, unstored=8)
        async with admission.slot(Lane.LIVE):
            patient = asyncio.ensure_future(bench.produce(job()))
            await until(lambda: admission.waiting == 1)
            with pytest.raises(Expired):
                await bench.produce(expiring(0.05))
        assert not (await patient).reused

    assert bench.engine.painted == 1


async def test_a_verdict_counts_for_all_who_wait() -> None:
    """A recipe that the engine refused is not put to it again by those who waited: it may end processes."""
    async with studio([Rejected(Reason.ENGINE_POISON, "x")]) as bench:
        bench.engine.wait = asyncio.Event()
        waiting = [asyncio.ensure_future(bench.produce(job())) for _ in range(3)]
        await until(lambda: "started 0" in bench.notes.told)
        bench.engine.wait.set()
        ends = await asyncio.gather(*waiting, return_exceptions=True)

        assert [type(end) for end in ends] == [Rejected] * 3
        assert bench.engine.painted == 0


@pytest.mark.parametrize("late", [False, True])
async def test_whose_picture_another_began_does_not_expire(*, late: bool) -> None:
    """A request whose picture is being painted gets it, whoever had it begun, and also when it comes only then."""
    async with studio() as bench:
        bench.engine.wait = asyncio.Event()
        first = asyncio.ensure_future(bench.produce(job()))
        if late:
            await until(lambda: "started 0" in bench.notes.told)
        asked = expiring(0.2)
        second = asyncio.ensure_future(bench.produce(asked))
        await until(lambda: bench.engine.painted == 0 and "started 0" in bench.notes.told)
        expiry = asked.event.expirytime
        assert expiry is not None
        await until(lambda: datetime.now(UTC) > expiry)
        bench.engine.wait.set()

        assert (await second).pictures == (await first).pictures


def expiring(seconds: float) -> Job:
    until_then = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
    asked = job()
    return replace(asked, event=replace(asked.event, extensions={"expirytime": until_then}))


async def test_an_editor_does_not_wait_at_a_backfills_place() -> None:
    """Who asks for what a lower lane's job waits to paint paints it in a turn of its own; both get one picture."""
    async with studio() as bench:
        bench.pipeline._admission = admission = Admission(window=1, unstored=8)
        async with admission.slot(Lane.BACKFILL):
            waiting = asyncio.ensure_future(bench.produce(replace(job(), lane=Lane.BACKFILL)))
            await until(lambda: admission.waiting == 1)
            edited = await bench.produce(replace(job(), lane=Lane.INTERACTIVE))
            assert not waiting.done()
        backfilled = await waiting

    assert edited.pictures[0].key == backfilled.pictures[0].key
    assert (bench.engine.painted, edited.reused, backfilled.reused) == (1, False, True)


Overtaken = tuple[asyncio.Event, asyncio.Future[ImageReady], asyncio.Future[ImageReady]]


async def overtaken(bench: Studio) -> Overtaken:
    """Let a backfill's turn come while an editor's picture of the same recipe is at the engine, until the event."""
    bench.pipeline._admission = admission = Admission(window=1, unstored=8)
    bench.engine.wait = gate = asyncio.Event()
    async with admission.slot(Lane.BACKFILL):
        waiting = asyncio.ensure_future(bench.produce(replace(job(), lane=Lane.BACKFILL)))
        await until(lambda: admission.waiting == 1)
        editing = asyncio.ensure_future(bench.produce(replace(job(), lane=Lane.INTERACTIVE)))
        await until(lambda: "started 0" in bench.notes.told)
    await until(lambda: admission.waiting == 0)
    return gate, waiting, editing


async def test_a_turn_that_comes_beside_an_editors_waits_for_that_picture() -> None:
    """When the lower lane's turn comes while the other one is being painted there is one painting all the same."""
    async with studio() as bench:
        gate, waiting, editing = await overtaken(bench)
        gate.set()
        edited, backfilled = await editing, await waiting

    assert edited.pictures[0].key == backfilled.pictures[0].key
    assert bench.engine.painted == 1
    assert not len(bench.pipeline._flights)


async def test_who_waits_for_another_lanes_painting_leaves_the_engine_to_others() -> None:
    """A store that is down keeps that picture, not a place at the engine: the lower lane's others are painted."""
    async with studio() as bench:
        gate, waiting, editing = await overtaken(bench)
        async with asyncio.timeout(BOUND), bench.pipeline._admission.slot(Lane.BACKFILL):
            assert not waiting.done()
        gate.set()
        await editing
        await waiting


async def test_after_another_lanes_failure_the_breaker_is_asked_again() -> None:
    """The failure that one waited for may have been the one that opened it."""
    async with studio([Transient(Reason.ENGINE_FAILED, "x")]) as bench:
        bench.pipeline._breaker = breaker = CircuitBreaker(60)
        gate, waiting, editing = await overtaken(bench)
        for _ in range(IN_A_ROW):
            breaker.failed(BreakerPermit(), Reason.ENGINE_FAILED)
        gate.set()
        with pytest.raises(Transient):
            await editing
        await until(lambda: bool(breaker._held))
        assert bench.engine.painted == 0
        waiting.cancel()
        breaker.stop()


async def test_a_request_expires_while_the_breaker_holds_it() -> None:
    """A request that is held ends when its time passes, and leaves the probe to others."""
    async with studio() as bench:
        bench.pipeline._breaker = breaker = CircuitBreaker(60.0)
        for _ in range(IN_A_ROW):
            breaker.failed(BreakerPermit(), Reason.ENGINE_FAILED)
        with pytest.raises(Expired):
            await bench.produce(expiring(0.05))
        assert not breaker._held
        breaker.stop()


async def test_what_is_begun_does_not_expire() -> None:
    """Once a picture of a request is being painted its other variants are waited for, whatever the time."""
    async with studio() as bench:
        bench.engine.wait = asyncio.Event()
        bench.pipeline._admission = Admission(window=1, unstored=8)
        asked = expiring(0.3)
        two = asked.request.model_copy(update={"output": asked.request.output.model_copy(update={"variants": 2})})
        task = asyncio.ensure_future(bench.produce(replace(asked, request=two)))
        await until(lambda: bool(bench.notes.told))
        expiry = asked.event.expirytime
        assert expiry is not None
        await until(lambda: datetime.now(UTC) > expiry)
        bench.engine.wait.set()

        assert len((await task).pictures) == 2
