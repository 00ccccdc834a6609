from __future__ import annotations

import itertools
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.engine.runtime.step_scheduler import (
    PATIENCE_STEPS,
    STARVING_EVERY,
    STAY_STEPS,
    StepBatch,
    StepLimits,
    StepScheduler,
    TransformerCall,
)
from consumer.jobs import Lane


@dataclass(eq=False)
class Wanted:
    """A picture as the choice sees it."""

    number: int
    lane: Lane = Lane.LIVE
    length: int = 64
    negative_length: int = 0
    passed_over: int = 0
    alone: bool = False
    group: str = "base"
    steps: int = 4

    @property
    def rank(self) -> int:
        return self.lane.rank


LENGTHS = st.integers(1, 40).map(lambda n: 32 * n)
PICTURES = st.builds(
    Wanted,
    number=st.just(0),
    lane=st.sampled_from(Lane),
    length=LENGTHS,
    negative_length=st.just(0) | LENGTHS,
    passed_over=st.integers(0, 300),
    alone=st.booleans(),
    group=st.sampled_from("ab"),
    steps=st.integers(1, 8),
)
CROWDS = st.lists(PICTURES, min_size=1, max_size=20).map(
    lambda pictures: [Wanted(**{**vars(picture), "number": at}) for at, picture in enumerate(pictures)]
)
LIMITS = st.builds(
    lambda pictures, tokens, call_tokens, sequences: StepLimits(
        pictures, tokens, call_tokens, lambda _length: sequences
    ),
    st.integers(1, 8),
    st.integers(64, 8192),
    st.integers(0, 2048),
    st.integers(1, 8),
)


def limits(pictures: int = 8, tokens: int = 16_384, call_tokens: int = 256, sequences: int = 99) -> StepLimits:
    return StepLimits(pictures, tokens, call_tokens, lambda _length: sequences)


def chosen(*pictures: Wanted, within: StepLimits | None = None) -> list[int]:
    """Return the numbers of the pictures of the next step, sorted."""
    return sorted(picture.number for picture in StepScheduler[Wanted](within or limits()).choose(pictures).pictures)


def test_unlike_pictures_share_a_step() -> None:
    """Sizes, prompts, guidance and progress may differ: while padding is cheaper than a call, they go together."""
    assert chosen(Wanted(1, length=96, negative_length=64), Wanted(2, length=64), Wanted(3, length=128)) == [1, 2, 3]


def test_a_picture_much_larger_waits() -> None:
    """A small picture is not padded to a large one's length when that costs more than a call of its own."""
    assert chosen(Wanted(1, length=4160), Wanted(2, length=1088), Wanted(3, length=4160)) == [1, 3]


def test_equal_shapes_come_first_among_equals() -> None:
    """Where not all can join, those of the head's own shape do, though others are older."""
    crowd = [Wanted(1), Wanted(2, length=96), Wanted(3), Wanted(4)]
    assert chosen(*crowd, within=limits(pictures=3)) == [1, 3, 4]


def test_a_higher_lane_joins_at_the_next_step() -> None:
    """However many pictures of lower lanes are in hand, begun or not, and however old they are."""
    crowd = [Wanted(number, Lane.BACKFILL, length=4160) for number in range(8)]
    assert 99 in chosen(*crowd, Wanted(99, Lane.INTERACTIVE, length=64))


def test_nobody_slows_a_picture_that_is_watched() -> None:
    """An editor's picture steps with other editors' pictures, and not with saves or a backfill, which go together."""
    save, backfill = Wanted(2, Lane.LIVE), Wanted(3, Lane.BACKFILL)

    assert chosen(Wanted(1, Lane.INTERACTIVE), save, backfill, Wanted(4, Lane.INTERACTIVE)) == [1, 4]
    assert chosen(save, backfill) == [2, 3]


def test_a_suspect_steps_alone() -> None:
    """A picture under suspicion shares its step with nobody, and joins nobody's."""
    assert chosen(Wanted(1, alone=True), Wanted(2)) == [1]
    assert chosen(Wanted(1), Wanted(2, alone=True), Wanted(3)) == [1, 3]


def test_guidance_takes_one_call_while_padding_is_cheaper() -> None:
    """Prompts of like length go through together, unlike ones through calls of their own; a small cap forces two."""
    near, far = Wanted(1, length=96, negative_length=64), Wanted(1, length=1500, negative_length=1000)
    assert StepScheduler[Wanted](limits()).choose([near]) == StepBatch((near,), one_pass=True)
    assert StepScheduler[Wanted](limits()).choose([far]) == StepBatch((far,), one_pass=False)
    split = StepScheduler[Wanted](limits(sequences=1)).choose([near])
    assert split.calls == (TransformerCall(1, 96), TransformerCall(1, 64))


def test_a_picture_over_every_budget_still_steps() -> None:
    """A budget in tokens says how many share a step; it keeps no picture from being painted."""
    assert chosen(Wanted(1, length=40_000, negative_length=40_000), within=limits(tokens=64)) == [1]


def test_other_adapters_never_share_a_step() -> None:
    """Only pictures that need the same weights go together."""
    assert chosen(Wanted(1, group="a"), Wanted(2, group="b"), Wanted(3, group="a")) == [1, 3]


def test_adapters_are_not_switched_back_and_forth() -> None:
    """Equally urgent pictures of the adapters in use go on for some steps; a higher lane switches at once."""
    chooser = StepScheduler[Wanted](limits())
    ours, older, urgent = Wanted(5, group="a"), Wanted(1, group="b"), Wanted(9, Lane.INTERACTIVE, group="b")
    assert chooser.choose([ours]).pictures == (ours,)
    stays = [chooser.choose([ours, older]).pictures for _ in range(STAY_STEPS)]
    assert stays == [(ours,)] * (STAY_STEPS - 1) + [(older,)]
    assert chooser.choose([ours, older]).pictures == (older,)
    again = StepScheduler[Wanted](limits())
    again.choose([ours])
    assert again.choose([ours, urgent]).pictures == (urgent,)


@given(CROWDS, LIMITS)
def test_a_step_keeps_every_bound(crowd: list[Wanted], within: StepLimits) -> None:
    """A step has a picture, none twice, one group, no more than may be; beyond one picture it keeps all budgets."""
    step = StepScheduler[Wanted](within).choose(crowd)
    numbers = [picture.number for picture in step.pictures]
    assert 1 <= len(numbers) == len(set(numbers)) <= within.pictures
    assert len({picture.group for picture in step.pictures}) == 1
    if len(numbers) > 1:
        assert not any(picture.alone for picture in step.pictures)
        assert all(call.tokens <= within.tokens for call in step.calls)
        assert all(call.sequences <= within.sequences(call.length) for call in step.calls)


@given(CROWDS, LIMITS)
def test_company_never_costs_more_than_it_saves(crowd: list[Wanted], within: StepLimits) -> None:
    """A step costs at most what its pictures would cost in steps of their own, a call's price included."""

    def cost(step: StepBatch[Wanted]) -> int:
        return sum(within.call_tokens + call.tokens for call in step.calls)

    def apart(picture: Wanted) -> int:
        return min(cost(StepBatch((picture,), one_pass=one_pass)) for one_pass in (True, False))

    step = StepScheduler[Wanted](within).choose(crowd)
    if within.sequences(1) > 1 and all(2 * call.length <= within.tokens for call in step.calls):
        assert cost(step) <= sum(apart(picture) for picture in step.pictures)


@given(CROWDS, LIMITS)
def test_everybody_is_painted(crowd: list[Wanted], within: StepLimits) -> None:
    """Step after step every picture comes to its end, whatever the crowd."""
    chooser, waiting, steps = StepScheduler[Wanted](within), list(crowd), 0
    while waiting:
        step = chooser.choose(waiting)
        for picture in waiting:
            if picture in step.pictures:
                picture.steps, picture.passed_over = picture.steps - 1, 0
            else:
                picture.passed_over += 1
        waiting = [picture for picture in waiting if picture.steps]
        steps += 1
        assert steps <= 8 * len(crowd)


@pytest.mark.parametrize("lane", Lane)
def test_waiting_is_bounded_for_every_lane(lane: Lane) -> None:
    """Under an endless stream of interactive pictures that it cannot join, any picture steps within the bound."""
    chooser, patient = StepScheduler[Wanted](limits()), Wanted(0, lane, length=4160)
    waits = []
    for number in range(1, 500):
        if patient in chooser.choose([patient, Wanted(number, Lane.INTERACTIVE)]).pictures:
            waits.append(patient.passed_over)
            patient.passed_over = 0
        else:
            patient.passed_over += 1
    assert waits
    assert max(waits) <= PATIENCE_STEPS


@pytest.mark.parametrize("starving", [1, 8, 24])
def test_starving_pictures_hold_nobody_up(starving: int) -> None:
    """However many lower pictures starve, an interactive one waits for one step, and loses one in every few."""
    chooser = StepScheduler[Wanted](limits(pictures=1))
    crowd = [Wanted(number, Lane.BACKFILL, passed_over=PATIENCE_STEPS + number) for number in range(starving)]
    urgent = Wanted(99, Lane.INTERACTIVE)
    steps = []
    for _ in range(20 * STARVING_EVERY):
        (chosen,) = chooser.choose([*crowd, urgent]).pictures
        steps.append(chosen is urgent)
        for picture in (*crowd, urgent):
            picture.passed_over = 0 if picture is chosen else picture.passed_over + 1
    assert not any(one is other is False for one, other in itertools.pairwise(steps))
    assert sum(steps) >= len(steps) - 20
