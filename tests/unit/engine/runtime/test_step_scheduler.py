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
    lambda pictures, tokens: StepLimits(pictures, lambda: tokens), st.integers(1, 8), st.integers(64, 8192)
)


def limits(pictures: int = 8, tokens: int = 16_384) -> StepLimits:
    return StepLimits(pictures, lambda: tokens)


def tokens_of(*pictures: FakeCandidate) -> int:
    return sum(picture.length + picture.negative_length for picture in pictures)


def chosen(*pictures: FakeCandidate, within: StepLimits | None = None) -> list[int]:
    """Return the numbers of the next step's pictures, sorted."""
    return sorted(
        picture.number for picture in StepScheduler[FakeCandidate](within or limits()).choose(pictures).pictures
    )


def test_different_pictures_share_a_step() -> None:
    """Sizes, prompts, guidance and progress may differ as they like: what counts is the tokens of all together."""
    crowd = (
        FakeCandidate(1, length=4160, negative_length=4128),
        FakeCandidate(2, length=64),
        FakeCandidate(3, length=1088),
    )
    assert chosen(*crowd) == [1, 2, 3]


def test_a_picture_that_does_not_fit_lets_smaller_ones_join() -> None:
    """Those that fit into what is left join in their order; one that does not waits for another step."""
    crowd = [FakeCandidate(1), FakeCandidate(2, length=4160), FakeCandidate(3), FakeCandidate(4)]
    assert chosen(*crowd, within=limits(tokens=192)) == [1, 3, 4]


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


def test_calls_are_as_few_as_fit() -> None:
    """A step is one call; where memory is short, calls of a few sequences, down to one prompt of one picture."""
    step = StepBatch((FakeCandidate(1, length=96, negative_length=64), FakeCandidate(2, length=96)))

    def lengths(tokens: int) -> list[list[int]]:
        return [[sequence.length for sequence in call.sequences] for call in step.calls(tokens)]

    assert lengths(256) == [[96, 96, 64]]
    assert lengths(200) == [[96, 96], [64]]
    assert lengths(1) == [[96], [96], [64]]


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
        assert tokens_of(*step.pictures) <= within.tokens()


@given(CROWDS, LIMITS, st.integers(1, 4096))
def test_calls_take_every_sequence_once(crowd: list[FakeCandidate], within: StepLimits, tokens: int) -> None:
    """However a step is divided, each picture's prompt and negative prompt is in just one call, and calls fit."""
    step = StepScheduler[FakeCandidate](within).choose(crowd)
    calls = step.calls(tokens)
    found = [(sequence.picture.number, sequence.negative) for call in calls for sequence in call.sequences]
    guided = [(picture.number, True) for picture in step.pictures if picture.negative_length]
    assert sorted(found) == sorted([*((picture.number, False) for picture in step.pictures), *guided])
    assert all(call.tokens <= tokens or len(call.sequences) == 1 for call in calls)
    assert sum(call.tokens for call in calls) == tokens_of(*step.pictures)


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
