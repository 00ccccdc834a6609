"""Re-crops, with real encoders and the in-memory store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from consumer.delivery.editorial import Choice
from consumer.delivery.ruling import Ruling, Verdict
from consumer.errors import Expired, Overloaded, Rejected
from consumer.jobs import RENDERER, FoundPicture
from consumer.processing.context import JobContext
from consumer.renditions import EncodedRenditions, RenditionOrder
from consumer.telemetry.metrics import Stage
from schemas import FocalSource, ImageReady, ReadyPicture, Reason
from schemas.editorial import ImageChosen
from tests.support.pipeline import BOUND, SETS, Bench, expiring, job, open_bench, recrop

ASKED: dict[str, Any] = {
    "output": {"width": 64, "height": 64, "variants": 2},
    "generation": {"steps": 2, "variation": 3},
    "style": {"preset": "photorealistic"},
}

BOX = {"x": 8, "y": 16, "width": 48, "height": 48}
CHOSEN: dict[str, Any] = {"article": {"id": "a-1", "revision": 1}}


def _named(picture: ReadyPicture) -> dict[str, str]:
    return {"recipe": picture.recipe}


@asynccontextmanager
async def announced() -> AsyncIterator[tuple[Bench, ReadyPicture]]:
    """A bench with two variants painted and announced, and the second of them."""
    async with open_bench(sets=SETS) as bench:
        ready = await bench.produce(job(**ASKED))
        bench.timings.stages.clear()
        yield bench, ready.pictures[1]


@pytest.mark.parametrize("by", ["sha256", "recipe"])
async def test_the_same_picture_is_announced_with_new_crops(by: str) -> None:
    """By either digest: the full set round the editor's point, all else as when it was painted, and nothing painted."""
    async with announced() as (bench, picture):
        first = await bench.produce(job(**ASKED))
        ready = await bench.produce(recrop(picture={by: getattr(picture, by)}))

    (cropped,) = ready.pictures
    same = {"url", "key", "sha256", "bytes", "width", "height", "seed", "recipe"}
    assert cropped.model_dump(include=same) == picture.model_dump(include=same)
    assert cropped.index == 0
    assert [rendition.name for rendition in cropped.renditions] == ["hero-32", "hero-48", "square-48", "thumb-16"]
    assert cropped.focal_point is not None
    assert cropped.focal_point.source is FocalSource.EDITOR
    assert (ready.request_id, ready.slot, ready.reused) == ("c-1", "hero", True)
    told = {"prompt", "alt", "variation", "style", "model", "disclosure"}
    assert ready.model_dump(include=told) == first.model_dump(include=told)
    assert ready.variation == 3
    assert bench.engine.painted == 2
    assert bench.timings.stages.keys() >= {Stage.RENDITIONS}
    assert not bench.timings.stages.keys() & {Stage.ENGINE, Stage.STORE}


async def test_an_editors_crop_replaces_one_sets() -> None:
    """The named set shows exactly that part; the others keep the focal point."""
    async with announced() as (bench, picture):
        ready = await bench.produce(recrop(picture={"sha256": picture.sha256}, crops={"square": BOX}))

    crops = {rendition.set: rendition.crop.model_dump() for rendition in ready.pictures[0].renditions}
    assert crops["square"] == BOX
    assert crops["hero"] != BOX


@pytest.mark.parametrize(
    ("crops", "field"),
    [
        ({"square": {"x": 32, "y": 0, "width": 48, "height": 48}}, "crops.square"),
        ({"square": {"x": 0, "y": 0, "width": 48, "height": 20}}, "crops.square"),
        ({"panorama": {"x": 0, "y": 0, "width": 64, "height": 16}}, "crops.panorama"),
    ],
)
async def test_a_crop_that_does_not_fit_names_its_field(crops: dict[str, Any], field: str) -> None:
    """Outside the picture, of another ratio, or of no set: rejected with the field to correct."""
    async with announced() as (bench, picture):
        with pytest.raises(Rejected) as raised:
            await bench.produce(recrop(picture={"sha256": picture.sha256}, crops=crops))

    assert (raised.value.reason, raised.value.field) == (Reason.INVALID_FIELD, field)


async def test_a_crop_is_not_ignored_where_a_slot_has_no_sets() -> None:
    """The editor drew it for nothing, and is told so."""
    async with open_bench() as bench:
        (picture,) = (await bench.produce(job())).pictures
        with pytest.raises(Rejected) as raised:
            await bench.produce(recrop(picture={"sha256": picture.sha256}, crops={"square": BOX}))

    assert raised.value.field == "crops.square"
    assert raised.value.message == "There is no rendition set 'square' here: use one of none."


@pytest.mark.parametrize("verdict", [Verdict.KEEP, None])
async def test_a_choice_outlives_the_sets_that_it_was_cropped_for(verdict: Verdict | None) -> None:
    """With a changed rendition file saves get, and letting go ends with, the chosen picture: the crops that fit stay.

    A crop of a set that is gone or has another ratio now is left out.
    """
    async with announced() as (bench, picture):
        crops = {"panorama": BOX, "hero": BOX, "square": BOX}
        choice = Choice(decision=ImageChosen.model_validate(CHOSEN | {"crops": crops, "picture": _named(picture)}))
        context = JobContext(job(), bench.progress, bench.timings)
        if verdict is None:
            plan = bench.pipeline.plan_choice(choice.decision, standing=True)
        else:
            plan = bench.pipeline.plan(context, Ruling(verdict, choice=choice))
        with capture_logs() as logs:
            ready = await bench.pipeline.produce(context, plan)

    cropped = {rendition.set: rendition.crop.model_dump() for rendition in ready.pictures[0].renditions}
    assert cropped["square"] == BOX
    assert cropped["hero"] != BOX
    assert [one["sets"] for one in logs if one["event"] == "crops_left_out"] == [["hero", "panorama"]]


async def test_a_replayed_re_crop_outlives_its_sets() -> None:
    """A backfill after a change of the rendition file leaves no dead letter for each crop that an editor once drew."""
    async with announced() as (bench, picture):
        asked = recrop(picture=_named(picture), crops={"panorama": BOX, "square": BOX})
        origin = (("leadart-replay-id", b"1"), ("leadart-replay-topic", b"t"))
        headers = (*origin, ("leadart-replay-partition", b"0"), ("leadart-replay-offset", b"1"))
        ready = await bench.produce(replace(asked, record=replace(asked.record, headers=headers)))

    cropped = {rendition.set: rendition.crop.model_dump() for rendition in ready.pictures[0].renditions}
    assert cropped["square"] == BOX


async def test_a_choice_is_refused_for_a_crop_of_no_set() -> None:
    """Its editor is there to correct it."""
    async with announced() as (bench, picture):
        decision = ImageChosen.model_validate(CHOSEN | {"crops": {"panorama": BOX}, "picture": _named(picture)})
        with pytest.raises(Rejected) as raised:
            bench.pipeline.plan_choice(decision, standing=False)

    assert raised.value.field == "crops.panorama"


@pytest.mark.parametrize("by", ["sha256", "recipe"])
async def test_an_unknown_picture_fails_with_what_to_do(by: str) -> None:
    """The sentence names the digest's kind, and the command for archives of earlier versions."""
    async with announced() as (bench, _):
        with pytest.raises(Rejected) as raised:
            await bench.produce(recrop(picture={by: "0" * 64}))

    error = raised.value
    assert (error.reason, error.field) == (Reason.UNKNOWN_PICTURE, f"picture.{by}")
    assert error.message == (
        f"The store has no picture with this `{by}`: name one that a ready outcome of this site announced. For "
        "pictures of earlier versions, run `leadart store index` once."
    )


async def test_a_picture_whose_file_is_gone_is_painted_again() -> None:
    """From its recipe, under the same digests; the event says that it was painted."""
    async with announced() as (bench, picture):
        del bench.store.objects[picture.key]
        ready = await bench.produce(recrop(picture={"sha256": picture.sha256}))

    assert bench.engine.painted == 3
    assert not ready.reused
    assert ready.pictures[0].sha256 == picture.sha256
    assert picture.key in bench.store.objects


async def test_a_file_that_vanishes_while_it_is_cropped_is_painted_again() -> None:
    """The renditions are there already: no event names a picture that is not."""
    async with announced() as (bench, picture):
        _while_rendering(bench, lambda: bench.store.objects.pop(picture.key))
        ready = await bench.produce(recrop(picture={"sha256": picture.sha256}))

    assert not ready.reused
    assert picture.key in bench.store.objects


async def test_a_picture_that_is_withdrawn_while_it_is_cropped_fails() -> None:
    """It is neither painted again nor announced."""
    async with announced() as (bench, picture):

        def withdraw() -> None:
            del bench.store.objects[picture.key], bench.store.manifests[picture.recipe]

        _while_rendering(bench, withdraw)
        with pytest.raises(Rejected) as raised:
            await bench.produce(recrop(picture={"sha256": picture.sha256}))

    assert (raised.value.reason, raised.value.field) == (Reason.UNKNOWN_PICTURE, "picture.sha256")
    assert raised.value.message == "The picture was removed from the store while it was cropped: request a new picture."
    assert bench.engine.painted == 2


@pytest.mark.parametrize("change", [{"sha256": "1" * 64}, {"quantization": "fp8"}, {"renderer": f"{RENDERER}0"}])
async def test_a_lost_picture_of_another_model_is_not_painted_by_this_one(change: dict[str, Any]) -> None:
    """Other or rounded weights, or another version of what decides pixels, would paint another under its recipe."""
    async with announced() as (bench, picture):
        del bench.store.objects[picture.key]
        recipe, asked = bench.store.asked[picture.recipe]
        if "renderer" in change:
            bench.store.asked[picture.recipe] = replace(recipe, renderer=change["renderer"]), asked
        else:
            bench.engine.identity = replace(bench.engine.identity, **change)
        with pytest.raises(Rejected) as raised:
            await bench.produce(recrop(picture={"sha256": picture.sha256}))

    assert (raised.value.reason, raised.value.field) == (Reason.UNKNOWN_PICTURE, "picture")
    assert raised.value.message.endswith("request a new picture.")
    assert bench.engine.painted == 2


async def test_a_picture_of_another_model_is_cropped_as_long_as_its_file_is_there() -> None:
    """New weights do not take the editor's pictures away."""
    async with announced() as (bench, picture):
        old = bench.engine.identity
        bench.engine.identity = replace(old, name="newer", sha256="1" * 64)
        ready = await bench.produce(recrop(picture={"sha256": picture.sha256}))

    assert (ready.model.name, ready.model.sha256, ready.reused) == (old.name, old.sha256, True)


async def test_a_picture_of_earlier_versions_is_announced_as_far_as_it_is_known() -> None:
    """Its manifest does not say what it was asked for: the variation is 0, and the alternative made of its prompt."""
    async with announced() as (bench, picture):
        look_up = bench.store.look_up

        async def of_before(name: str, **options: Any) -> FoundPicture | None:
            found = await look_up(name, **options)
            return found and replace(found, asked=None)

        bench.store.look_up = of_before  # type: ignore[method-assign, assignment]
        ready = await bench.produce(recrop(picture={"sha256": picture.sha256}))

    assert ready.variation == 0
    assert "Storm over the harbour" in ready.alt


async def test_a_style_that_is_gone_is_disclosed_as_photorealistic() -> None:
    """Nothing is known of its pictures any more: then it is safer to label them."""
    async with announced() as (bench, picture):
        bench.pipeline._recropping._styles = replace(bench.pipeline._recropping._styles, presets={})
        ready = await bench.produce(recrop(picture={"sha256": picture.sha256}))

    assert ready.disclosure is not None
    assert ready.disclosure.photorealistic
    assert ready.style.preset == "photorealistic"


async def test_a_re_crop_takes_no_turn_at_the_engine() -> None:
    """With the engine full, and even closed, it is answered all the same."""
    async with announced() as (bench, picture):
        bench.admission.close()
        ready = await bench.produce(recrop(picture={"sha256": picture.sha256}))

    assert ready.reused


async def test_re_crops_of_a_slot_are_answered_in_their_order() -> None:
    """An editor drags the point away and back: the second is there already, and still comes last, so that it wins."""
    answered: list[str] = []
    async with announced() as (bench, picture):
        named = {"picture": {"sha256": picture.sha256}}
        await bench.produce(recrop(**named))
        away, back = recrop(**named, focal_point={"x": 1, "y": 1}), recrop(**named)
        elsewhere = recrop(**named, slot="teaser")
        render, gate = bench.encoder.render, asyncio.Event()

        async def slow(master: bytes, order: RenditionOrder) -> EncodedRenditions:
            await gate.wait()
            return await render(master, order)

        bench.encoder.render = slow  # type: ignore[method-assign]
        tasks = []
        for name, asked in {"away": away, "back": back, "elsewhere": elsewhere}.items():
            task = asyncio.ensure_future(bench.produce(asked))
            task.add_done_callback(_noting(answered, name))
            tasks.append(task)
        await asyncio.wait_for(asyncio.shield(tasks[2]), BOUND)
        gate.set()
        await asyncio.wait_for(asyncio.gather(*tasks), BOUND)

    assert answered == ["elsewhere", "away", "back"]
    assert len(bench.pipeline._recropping._turns) == 0


async def test_a_store_that_is_down_costs_waiting_only() -> None:
    """A re-crop waits for the store like any other request."""
    async with announced() as (bench, picture):
        look_up, failures = bench.store.look_up, [True] * 3

        async def reluctant(name: str, **options: Any) -> FoundPicture | None:
            if failures:
                failures.pop()
                raise Overloaded(Reason.STORE_UNAVAILABLE, "down")
            return await look_up(name, **options)

        bench.store.look_up = reluctant  # type: ignore[method-assign, assignment]
        assert (await bench.produce(recrop(picture={"sha256": picture.sha256}))).pictures


async def test_a_re_crop_that_waits_for_the_store_expires() -> None:
    """Past its `expirytime` nobody wants it, and nothing of it has begun."""
    async with announced() as (bench, picture):
        bench.store.down = True
        late = replace(recrop(picture={"sha256": picture.sha256}), event=expiring(0.1).event)
        with pytest.raises(Expired):
            await asyncio.wait_for(bench.go(JobContext(late)), BOUND)
        bench.store.down = False


def _noting(answered: list[str], name: str) -> Callable[[asyncio.Task[ImageReady]], None]:
    return lambda _task: answered.append(name)


def _while_rendering(bench: Bench, happens: Any) -> None:
    """Let something happen to the store once, as soon as a master was read and its renditions were made."""
    render, left = bench.encoder.render, [happens]

    async def rendering(master: bytes, order: RenditionOrder) -> EncodedRenditions:
        made = await render(master, order)
        if left:
            left.pop()()
        return made

    bench.encoder.render = rendering  # type: ignore[method-assign]
