from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from consumer.engine.protocol import (
    Drop,
    EngineRequest,
    Failed,
    Frames,
    Paint,
    Painted,
    Refused,
    Reply,
    Running,
    StepDone,
    frame,
)
from consumer.jobs import Focus, Lane, Recipe
from schemas import Reason

numbers = st.integers(min_value=0, max_value=2**63)
replies = st.one_of(
    st.builds(Running, st.tuples(numbers, numbers)),
    st.builds(StepDone, numbers, numbers, numbers),
    st.builds(
        Painted,
        numbers,
        numbers,
        numbers,
        st.binary(max_size=500),
        st.floats(allow_nan=False),
        st.booleans(),
        st.none() | st.builds(Focus, st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)),
    ),
    st.builds(Failed, numbers, st.sampled_from(Reason), st.text(), st.booleans()),
    st.builds(Refused, st.sampled_from(Reason), st.text()),
)


@given(messages=st.lists(replies, max_size=6), cuts=st.lists(st.integers(min_value=1, max_value=400), min_size=1))
def test_messages_survive_any_chopping_of_the_stream(messages: list[Reply], cuts: list[int]) -> None:
    """Messages arrive complete and in order, however the pipe splits the bytes."""
    stream = b"".join(frame(message) for message in messages)
    frames: Frames[Reply] = Frames()
    heard: list[Reply] = []
    at = turn = 0
    while at < len(stream):
        size = cuts[turn % len(cuts)]
        heard += frames.feed(stream[at : at + size])
        at, turn = at + size, turn + 1
    assert heard == messages


def test_a_recipe_arrives_equal(recipe_of: Callable[..., Recipe]) -> None:
    """A recipe keeps its digest on the way to the child, whatever script its prompt is in."""
    recipe = recipe_of(prompt="港口上空的暴风雨 🎉 <|im_end|>")
    digest = recipe.digest
    frames: Frames[EngineRequest] = Frames()
    paint, drop = frames.feed(frame(Paint(3, recipe, Lane.LIVE, alone=True)) + frame(Drop(3)))
    assert paint == Paint(3, recipe, Lane.LIVE, alone=True)
    assert isinstance(paint, Paint)
    assert paint.recipe.digest == digest
    assert drop == Drop(3)
