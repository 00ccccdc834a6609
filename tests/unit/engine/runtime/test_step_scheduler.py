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
class FakeCandidate:
    """A picture as the step scheduler sees it."""

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
    FakeCandidate,
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
    lambda pictures: [FakeCandidate(**{**vars(picture), "number": at}) for at, picture in enumerate(pictures)]
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


def chosen(*pictures: FakeCandidate, within: StepLimits | None = None) -> list[int]:
    """Return the numbers of the next step's pictures, sorted."""
    return sorted(
        picture.number for picture in StepScheduler[FakeCandidate](within or limits()).choose(pictures).pictures
    )


def test_different_pictures_share_a_step() -> None:
    """Sizes, prompts, guidance and progress may differ: while padding is cheaper than a call, they step together."""
    assert chosen(
        FakeCandidate(1, length=96, negative_length=64), FakeCandidate(2, length=64), FakeCandidate(3, length=128)
    ) == [1, 2, 3]


def test_a_picture_much_larger_waits() -> None:
    """A small picture is not padded to a large one's length if that costs more than a call of its own."""
    assert chosen(FakeCandidate(1, length=4160), FakeCandidate(2, length=1088), FakeCandidate(3, length=4160)) == [1, 3]


def test_equal_shapes_come_first_among_equals() -> None:
    """If not all can join, those of the first picture's shape do, even if others are older."""
    crowd = [FakeCandidate(1), FakeCandidate(2, length=96), FakeCandidate(3), FakeCandidate(4)]
    assert chosen(*crowd, within=limits(pictures=3)) == [1, 3, 4]


def test_a_higher_lane_joins_at_the_next_step() -> None:
    """An urgent picture steps next, however many pictures of lower lanes there are, begun or not, and however old."""
    crowd = [FakeCandidate(number, Lane.BACKFILL, length=4160) for number in range(8)]
    assert 99 in chosen(*crowd, FakeCandidate(99, Lane.INTERACTIVE, length=64))


def test_only_interactive_pictures_join_an_interactive_one() -> None:
    """An editor's picture steps with other editors' pictures, not with saves or a backfill, which step together."""
    save, backfill = FakeCandidate(2, Lane.LIVE), FakeCandidate(3, Lane.BACKFILL)

    assert chosen(FakeCandidate(1, Lane.INTERACTIVE), save, backfill, FakeCandidate(4, Lane.INTERACTIVE)) == [1, 4]
    assert chosen(save, backfill) == [2, 3]


def test_a_suspect_steps_alone() -> None:
    """A suspected picture shares no step."""
    assert chosen(FakeCandidate(1, alone=True), FakeCandidate(2)) == [1]
    assert chosen(FakeCandidate(1), FakeCandidate(2, alone=True), FakeCandidate(3)) == [1, 3]


def test_guidance_takes_one_call_while_padding_is_cheaper() -> None:
    """Prompts of similar length share a call, others take calls of their own; a small memory cap forces two."""
    near, far = FakeCandidate(1, length=96, negative_length=64), FakeCandidate(1, length=1500, negative_length=1000)
    assert StepScheduler[FakeCandidate](limits()).choose([near]) == StepBatch((near,), one_pass=True)
    assert StepScheduler[FakeCandidate](limits()).choose([far]) == StepBatch((far,), one_pass=False)
    split = StepScheduler[FakeCandidate](limits(sequences=1)).choose([near])
    assert split.calls == (TransformerCall(1, 96), TransformerCall(1, 64))


def test_a_picture_over_every_budget_still_steps() -> None:
    """A token limit says how many pictures share a step; it never keeps one from being painted."""
    assert chosen(FakeCandidate(1, length=40_000, negative_length=40_000), within=limits(tokens=64)) == [1]


def test_other_adapters_never_share_a_step() -> None:
    """Only pictures that need the same adapters step together."""
    assert chosen(FakeCandidate(1, group="a"), FakeCandidate(2, group="b"), FakeCandidate(3, group="a")) == [1, 3]


def test_adapters_are_not_switched_back_and_forth() -> None:
    """Equally urgent pictures with the active adapters go on for some steps; a higher lane switches at once."""
    scheduler = StepScheduler[FakeCandidate](limits())
    ours, older, urgent = (
        FakeCandidate(5, group="a"),
        FakeCandidate(1, group="b"),
        FakeCandidate(9, Lane.INTERACTIVE, group="b"),
    )
    assert scheduler.choose([ours]).pictures == (ours,)
    stays = [scheduler.choose([ours, older]).pictures for _ in range(STAY_STEPS)]
    assert stays == [(ours,)] * (STAY_STEPS - 1) + [(older,)]
    assert scheduler.choose([ours, older]).pictures == (older,)
    again = StepScheduler[FakeCandidate](limits())
    again.choose([ours])
    assert again.choose([ours, urgent]).pictures == (urgent,)


@given(CROWDS, LIMITS)
def test_a_step_keeps_every_bound(crowd: list[FakeCandidate], within: StepLimits) -> None:
    """A step has at least one picture, none twice, one group, and keeps every limit once it has more than one."""
    step = StepScheduler[FakeCandidate](within).choose(crowd)
    numbers = [picture.number for picture in step.pictures]
    assert 1 <= len(numbers) == len(set(numbers)) <= within.pictures
    assert len({picture.group for picture in step.pictures}) == 1
    if len(numbers) > 1:
        assert not any(picture.alone for picture in step.pictures)
        assert all(call.tokens <= within.tokens for call in step.calls)
        assert all(call.sequences <= within.sequences(call.length) for call in step.calls)


@given(CROWDS, LIMITS)
def test_joining_never_costs_more_than_it_saves(crowd: list[FakeCandidate], within: StepLimits) -> None:
    """A step costs at most what its pictures would cost in separate steps, fixed costs included."""

    def cost(step: StepBatch[FakeCandidate]) -> int:
        return sum(within.call_tokens + call.tokens for call in step.calls)

    def apart(picture: FakeCandidate) -> int:
        return min(cost(StepBatch((picture,), one_pass=one_pass)) for one_pass in (True, False))

    step = StepScheduler[FakeCandidate](within).choose(crowd)
    if within.sequences(1) > 1 and all(2 * call.length <= within.tokens for call in step.calls):
        assert cost(step) <= sum(apart(picture) for picture in step.pictures)


@given(CROWDS, LIMITS)
def test_every_picture_is_painted(crowd: list[FakeCandidate], within: StepLimits) -> None:
    """Step by step every picture is finished, whatever the load."""
    scheduler, waiting, steps = StepScheduler[FakeCandidate](within), list(crowd), 0
    while waiting:
        step = scheduler.choose(waiting)
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
    scheduler, patient = StepScheduler[FakeCandidate](limits()), FakeCandidate(0, lane, length=4160)
    waits = []
    for number in range(1, 500):
        if patient in scheduler.choose([patient, FakeCandidate(number, Lane.INTERACTIVE)]).pictures:
            waits.append(patient.passed_over)
            patient.passed_over = 0
        else:
            patient.passed_over += 1
    assert waits
    assert max(waits) <= PATIENCE_STEPS


@pytest.mark.parametrize("starving", [1, 8, 24])
def test_starving_pictures_delay_others_by_one_step(starving: int) -> None:
    """However many lower pictures starve, an interactive one waits for one step, and loses one in every few."""
    scheduler = StepScheduler[FakeCandidate](limits(pictures=1))
    crowd = [FakeCandidate(number, Lane.BACKFILL, passed_over=PATIENCE_STEPS + number) for number in range(starving)]
    urgent = FakeCandidate(99, Lane.INTERACTIVE)
    steps = []
    for _ in range(20 * STARVING_EVERY):
        (chosen,) = scheduler.choose([*crowd, urgent]).pictures
        steps.append(chosen is urgent)
        for picture in (*crowd, urgent):
            picture.passed_over = 0 if picture is chosen else picture.passed_over + 1
    assert not any(one is other is False for one, other in itertools.pairwise(steps))
    assert sum(steps) >= len(steps) - 20
