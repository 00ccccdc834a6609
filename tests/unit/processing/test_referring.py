"""Who shows a picture is written down before it is announced: with the swatch engine and the in-memory store."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from consumer.errors import WithdrawnMeanwhile
from consumer.jobs import Job, StoredPicture, Use
from tests.support.pipeline import SETS, Bench, job, open_bench, recrop, until

THERE = Use("a-2", "hero")


def save(article_id: str, **output: Any) -> Job:
    """Return a save of one of two articles that get the same picture."""
    article = {"id": article_id, "revision": 1, "headline": "Storm over the harbour"}
    return job(article=article, generation={"steps": 2, "seed": 7}, output={"width": 64, "height": 64, **output})


def counting(bench: Bench) -> list[Use]:
    """Return the users that are referred to from now on."""
    referred, refer = list[Use](), bench.store.refer

    async def counted(picture: StoredPicture, use: Use) -> bool:
        referred.append(use)
        return await refer(picture, use)

    bench.store.refer = counted  # type: ignore[method-assign]
    return referred


async def test_only_another_articles_picture_costs_a_reference() -> None:
    """Painting and announcing one's own again costs none; from then on both articles keep it."""
    async with open_bench() as bench:
        referred = counting(bench)
        first = await bench.produce(save("a-1"))
        await bench.produce(save("a-1"))
        assert referred == []

        second = await bench.produce(save("a-2"))
        await bench.store.withdraw("a-1", None, "0:1")
        third = await bench.produce(save("a-2"))

    assert referred == [THERE]
    assert bench.engine.painted == 1
    assert {one.pictures[0].sha256 for one in (first, second, third)} == {first.pictures[0].sha256}


async def test_a_re_cropped_picture_of_another_article_is_referred_to() -> None:
    """So that it stays when the article that it was painted for goes."""
    async with open_bench() as bench:
        painted = await bench.produce(save("a-1"))
        referred = counting(bench)
        asked = recrop(article={"id": "a-2", "revision": 1}, picture={"sha256": painted.pictures[0].sha256})
        await bench.produce(asked)
        await bench.store.withdraw("a-1", None, "0:1")

        assert referred == [THERE]
        assert bench.store.objects.keys() == {painted.pictures[0].key}


async def test_each_job_that_waits_for_one_painting_is_written_down() -> None:
    """Two articles ask at once: it is painted once, and stays until both are gone."""
    async with open_bench() as bench:
        bench.engine.wait = asyncio.Event()
        both = [asyncio.create_task(bench.produce(save(article))) for article in ("a-1", "a-2")]
        await until(lambda: bench.admission.in_memory > 0)
        bench.engine.wait.set()
        await asyncio.gather(*both)

        assert bench.engine.painted == 1
        assert (await bench.store.withdraw("a-1", None, "0:1")).shared == 1
        assert len((await bench.store.withdraw("a-2", None, "0:2")).objects) == 1


async def test_a_picture_that_goes_before_it_is_referred_to_is_painted_again() -> None:
    """Found, then withdrawn with its only user: the other article gets its own."""
    async with open_bench() as bench:
        await bench.produce(save("a-1"))
        refer = bench.store.refer

        async def late(picture: StoredPicture, use: Use) -> bool:
            await bench.store.withdraw("a-1", None, "0:1")
            return await refer(picture, use)

        bench.store.refer = late  # type: ignore[method-assign]
        ready = await bench.produce(save("a-2"))

        assert bench.engine.painted == 2
        assert bench.store.objects.keys() == {ready.pictures[0].key}


async def test_a_painting_of_an_article_that_is_withdrawn_meanwhile_leaves_nothing() -> None:
    """It ends as that, and another article that waited for the same painting gets its own."""
    async with open_bench() as bench:
        bench.engine.wait = asyncio.Event()
        gone = asyncio.create_task(bench.produce(save("a-1")))
        await until(lambda: bench.admission.in_memory > 0)
        other = asyncio.create_task(bench.produce(save("a-2")))
        await bench.store.withdraw("a-1", None, "0:1")
        bench.engine.wait.set()

        with pytest.raises(WithdrawnMeanwhile):
            await gone
        ready = await other
        assert bench.store.objects.keys() == {ready.pictures[0].key}
        assert ready.pictures


async def test_renditions_of_a_picture_that_was_withdrawn_meanwhile_are_made_anew() -> None:
    """The other article paints it again, with all that belongs to it."""
    async with open_bench(sets=SETS) as bench:
        await bench.produce(save("a-1"))
        keep = bench.store.keep_renditions
        withdrawn = False

        async def late(*kept: Any) -> Any:
            nonlocal withdrawn
            if not withdrawn:
                withdrawn = True
                for use in list(bench.store.entries):
                    await bench.store.withdraw(use.article_id, None, "0:1")
                await bench.store.restore("a-2", None)
            return await keep(*kept)

        bench.store.keep_renditions = late  # type: ignore[method-assign,assignment]
        ready = await bench.produce(save("a-2", focal_point={"x": 0.1, "y": 0.1}))

    assert len(ready.pictures[0].renditions) == 4
    assert bench.engine.painted == 2
