"""A job's way through the stages, with the swatch engine and the in-memory store."""

from __future__ import annotations

import asyncio
import gc
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from consumer.engine.swatch import MODEL
from consumer.errors import Expired, Fatal, Overloaded, Rejected, Transient, WorkerStopping
from consumer.jobs import Lane, PaintedFor, Picture, Recipe, Use
from consumer.processing.admission import Admission
from consumer.processing.circuit_breaker import IN_A_ROW, BreakerPermit, CircuitBreaker
from consumer.processing.context import JobContext
from consumer.processing.styles import DEFAULT, Styles, WantedAdapter, load_styles
from consumer.telemetry.metrics import Stage
from schemas import ReadyAdapter, Reason
from tests.support.pipeline import BOUND, expiring, job, open_bench, until


async def test_a_job_becomes_its_pictures() -> None:
    """Every variant is painted, stored and announced, in the order of the variants."""
    async with open_bench() as bench:
        ready = await bench.produce(job(output={"width": 64, "height": 64, "variants": 3}))

    assert [picture.index for picture in ready.pictures] == [0, 1, 2]
    assert len({picture.recipe for picture in ready.pictures}) == 3
    assert {picture.key for picture in ready.pictures} == bench.store.objects.keys()
    assert ready.model.name == "swatch"
    assert not ready.reused
    assert {"started 0", "storing 2", "step 1 2/2"} <= set(bench.progress.reports)
    assert bench.timings.stages.keys() == {Stage.BRIEF, Stage.QUEUED, Stage.ENGINE, Stage.ENCODE, Stage.STORE}


async def test_what_a_picture_was_asked_for_is_kept_with_it() -> None:
    """Its text alternative, variation and number of variants: a re-crop announces the one, a sweep reads the other."""
    asked = job(output={"width": 64, "height": 64, "variants": 2}, generation={"steps": 2, "variation": 3})
    async with open_bench() as bench:
        ready = await bench.produce(asked)
        found = [await bench.store.look_up(picture.sha256, by="sha256") for picture in ready.pictures]

    assert [each and each.asked for each in found] == [PaintedFor(ready.alt, 3, 2, Use("a-1", "hero"))] * 2


async def test_a_made_picture_is_not_painted_again() -> None:
    """A recipe whose manifest exists is announced again without the engine."""
    async with open_bench() as bench:
        first = await bench.produce(job())
        second = await bench.produce(job())

    assert bench.engine.painted == 1
    assert second.reused
    assert [picture.sha256 for picture in first.pictures] == [picture.sha256 for picture in second.pictures]


async def test_a_cut_prompt_is_announced_with_every_event_of_the_picture() -> None:
    """One cut picture is enough, and an event that reuses it says the same."""
    asked = job(output={"width": 64, "height": 64, "variants": 2})
    async with open_bench() as bench:
        bench.engine.cuts = [False, True]
        announced = [(ready.reused, ready.prompt_cut) for ready in [await bench.produce(asked) for _ in range(2)]]

    assert announced == [(False, True), (True, True)]


async def test_an_uncut_prompt_is_announced_too() -> None:
    """A prompt that the model reads to its end is not announced as cut."""
    async with open_bench() as bench:
        assert (await bench.produce(job())).prompt_cut is False


async def test_the_model_that_painted_is_announced_with_its_coverage() -> None:
    """A subscriber learns how much of the model is custom; for the plain base model the field is null."""
    async with open_bench() as bench:
        plain = await bench.produce(job())
        bench.engine.identity = replace(MODEL, sha256="1" * 64, coverage=0.75)
        overlaid = await bench.produce(job())

    assert (plain.model.coverage, overlaid.model.coverage) == (None, 0.75)


async def test_the_adapters_that_took_part_are_announced() -> None:
    """The event names each LoRA of the style with its digest and strength, as the recipe was made with it."""
    style = replace(load_styles().get(None), adapters=(WantedAdapter("grain", 0.5),))
    async with open_bench() as bench:
        bench.pipeline._styles = Styles({DEFAULT: style})
        plain = await bench.produce(job())
        bench.engine.loaded = {"grain": "a" * 64}
        grainy = await bench.produce(job())

    assert plain.model.adapters == ()
    assert grainy.model.adapters == (ReadyAdapter(name="grain", sha256="a" * 64, scale=0.5),)
    assert grainy.pictures[0].recipe != plain.pictures[0].recipe


async def test_a_failed_attempt_is_raised_as_itself() -> None:
    """An engine failure is raised as it is, not in a group; retrying is not decided here."""
    async with open_bench([Transient(Reason.ENGINE_FAILED, "this time")]) as bench:
        with pytest.raises(Transient, match="this time"):
            await bench.produce(job())


async def test_a_store_that_is_down_costs_waiting_only() -> None:
    """While the store is down nothing fails and nothing is painted twice; when it is back the job finishes."""
    async with open_bench() as bench:
        refusals = 0
        keep = bench.store.keep

        async def reluctant(recipe: Recipe, master: Any, asked: Any) -> Any:
            nonlocal refusals
            refusals += 1
            if refusals <= 5:
                raise Overloaded(Reason.STORE_UNAVAILABLE, "down")
            return await keep(recipe, master, asked)

        bench.store.keep = reluctant  # type: ignore[method-assign]
        ready = await bench.produce(job())

    assert len(ready.pictures) == 1
    assert bench.engine.painted == 1


async def test_a_recipe_that_never_paints_is_rejected_at_once() -> None:
    """A rejection by the engine is not retried."""
    async with open_bench([Rejected(Reason.NOT_PAINTED, "no")]) as bench:
        with pytest.raises(Rejected):
            await bench.produce(job())
        assert bench.engine.painted == 0


async def test_an_unknown_style_names_the_field() -> None:
    """A request for a style that does not exist is rejected before any work."""
    async with open_bench() as bench:
        with pytest.raises(Rejected) as raised:
            await bench.produce(job(style={"preset": "cubism"}))

    assert raised.value.field == "style.preset"


async def test_a_stopping_worker_hands_the_job_back() -> None:
    """A job whose picture has not begun when the worker stops is handed back, not failed."""
    async with open_bench() as bench:
        bench.admission.close()
        with pytest.raises(WorkerStopping):
            await bench.produce(job())


async def test_a_stopping_worker_finishes_the_picture_at_the_engine() -> None:
    """When a job's second picture is handed back, its first, already begun, is still painted and stored."""
    async with open_bench() as bench:
        bench.admission = Admission(window=1, unstored=1)
        bench.pipeline._admission = bench.admission
        bench.engine.wait = asyncio.Event()
        task = asyncio.ensure_future(bench.produce(job(output={"width": 64, "height": 64, "variants": 2})))
        async with asyncio.timeout(BOUND):
            while (bench.admission.in_memory, bench.admission.waiting) != (1, 1):
                await asyncio.sleep(0)
        bench.admission.close()
        bench.engine.wait.set()
        with pytest.raises(WorkerStopping):
            await task
        assert len(bench.store.manifests) == 1


async def test_addresses_wait_for_the_store_too() -> None:
    """A store that is down when the address is made costs waiting, not the finished job."""
    async with open_bench() as bench:
        url, refusals = bench.store.url, [Overloaded(Reason.STORE_UNAVAILABLE, "down") for _ in range(3)]

        async def reluctant(picture: Any) -> Any:
            if refusals:
                raise refusals.pop()
            return await url(picture)

        bench.store.url = reluctant  # type: ignore[method-assign]
        assert (await bench.produce(job())).pictures


@pytest.mark.parametrize("fatal", [0, 1])
async def test_fatal_outweighs_what_a_request_did(fatal: int) -> None:
    """When pictures of one job fail differently, the error that ends the worker is not hidden by a lesser one."""
    failures: list[Exception] = [Transient(Reason.ENGINE_FAILED, "")]
    failures.insert(fatal, Fatal(Reason.ENGINE_FAILED, ""))
    async with open_bench(failures) as bench:
        with pytest.raises(Fatal):
            await bench.produce(job(output={"width": 64, "height": 64, "variants": 2}))


async def test_one_failed_variant_fails_the_job_and_frees_every_place() -> None:
    """When one of several pictures can never be made, the others are cancelled and no slot is kept."""
    async with open_bench([Rejected(Reason.NOT_PAINTED, "no")]) as bench:
        with pytest.raises(Rejected):
            await bench.produce(job(output={"width": 64, "height": 64, "variants": 6}))
        assert (bench.admission.in_memory, bench.admission.waiting) == (0, 0)


async def test_cancelling_a_job_frees_every_place() -> None:
    """A cancelled job leaves nothing behind at the engine or in memory."""
    async with open_bench() as bench:
        bench.engine.wait = asyncio.Event()
        task = asyncio.ensure_future(bench.produce(job(output={"width": 64, "height": 64, "variants": 6})))
        async with asyncio.timeout(BOUND):
            while bench.admission.in_memory < 4:
                await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task], timeout=BOUND)
        assert task.cancelled()
        assert (bench.admission.in_memory, bench.admission.waiting) == (0, 0)


async def test_a_job_cancelled_while_a_variant_fails_is_cancelled() -> None:
    """One that expires, or is superseded, as another variant of it fails must not go on as if that had not happened."""
    async with open_bench() as bench:

        async def fail(*_: object) -> Picture:
            if bench.engine.painted:
                raise Transient(Reason.ENGINE_FAILED, "x")
            bench.engine.painted += 1
            try:
                return await asyncio.Event().wait()  # type: ignore[return-value]
            finally:
                task.cancel()

        bench.engine.paint = fail  # type: ignore[method-assign, assignment]
        task = asyncio.ensure_future(bench.produce(job(output={"width": 64, "height": 64, "variants": 2})))
        await asyncio.wait([task], timeout=BOUND)
        assert task.cancelled()


async def test_a_job_whose_variants_failed_still_expires() -> None:
    """The failure of one variant does not disturb the limit on what comes after it, such as the wait at the breaker."""
    async with open_bench() as bench, asyncio.timeout(BOUND):
        bench.store.find = fail_to_find  # type: ignore[method-assign]
        context = JobContext(replace(expiring(0.05), request=job(output={"variants": 2}).request))

        async def fail_and_wait() -> None:
            async with context.until_expiry():
                with suppress(Transient):
                    await bench.pipeline.produce(context, bench.pipeline.plan(context))
                await asyncio.Event().wait()

        with pytest.raises(Expired):
            await fail_and_wait()


async def fail_to_find(recipe: Recipe) -> None:
    raise Transient(Reason.INTERNAL, recipe.digest)


async def test_waiting_in_the_engines_own_queue_is_waiting() -> None:
    """Time at the engine before painting counts as queued, and as the engine's from then on."""
    async with open_bench() as bench:
        bench.engine.wait = asyncio.Event()
        task = asyncio.ensure_future(bench.produce(job()))
        await asyncio.sleep(0.2)
        bench.engine.wait.set()
        ready = await asyncio.wait_for(task, BOUND)

    assert ready.seconds.queued > 0.1
    assert ready.seconds.queued + ready.seconds.engine <= ready.seconds.total


async def test_pixels_do_not_wait_for_the_store() -> None:
    """While a store is down its pictures wait as files: their pixels, several times as large, are gone."""
    async with open_bench() as bench:
        bench.engine.wait = asyncio.Event()
        held = _pictures_held()
        made = asyncio.ensure_future(bench.produce(job()))
        await until(lambda: "started 0" in bench.progress.reports)
        bench.store.down = True
        bench.engine.wait.set()
        await until(lambda: bench.pipeline._outage() is not None)
        assert _pictures_held() == held
        bench.store.down = False
        await made


def _pictures_held() -> int:
    gc.collect()
    return sum(type(one) is Picture for one in gc.get_objects())


async def test_a_probe_never_waits_for_one_that_is_held() -> None:
    """With the breaker open, the probe makes all its pictures, even those that held requests want too."""
    async with open_bench() as bench:
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
