"""One painting for every job that waits for the picture."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import pytest

from consumer.errors import Rejected, Transient
from consumer.jobs import Job, Lane
from consumer.processing.admission import Admission
from consumer.processing.circuit_breaker import IN_A_ROW, BreakerPermit, CircuitBreaker
from consumer.processing.context import JobContext
from schemas import ImageReady, Reason
from tests.support.pipeline import BOUND, Bench, RecordingReporter, job, open_bench, until


async def test_equal_jobs_at_once_paint_once() -> None:
    """Two saves of the same content in flight together cost one picture."""
    async with open_bench() as bench, asyncio.TaskGroup() as tasks:
        made = [tasks.create_task(bench.produce(job())) for _ in range(3)]

    assert bench.engine.painted == 1
    assert sorted(task.result().reused for task in made) == [False, True, True]


async def handed_over(bench: Bench, first: Job, second: Job) -> ImageReady:
    """Cancel the first job while it is painted, after the second has said what it wants."""
    running = asyncio.ensure_future(bench.produce(first))
    await until(lambda: "started 0" in bench.progress.reports)
    context = JobContext(second, progress := RecordingReporter())
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
    bench.progress = progress
    return ready


async def test_a_painting_is_handed_over_to_a_job_that_wants_the_same() -> None:
    """A save whose picture is being painted for an older one gets that picture: it is not painted again."""
    async with open_bench() as bench:
        bench.engine.wait = asyncio.Event()
        newer = job(article={"id": "a-1", "revision": 2, "headline": "Storm over the harbour"})
        ready = await handed_over(bench, job(), newer)

    assert (bench.engine.painted, ready.article.revision, ready.reused) == (1, 2, True)
    assert "storing 0" in bench.progress.reports


async def test_a_painting_that_no_job_wants_any_more_ends() -> None:
    """A save with another picture leaves the older one's painting to be cancelled."""
    async with open_bench() as bench:
        bench.engine.wait = asyncio.Event()
        newer = job(article={"id": "a-1", "revision": 2, "headline": "Calm over the harbour"})
        ready = await handed_over(bench, job(), newer)

    assert (bench.engine.painted, ready.reused) == (1, False)


@pytest.mark.parametrize("late", [False, True])
async def test_every_job_that_waits_for_a_painting_is_in_the_engine_with_it(*, late: bool) -> None:
    """Should it end the process, the death counts against each, also once the job that started it is cancelled."""
    inside: list[str] = []

    async def known() -> None:
        assert inside

    @contextmanager
    def entered(name: str) -> Iterator[Callable[[], Awaitable[None]]]:
        inside.append(name)
        yield known
        inside.remove(name)

    async with open_bench() as bench:
        bench.engine.wait = asyncio.Event()
        first, second = (
            JobContext(job(), RecordingReporter(), in_engine=partial(entered, name)) for name in ("first", "second")
        )
        running = [asyncio.ensure_future(bench.go(first))]
        if late:
            await until(lambda: inside == ["first"])
        running.append(asyncio.ensure_future(bench.go(second)))
        await until(lambda: inside == ["first", "second"])
        running[0].cancel()
        bench.engine.wait.set()
        await running[1]

    assert (bench.engine.painted, inside) == (1, [])


async def test_another_jobs_failure_is_not_ours() -> None:
    """A job that waited for a painting that failed tries by itself; only the one that started it has failed."""
    async with open_bench([Transient(Reason.ENGINE_FAILED, "x")]) as bench:
        bench.engine.wait = asyncio.Event()
        first, second = (asyncio.ensure_future(bench.produce(job())) for _ in range(2))
        await until(lambda: "started 0" in bench.progress.reports)
        bench.engine.wait.set()
        with pytest.raises(Transient):
            await first

        assert not (await second).reused


async def test_a_rejection_counts_for_all_that_wait() -> None:
    """A recipe that the engine refused is not given to it again by jobs that waited: it may kill processes."""
    async with open_bench([Rejected(Reason.ENGINE_POISON, "x")]) as bench:
        bench.engine.wait = asyncio.Event()
        waiting = [asyncio.ensure_future(bench.produce(job())) for _ in range(3)]
        await until(lambda: "started 0" in bench.progress.reports)
        bench.engine.wait.set()
        ends = await asyncio.gather(*waiting, return_exceptions=True)

        assert [type(end) for end in ends] == [Rejected] * 3
        assert bench.engine.painted == 0


async def test_an_editor_does_not_wait_for_a_backfills_slot() -> None:
    """A job that wants what a lower lane waits to paint paints it in a slot of its own; both get one picture."""
    async with open_bench() as bench:
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


async def overtaken(bench: Bench) -> Overtaken:
    """Let a backfill's slot come while an editor's picture of the same recipe is at the engine, until the event."""
    bench.pipeline._admission = admission = Admission(window=1, unstored=8)
    bench.engine.wait = gate = asyncio.Event()
    async with admission.slot(Lane.BACKFILL):
        waiting = asyncio.ensure_future(bench.produce(replace(job(), lane=Lane.BACKFILL)))
        await until(lambda: admission.waiting == 1)
        editing = asyncio.ensure_future(bench.produce(replace(job(), lane=Lane.INTERACTIVE)))
        await until(lambda: "started 0" in bench.progress.reports)
    await until(lambda: admission.waiting == 0)
    return gate, waiting, editing


async def test_a_slot_that_comes_while_an_editor_paints_takes_that_picture() -> None:
    """When the lower lane's slot comes while the other is painting there is one painting all the same."""
    async with open_bench() as bench:
        gate, waiting, editing = await overtaken(bench)
        gate.set()
        edited, backfilled = await editing, await waiting

    assert edited.pictures[0].key == backfilled.pictures[0].key
    assert bench.engine.painted == 1
    assert not len(bench.pipeline._flights)


async def test_a_job_that_waits_for_another_lane_leaves_the_engine_to_others() -> None:
    """A store that is down blocks that picture, not a slot: the lower lane's others are painted."""
    async with open_bench() as bench:
        gate, waiting, editing = await overtaken(bench)
        async with asyncio.timeout(BOUND), bench.pipeline._admission.slot(Lane.BACKFILL):
            assert not waiting.done()
        gate.set()
        await editing
        await waiting


async def test_after_another_lanes_failure_the_breaker_is_asked_again() -> None:
    """The failure that a job waited for may have been the one that opened it."""
    async with open_bench([Transient(Reason.ENGINE_FAILED, "x")]) as bench:
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
