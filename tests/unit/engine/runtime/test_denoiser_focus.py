"""Each picture's focus is its own, whatever the batches and interruptions; pictures do not change by it."""

from __future__ import annotations

import pytest

from consumer.engine.runtime.memory import Memory
from consumer.engine.runtime.model import Model
from consumer.jobs import Lane
from consumer.settings import EngineSettings
from tests.support.denoising import SAME_FOCUS, DenoiserSession, apart
from tests.support.samples import recipe_of

RECIPES = (
    recipe_of(steps=3),
    recipe_of(width=96, steps=4, seed=8),
    recipe_of(guidance_scale=0.0),
    recipe_of(height=128, prompt="港口", negative_prompt="a long list of what nobody wants to see, " * 8, steps=1),
)


def alone(model: Model) -> DenoiserSession:
    """Paint the recipes one by one."""
    session = DenoiserSession(model, EngineSettings(batch_size=1))
    session.take(*RECIPES)
    return session.finish()


def assert_same(session: DenoiserSession, expected: DenoiserSession) -> None:
    for number, focus in expected.focuses.items():
        assert apart(session.focuses[number], focus) < SAME_FOCUS


def test_guided_pictures_have_a_focus(tiny: Model) -> None:
    """With guidance each picture has its own focus, without it none."""
    focuses = alone(tiny).focuses
    assert [focuses[number] is None for number in range(len(RECIPES))] == [False, False, True, False]
    assert len({*focuses.values()}) == len(RECIPES)


@pytest.mark.parametrize("tokens", [1, 100_000], ids=["one sequence a call", "one call"])
def test_a_focus_is_the_same_in_any_batch(tiny: Model, tokens: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In mixed batches, with guidance in one call or two, each picture has the focus that it has alone."""
    expected = alone(tiny)
    monkeypatch.setattr(Memory, "max_tokens", tokens)
    session = DenoiserSession(tiny)
    session.take(*RECIPES)
    assert_same(session.finish(), expected)


def test_a_focus_survives_parking(tiny: Model) -> None:
    """Parked for more urgent pictures after each step and resumed, pictures have the same focus."""
    expected = alone(tiny)
    session = DenoiserSession(tiny, EngineSettings(batch_size=2))
    session.take(*RECIPES, lane=Lane.BACKFILL)
    for number in range(100, 106):
        session.work(1)
        session.take(recipe_of(seed=number, steps=1), lane=Lane.INTERACTIVE, first=number)
    assert_same(session.finish(), expected)
