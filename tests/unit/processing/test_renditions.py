"""The rendition stage, with real encoders and the in-memory store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from consumer.errors import Overloaded, Rejected, Transient, Unstorable, WorkerStopping
from consumer.jobs import Focus, Lane, StoredPicture
from consumer.processing.context import JobContext
from consumer.renditions import EncodedRenditions, RenditionOrder
from consumer.telemetry.metrics import Stage
from schemas import FocalSource, ImageReady, Reason
from tests.support.pipeline import BOUND, SETS, Bench, expiring, job, open_bench, recrop, until

OUTPUT = {"width": 64, "height": 64}


class Gate:
    """Stands in for an encoder's `render`: counts, and waits until it is opened."""

    def __init__(self, bench: Bench, *, opened: bool = True) -> None:
        self._render = bench.encoder.render
        self.open = asyncio.Event()
        self.calls = self.inside = self.most = 0
        if opened:
            self.open.set()
        bench.encoder.render = self.render  # type: ignore[method-assign]

    async def render(self, master: bytes, order: RenditionOrder) -> EncodedRenditions:
        self.calls += 1
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            await self.open.wait()
            return await self._render(master, order)
        finally:
            self.inside -= 1


def names(ready: ImageReady) -> list[list[str]]:
    return [[rendition.name for rendition in picture.renditions] for picture in ready.pictures]


async def test_one_picture_gets_the_full_set() -> None:
    """Every width that fits is made and stored; one wider than the picture is named, with the widest there is."""
    async with open_bench(sets=SETS) as bench:
        ready = await bench.produce(job())

    (picture,) = ready.pictures
    assert names(ready) == [["hero-32", "hero-48", "square-48", "thumb-16"]]
    assert {rendition.key for rendition in picture.renditions} | {picture.key} == bench.store.objects.keys()
    for rendition in picture.renditions:
        stored = bench.store.objects[rendition.key]
        assert (stored.sha256, len(stored.data), stored.media_type) == (
            rendition.sha256,
            rendition.bytes,
            rendition.media_type,
        )
    (missing,) = picture.renditions_missing
    assert (missing.name, missing.width, missing.largest) == ("hero-128", 128, 48)
    assert picture.thumbhash
    assert picture.dominant_colour
    assert ready.seconds.renditions == bench.timings.stages[Stage.RENDITIONS] > 0


@pytest.mark.parametrize(
    ("output", "made"),
    [
        ({"variants": 3}, ["thumb-16"]),
        ({"variants": 3, "renditions": "full"}, ["hero-32", "hero-48", "square-48", "thumb-16"]),
        ({"renditions": "thumbs"}, ["thumb-16"]),
        ({"renditions": "none"}, []),
    ],
)
async def test_how_many_depends_on_the_request(output: dict[str, Any], made: list[str]) -> None:
    """Variants to choose from get what it takes to choose, unless the request says otherwise."""
    async with open_bench(sets=SETS) as bench:
        ready = await bench.produce(job(output=OUTPUT | output))

    assert names(ready) == [made] * output.get("variants", 1)


async def test_without_renditions_there_is_no_placeholder() -> None:
    """Nothing is read of the store for it; the focal point is told all the same."""
    async with open_bench(sets=SETS) as bench:
        point = {"x": 0.2, "y": 0.3}
        (picture,) = (await bench.produce(job(output=OUTPUT | {"renditions": "none", "focal_point": point}))).pictures

    assert (picture.thumbhash, picture.dominant_colour, picture.renditions) == (None, None, ())
    assert picture.focal_point is not None
    assert picture.focal_point.model_dump() == point | {"source": "editor"}
    assert Stage.RENDITIONS not in bench.timings.stages


@pytest.mark.parametrize(
    ("editor", "use_found", "kept"),
    [
        ({"x": 1.0, "y": 0.0}, True, (1.0, 0.0, FocalSource.EDITOR)),
        (None, True, (0.1, 0.9, FocalSource.FOUND)),
        (None, False, (0.5, 0.5, FocalSource.CENTRE)),
    ],
)
async def test_crops_keep_the_most_trusted_point(
    editor: dict[str, float] | None,
    use_found: bool,  # noqa: FBT001 - a parameter of the test
    kept: tuple[float, float, FocalSource],
) -> None:
    """An editor's point goes first, then the found one where the site wants it, then the centre."""
    async with open_bench(sets=SETS) as bench:
        bench.renditions._use_found = use_found
        _set_focus(bench, Focus(0.1, 0.9, 0.05))
        (picture,) = (await bench.produce(job(output=OUTPUT | {"focal_point": editor}))).pictures

    assert picture.focal_point is not None
    assert (picture.focal_point.x, picture.focal_point.y, picture.focal_point.source) == kept


async def test_a_corner_is_one_point_however_it_is_written() -> None:
    """Minus zero is zero: it asks for the same crops, which are not made twice."""
    async with open_bench(sets=SETS) as bench:
        corners = [job(output=OUTPUT | {"focal_point": {"x": x, "y": 0.0}}) for x in (0.0, -0.0)]
        plus, minus = [(await bench.produce(corner)).pictures[0] for corner in corners]

    assert str(minus.focal_point) == str(plus.focal_point)
    assert len(bench.store.rendition_manifests) == 1


async def test_a_found_point_is_not_known_of_every_picture() -> None:
    """Where guidance says nothing, and of pictures of earlier versions, the centre is kept."""
    async with open_bench(sets=SETS) as bench:
        bench.renditions._use_found = True
        (picture,) = (await bench.produce(job())).pictures

    assert picture.focal_point is not None
    assert picture.focal_point.source is FocalSource.CENTRE


async def test_renditions_are_made_once() -> None:
    """A replay, an unchanged save and a second fleet find them in the store: nothing is encoded again."""
    async with open_bench(sets=SETS) as bench:
        gate = Gate(bench)
        first, second = [await bench.produce(job()) for _ in range(2)]

    assert gate.calls == 1
    assert second.reused
    assert first.pictures[0].renditions == second.pictures[0].renditions


async def test_jobs_that_want_the_same_share_one_encoding() -> None:
    """Twenty saves of an unchanged article at once cost one picture's encoding."""
    async with open_bench(sets=SETS) as bench:
        gate = Gate(bench, opened=False)
        jobs = [asyncio.ensure_future(bench.produce(job())) for _ in range(20)]
        await until(lambda: gate.calls == 1 and len(bench.renditions._calls) == 1)
        gate.open.set()
        announced = await asyncio.wait_for(asyncio.gather(*jobs), BOUND)

    assert gate.calls == 1
    assert all(names(ready) == names(announced[0]) for ready in announced)


async def test_few_pictures_are_in_memory_at_once() -> None:
    """However many wait to be encoded, only as many are read as the threads can work on; the others keep no bytes."""
    async with open_bench(sets=SETS) as bench:
        gate = Gate(bench, opened=False)
        jobs = [asyncio.ensure_future(bench.produce(numbered(number))) for number in range(12)]
        await until(lambda: len(bench.store.manifests) == len(jobs) and bench.renditions._admission.waiting == 11)
        gate.open.set()
        await asyncio.wait_for(asyncio.gather(*jobs), BOUND)

    assert gate.most == 1


async def test_an_urgent_picture_is_encoded_first() -> None:
    """A backfill that waits for the encoders is in nobody's way."""
    order: list[str] = []
    async with open_bench(sets=SETS) as bench:
        gate = Gate(bench, opened=False)
        jobs = [asyncio.ensure_future(bench.produce(replace(numbered(n), lane=Lane.BACKFILL))) for n in range(6)]
        await until(lambda: bench.renditions._admission.waiting == 5)
        urgent = asyncio.ensure_future(bench.produce(replace(numbered(9), lane=Lane.INTERACTIVE)))
        await until(lambda: gate.inside == 2)
        for task, name in [*((one, "backfill") for one in jobs), (urgent, "urgent")]:
            task.add_done_callback(_noting(order, name))
        gate.open.set()
        await asyncio.wait_for(asyncio.gather(*jobs, urgent), BOUND)

    assert "urgent" in order[:3]


async def test_a_store_that_fails_between_uploads_costs_waiting_only() -> None:
    """With some files of a set stored the store goes down: once it is back the set is completed and announced."""
    async with open_bench(sets=SETS) as bench:
        keep, failures = bench.store.keep_renditions, 3

        async def reluctant(picture: StoredPicture, order: RenditionOrder, made: EncodedRenditions) -> Any:
            nonlocal failures
            if failures:
                failures -= 1
                await keep(picture, order, replace(made, renditions=made.renditions[: 3 - failures]))
                bench.store.rendition_manifests.clear()
                raise Overloaded(Reason.STORE_UNAVAILABLE, "down")
            return await keep(picture, order, made)

        bench.store.keep_renditions = reluctant  # type: ignore[method-assign]
        ready = await bench.produce(job())

    assert failures == 0
    assert {rendition.key for rendition in ready.pictures[0].renditions} <= bench.store.objects.keys()
    assert bench.engine.painted == 1


async def test_a_picture_that_is_lost_meanwhile_is_painted_again() -> None:
    """Its file vanishes between painting and cropping: it is painted from its recipe, and the event says so."""
    async with open_bench(sets=SETS) as bench:
        await bench.produce(job(output=OUTPUT | {"renditions": "none"}))
        read, lost = bench.store.read, [True]

        async def losing(picture: StoredPicture) -> bytes | None:
            if lost and lost.pop():
                del bench.store.objects[picture.key]
            return await read(picture)

        bench.store.read = losing  # type: ignore[method-assign]
        ready = await bench.produce(job())

    assert bench.engine.painted == 2
    assert not ready.reused
    assert len(ready.pictures[0].renditions) == 4


async def test_a_store_that_hides_damage_is_named() -> None:
    """It says that a file is whole and gives other bytes: not painted for ever, but failed, with its name."""
    async with open_bench(sets=SETS) as bench:
        bench.store.read = _nothing  # type: ignore[method-assign]
        with pytest.raises(Unstorable, match=r"pictures/.*\.png does not hold the bytes of its name.*: delete it"):
            await bench.produce(job())


async def test_a_crop_that_does_not_fit_is_the_requests_fault() -> None:
    """The encoder's sentence names the field; nothing is stored for it."""
    async with open_bench(sets=SETS) as bench:
        picture = (await bench.produce(job(output=OUTPUT | {"renditions": "none"}))).pictures[0]
        box = {"x": 32, "y": 0, "width": 48, "height": 48}
        with pytest.raises(Rejected) as raised:
            await bench.produce(recrop(picture={"sha256": picture.sha256}, crops={"square": box}))

    assert (raised.value.reason, raised.value.field) == (Reason.INVALID_FIELD, "crops.square")
    assert bench.store.rendition_manifests == {}


async def test_a_job_does_not_expire_while_its_renditions_are_made() -> None:
    """Its picture is there: what is left to do takes no turn at the engine."""
    async with open_bench(sets=SETS) as bench:
        gate = Gate(bench, opened=False)
        task = asyncio.ensure_future(bench.produce(expiring(0.3)))
        await until(lambda: gate.inside == 1)
        await asyncio.wait([task], timeout=0.5)
        gate.open.set()
        assert names(await asyncio.wait_for(task, BOUND)) == [["hero-32", "hero-48", "square-48", "thumb-16"]]


async def test_cancelling_leaves_no_place_taken() -> None:
    """A job that is superseded while it waits, or is encoded, leaves nothing behind."""
    async with open_bench(sets=SETS) as bench:
        gate = Gate(bench, opened=False)
        jobs = [asyncio.ensure_future(bench.produce(numbered(number))) for number in range(3)]
        await until(lambda: gate.inside == 1 and bench.renditions._admission.waiting == 2)
        for task in jobs:
            task.cancel()
        await asyncio.wait(jobs, timeout=BOUND)
        await until(lambda: gate.inside == 0)

        assert (bench.renditions._admission.in_memory, bench.renditions._admission.waiting) == (0, 0)
        assert len(bench.renditions._calls) == 0


async def test_a_job_that_is_cancelled_leaves_the_encoding_to_the_others() -> None:
    """Of two jobs that want the same the first is cancelled: the second gets what was begun for it."""
    async with open_bench(sets=SETS) as bench:
        gate = Gate(bench, opened=False)
        first, second = (asyncio.ensure_future(bench.produce(job())) for _ in range(2))
        await until(lambda: gate.inside == 1)
        first.cancel()
        await asyncio.wait([first], timeout=BOUND)
        gate.open.set()
        assert len((await asyncio.wait_for(second, BOUND)).pictures[0].renditions) == 4

    assert gate.calls == 1


async def test_a_stopping_worker_hands_back_what_waits_for_the_encoders() -> None:
    """What is being encoded is stored and announced; the rest is its next owner's, who finds the masters."""
    async with open_bench(sets=SETS) as bench:
        gate = Gate(bench, opened=False)
        jobs = [asyncio.ensure_future(bench.produce(numbered(number))) for number in range(3)]
        await until(lambda: gate.inside == 1 and bench.renditions._admission.waiting == 2)
        bench.renditions.close()
        gate.open.set()
        ended = await asyncio.wait_for(asyncio.gather(*jobs, return_exceptions=True), BOUND)

    assert sum(isinstance(end, WorkerStopping) for end in ended) == 2
    assert sum(isinstance(end, ImageReady) for end in ended) == 1


async def test_time_for_renditions_is_not_the_engines() -> None:
    """However long a job waits for the encoders, that is told as `renditions`: capacity is planned by `engine`."""
    async with open_bench(sets=SETS) as bench:
        gate = Gate(bench, opened=False)
        task = asyncio.ensure_future(bench.produce(job()))
        await until(lambda: gate.inside == 1)
        await asyncio.wait([task], timeout=0.3)
        gate.open.set()
        seconds = (await asyncio.wait_for(task, BOUND)).seconds

    assert seconds.renditions >= 0.3
    assert seconds.engine + seconds.queued + seconds.stored < 0.3


async def test_a_failure_while_encoding_is_raised_as_itself() -> None:
    """It is retried like any other; the picture is not painted again for it."""
    async with open_bench(sets=SETS) as bench:

        async def fail(*_: object) -> EncodedRenditions:
            raise Transient(Reason.INTERNAL, "this time")

        render, bench.encoder.render = bench.encoder.render, fail  # type: ignore[method-assign, assignment]
        context = JobContext(job())
        with pytest.raises(Transient, match="this time"):
            await bench.go(context)
        bench.encoder.render = render  # type: ignore[method-assign]
        assert (await bench.go(context)).pictures[0].renditions

    assert bench.engine.painted == 1


def numbered(number: int) -> Any:
    return job(article={"id": f"a-{number}", "revision": 1, "headline": f"Storm {number}"})


def _set_focus(bench: Bench, focus: Focus) -> None:
    encode = bench.encoder.encode

    async def with_focus(picture: Any) -> Any:
        return replace(await encode(picture), focus=focus)

    bench.encoder.encode = with_focus  # type: ignore[method-assign]


def _noting(order: list[str], name: str) -> Callable[[asyncio.Task[ImageReady]], None]:
    return lambda _task: order.append(name)


async def _nothing(picture: StoredPicture) -> None:
    del picture
