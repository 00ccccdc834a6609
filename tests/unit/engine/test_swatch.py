from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.engine import open_engine
from consumer.engine.swatch import MODEL, draw_card, legible
from consumer.jobs import Lane, Picture, Recipe
from consumer.settings import EngineKind, EngineSettings


def ignore(done: int, of: int) -> None:
    """Ignore the steps."""


async def test_a_card_is_a_picture(recipe_of: Callable[..., Recipe]) -> None:
    """A card has the recipe's size and the engine's own model, and every step is reported."""
    steps: list[tuple[int, int]] = []
    recipe = recipe_of(width=96, height=64, steps=3)
    async with open_engine(EngineSettings(kind=EngineKind.SWATCH)) as engine:
        assert engine.paintable.model == MODEL
        picture = await engine.paint(recipe, Lane.LIVE, lambda done, of: steps.append((done, of)))
    assert steps == [(1, 3), (2, 3), (3, 3)]
    assert (picture.recipe, picture.width, picture.height) == (recipe, 96, 64)
    assert len(picture.rgb) == 96 * 64 * 3


async def test_it_is_ready_while_it_is_open() -> None:
    """Readiness begins and ends with the context."""
    engine = open_engine(EngineSettings(kind=EngineKind.SWATCH))
    seen = [engine.ready]
    async with engine:
        seen.append(engine.ready)
    seen.append(engine.ready)
    assert seen == [False, True, False]


def test_the_same_recipe_gives_the_same_card(recipe_of: Callable[..., Recipe]) -> None:
    """Cards depend on the recipe alone, and each of its fields shows."""
    first = draw_card(recipe_of())
    assert draw_card(recipe_of()) == first
    for fields in ({"seed": 8}, {"prompt": "another"}, {"style": "anime"}):
        assert draw_card(recipe_of(**fields)) != first


@settings(max_examples=40, deadline=None)
@given(prompt=st.text(max_size=80), width=st.sampled_from([16, 64, 1024]), height=st.sampled_from([16, 64, 512]))
def test_any_prompt_and_size_makes_a_card(
    recipe_of: Callable[..., Recipe], prompt: str, width: int, height: int
) -> None:
    """No script, control character or narrow size breaks the label."""
    assert len(draw_card(recipe_of(prompt=prompt, width=width, height=height))) == width * height * 3


@pytest.mark.parametrize(("text", "shown"), [("Café\n90 %", "Cafe90 %"), ("暴风 2", "66B4 98CE  2")])
def test_labels_are_legible_in_any_script(text: str, shown: str) -> None:
    """Accents are dropped and other scripts become code points: the built-in font has only Latin letters."""
    assert legible(text) == shown


async def test_the_urgent_lane_goes_first(recipe_of: Callable[..., Recipe]) -> None:
    """With one slot, waiting cards are made by lane and then by age."""
    finished: list[str] = []

    async def paint(name: str, lane: Lane) -> None:
        await engine.paint(recipe_of(prompt=name), lane, ignore)
        finished.append(name)

    async with (
        open_engine(EngineSettings(kind=EngineKind.SWATCH, batch_size=1)) as engine,
        asyncio.TaskGroup() as group,
    ):
        for name, lane in (
            ("first", Lane.BACKFILL),
            ("slow", Lane.BACKFILL),
            ("live", Lane.LIVE),
            ("editor", Lane.INTERACTIVE),
            ("live2", Lane.LIVE),
        ):
            group.create_task(paint(name, lane))
    assert finished == ["first", "editor", "live", "live2", "slow"]


async def test_a_batch_is_painted_at_a_time(recipe_of: Callable[..., Recipe]) -> None:
    """At most `batch_size` cards are being made at once, and as many as that."""
    making, most = set[int](), 0

    async def paint(seed: int) -> Picture:
        def step(done: int, of: int) -> None:
            nonlocal most
            making.add(seed)
            most = max(most, len(making))
            if done == of:
                making.discard(seed)

        return await engine.paint(recipe_of(seed=seed), Lane.LIVE, step)

    async with open_engine(EngineSettings(kind=EngineKind.SWATCH, batch_size=3)) as engine:
        pictures = await asyncio.gather(*(paint(seed) for seed in range(9)))
    assert len({picture.rgb for picture in pictures}) == 9
    assert most == 3


async def test_cancelling_frees_the_slot(recipe_of: Callable[..., Recipe]) -> None:
    """A cancelled card, begun or waiting, leaves its slot to the next."""
    slow = EngineSettings(kind=EngineKind.SWATCH, batch_size=1, swatch_seconds=600)
    async with open_engine(slow) as engine:
        begun, waiting = (asyncio.create_task(engine.paint(recipe_of(), Lane.LIVE, ignore)) for _ in range(2))
        await asyncio.sleep(0)
        waiting.cancel()
        begun.cancel()
        results = await asyncio.gather(begun, waiting, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results)
        engine._seconds = 0.0  # type: ignore[attr-defined]  # the next one may be quick
        async with asyncio.timeout(5):
            await engine.paint(recipe_of(), Lane.LIVE, ignore)
