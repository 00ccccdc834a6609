"""`consumer.processing.step_budget`: every picture's steps are told, in turn, and not too many."""

from __future__ import annotations

import heapq
import itertools

from hypothesis import given
from hypothesis import strategies as st

from consumer.processing.step_budget import STEP_SECONDS, STEPS_AT_ONCE, STEPS_PER_SECOND, StepBudget, TakenStep

BEAT = 0.001
"""What rounding may add, in seconds."""


def told(paces: list[float], starts: list[float], steps: int) -> list[tuple[float, TakenStep]]:
    """Return what is told, and when, of pictures that each take a step in its own pace, in seconds."""
    now = 0.0
    budget = StepBudget(lambda: now)
    said = []
    coming = [(start + pace, index, 1) for index, (pace, start) in enumerate(zip(paces, starts, strict=True))]
    heapq.heapify(coming)
    while coming:
        now, index, done = heapq.heappop(coming)
        said += [(now, step) for step in budget.take(TakenStep(index, done, steps))]
        if done < steps:
            heapq.heappush(coming, (now + paces[index], index, done + 1))
    return said


SITES = st.integers(1, 9).flatmap(
    lambda count: st.tuples(
        st.lists(st.floats(0.001, 3.0), min_size=count, max_size=count),
        st.lists(st.sampled_from([0.0, 0.05, 1.0, 7.0]), min_size=count, max_size=count),
        st.integers(1, 40),
    )
)


def test_pictures_that_are_painted_together_are_told_together() -> None:
    """Eight tiles that take a step a second all move every second."""
    said = told([1.0] * 8, [0.0] * 8, 12)
    for index in range(8):
        assert [step.done for _, step in said if step.index == index] == list(range(1, 13))


def test_a_fast_picture_does_not_silence_the_others() -> None:
    """On one clock of quick steps each of nine pictures gets its turn."""
    said = told([0.05] * 9, [0.0] * 9, 100)
    counts = [sum(step.index == index for _, step in said) for index in range(9)]
    assert max(counts) - min(counts) <= 1


@given(SITES)
def test_no_picture_is_silent_for_long(site: tuple[list[float], list[float], int]) -> None:
    """As the docstring promises, for any number of pictures, paces and starts, while all of them are being painted."""
    paces, starts, steps = site
    longest = STEP_SECONDS + 2 * max(paces) + len(paces) / STEPS_PER_SECOND + BEAT
    said = told(paces, starts, steps)
    for index, (pace, start) in enumerate(zip(paces, starts, strict=True)):
        times = [start, *(at for at, step in said if step.index == index)]
        assert all(later - earlier <= longest for earlier, later in itertools.pairwise(times))
        assert abs(times[-1] - (start + pace * steps)) < BEAT


@given(SITES)
def test_what_is_told_is_bounded(site: tuple[list[float], list[float], int]) -> None:
    """Of a picture one in a quarter second, of a job eight a second after the first nine; beside the last steps."""
    paces, starts, steps = site
    said = [(at, step) for at, step in told(paces, starts, steps) if step.done < steps]
    for first, (since, _) in enumerate(said):
        for count, (until, _) in enumerate(said[first:], 1):
            assert count <= STEPS_AT_ONCE + (until - since) * STEPS_PER_SECOND + BEAT
    for index in range(len(paces)):
        times = [at for at, step in said if step.index == index]
        assert all(later - earlier >= STEP_SECONDS - BEAT for earlier, later in itertools.pairwise(times))


@given(SITES)
def test_each_pictures_steps_rise_to_the_last(site: tuple[list[float], list[float], int]) -> None:
    """Nothing is told twice or late, and the last step of every picture is told once."""
    paces, starts, steps = site
    said = told(paces, starts, steps)
    for index in range(len(paces)):
        done = [step.done for _, step in said if step.index == index]
        assert done == sorted(set(done))
        assert done[-1] == steps


def test_what_was_not_told_is_forgotten_when_it_is_over() -> None:
    """A picture that is stored, or an attempt that failed, has no steps to come."""
    now = 0.0
    budget = StepBudget(lambda: now)
    for done in (1, 2):
        budget.take(TakenStep(0, done, 9))
        budget.take(TakenStep(1, done, 9))
    budget.drop(0)
    now = 1.0
    assert budget.take(TakenStep(2, 1, 9)) == [TakenStep(2, 1, 9), TakenStep(1, 2, 9)]
    budget.take(TakenStep(2, 2, 9))
    budget.clear()
    now = 2.0
    assert budget.take(TakenStep(1, 1, 9)) == [TakenStep(1, 1, 9)]
